"""Experiments that are over, or adrift: out of sight, out of the ledger; and what their submissions have left on a cluster."""

from collections.abc import Iterator

from runexp.wire import states
from runexp.wire.jobs import BEFORE
from runexp.wire.refusals import Code
from runexp.wire.upkeep import Archive, Discard, Leftovers, LeftoversReply, Remove, Unarchive, UpkeepReply
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import Cluster, ClusterUnreachable
from runexpd.core.job import Job
from runexpd.core.observations import Forgotten, SightWanted
from runexpd.core.state import Experiment
from runexpd.experiments import limits
from runexpd.hosts.base import HostUnreachable
from runexpd.ledger import desk, removal
from runexpd.runtime import clock

_DAY_SECONDS = 86_400.0


async def archive(context: Context, asked: Archive) -> UpkeepReply:
    """Raises Refusal, NotTaken."""
    known = await _quiet(context, asked.experiment)
    await context.loop.tell(SightWanted(experiment=known.id, archived=True))
    return UpkeepReply(experiment=known.id, name=known.name, left=_left(context, known))


async def unarchive(context: Context, asked: Unarchive) -> UpkeepReply:
    """Raises Refusal, NotTaken."""
    known = await find.experiment(context, asked.experiment)
    await context.loop.tell(SightWanted(experiment=known.id, archived=False))
    return UpkeepReply(experiment=known.id, name=known.name)


async def remove(context: Context, asked: Remove) -> UpkeepReply:
    """First from what is known here, so that nothing more is written of it. Raises Refusal, LedgerError, NotTaken."""
    known = await _quiet(context, asked.experiment)
    if (left := _left(context, known)) and not asked.abandon:
        raise _adrift(context, known, left)
    await context.loop.tell(Forgotten(experiment=known.id))
    if known.id in context.loop.state.experiments:
        raise _not_over(context, known)
    await desk.ask(lambda: removal.remove(context.ledger, known.id, clock.now()))
    return UpkeepReply(experiment=known.id, name=known.name, left=left)


async def leftovers(context: Context, asked: Leftovers) -> LeftoversReply:
    """Raises Refusal, ClusterUnreachable, HostUnreachable."""
    return (await _sorted(context, find.cluster(context, asked.cluster), asked.days))[1]


async def discard(context: Context, asked: Discard) -> LeftoversReply:
    """Raises Refusal, ClusterUnreachable, HostUnreachable."""
    cluster = find.cluster(context, asked.cluster)
    over, found = await _sorted(context, cluster, asked.days)
    try:
        await cluster.forget(over)
    except (ClusterUnreachable, HostUnreachable) as error:
        hint = "some of it may be gone; the same command deletes the rest"
        raise Refusal(Code.UNREACHABLE, error.what, hint=hint) from error
    return found


async def _quiet(context: Context, named: str) -> Experiment:
    """One with which nothing is done: it is over, or adrift."""
    known = await find.experiment(context, named)
    if known.outcome is None and not context.loop.state.is_adrift(known):
        raise _not_over(context, known)
    return known


def _left(context: Context, known: Experiment) -> str:
    """What of it may still run, where nobody looks."""
    if context.loop.state.is_lost(known.id):
        return f"jobs of its may still run on {known.cluster}"
    at_large = [_named(job) for job in known.jobs.values() if job.stage in states.IN_FLIGHT]
    at_large += [BEFORE] if known.preparation_runs else []
    return f"{limits.listed(at_large, 10)} may still run on {known.cluster}" if at_large else ""


def _named(job: Job) -> str:
    id = job.attempt.slurm_job_id if job.attempt else None
    return f"{job.spec.id} (job {id})" if id else job.spec.id


def _adrift(context: Context, known: Experiment, left: str) -> Refusal:
    alone = f"leave them alone for good: runexp rm {context.typed(known)} --abandon"
    if context.loop.state.is_lost(known.id):
        what = f"{known.name} can't be known to be over: {left}"
        return Refusal(
            Code.BAD_REQUEST, what, known.dir, f"keep a copy: runexp ledger backup FILE; then {alone}"
        )
    what = f"{known.name} is not over, and its cluster is no longer in the configuration: {left}"
    return Refusal(Code.BAD_REQUEST, what, known.dir, f"{context.to_put_back(known.cluster)}; or {alone}")


def _not_over(context: Context, known: Experiment) -> Refusal:
    hint = f"runexp wait {context.typed(known)}, or: runexp cancel {context.typed(known)}"
    return Refusal(Code.BAD_REQUEST, f"{known.name} is not over", known.dir, hint)


async def _sorted(context: Context, cluster: Cluster, days: float) -> tuple[list[str], LeftoversReply]:
    """Tokens that may go, and how many there are of each kind. What isn't known here may be another daemon's."""
    tokens = await cluster.kept()
    gone = await desk.ask(lambda: removal.removed(context.ledger))
    over, needed = _known(context, clock.now() - days * _DAY_SECONDS)
    mine = {token: token.partition("-")[0] for token in tokens}
    may_go = [token for token, id in mine.items() if id in over or (id in gone and id not in needed)]
    left = sum(id in needed for id in mine.values())
    unknown = len(mine) - len(may_go) - left
    return may_go, LeftoversReply(cluster=cluster.name, over=len(may_go), needed=left, unknown=unknown)


def _known(context: Context, before: float) -> tuple[set[str], set[str]]:
    """Experiments that were over by then, and all others, by id, with those whose jobs they have taken over."""
    known = list(context.loop.state.known())
    over = {e.id for e in known if e.outcome is not None and e.ended_at is not None and e.ended_at <= before}
    adopted = {id for e in context.loop.state.experiments.values() if e.id not in over for id in _adopted(e)}
    return over - adopted, {e.id for e in known} - over | adopted


def _adopted(experiment: Experiment) -> Iterator[str]:
    """Whose jobs some of its own were, as their tokens tell: those are asked for by these until they are over."""
    return (a.mark.partition("-")[0] for job in experiment.jobs.values() for a in job.attempts if a.mark)
