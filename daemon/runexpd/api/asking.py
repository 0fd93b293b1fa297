"""Run, plan, retry, accept, cancel: what changes the ledger. Every change goes through the loop, and is on disk when answered."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from runexp.wire import events, requests, views
from runexp.wire.events import Recorded
from runexp.wire.jobs import BEFORE, IfChanged
from runexp.wire.refusals import Code
from runexp.wire.states import SETTLED, Phase
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.looking import look, with_recipes
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import Cluster
from runexpd.core.observations import (
    AcceptWanted,
    CancelWanted,
    Observation,
    RerunWanted,
    RetryWanted,
    ScaffoldSeen,
)
from runexpd.core.state import Experiment
from runexpd.core.steps import again, anew, forecast, plan, recipes
from runexpd.core.steps import rerun as steps
from runexpd.core.steps.submit import token_of
from runexpd.hosts import threads
from runexpd.runtime import aside, clock, submitter
from runexpd.runtime.loop import NotTaken
from runexpd.runtime.reader import check_writable

E = TypeVar("E", bound=events.Event)


async def run(context: Context, asked: requests.Run) -> requests.RunReply | requests.ChangedReply:
    cluster = find.cluster(context, asked.cluster)
    seen = await with_recipes(context, cluster, await look(context, cluster, asked.dir, asked.choices))
    undecided = _undecided(context, seen)
    if undecided and seen.changed is IfChanged.ASK:
        return requests.ChangedReply(name=seen.name, changes=undecided)
    for dir in {log.rpartition("/")[0] for log in seen.logs.values()}:
        await check_writable(cluster.host, dir)
    started = _first(await _tell(context, seen), events.RunAsked)
    if started is None:
        raise _unchanged(context, seen)
    experiment = context.still(started.experiment)
    return requests.RunReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=started.seq,
        owed=sum(job.stage not in SETTLED for job in experiment.current),
        changed=_left(experiment, undecided, seen),
    )


def _undecided(context: Context, seen: ScaffoldSeen) -> dict[str, tuple[str, ...]]:
    """Results that are of another recipe, where nobody has decided yet to keep them."""
    known = context.loop.state.experiments.get(seen.experiment)
    jobs = known.jobs if known else {}
    return {id: lines for id, lines in seen.changes.items() if recipes.changed(seen, jobs.get(id))}


def _left(
    experiment: Experiment, undecided: dict[str, tuple[str, ...]], seen: ScaffoldSeen
) -> dict[str, tuple[str, ...]]:
    """What still waits for a decision: a model that is being evaluated isn't made anew meanwhile, whatever was said."""
    if seen.changed is IfChanged.KEEP:
        return {}
    return {id: lines for id, lines in undecided.items() if anew.is_settled(experiment.jobs[id])}


async def show_plan(context: Context, asked: requests.PlanAsk) -> views.Plan:
    """Tried on a copy of the state: what `run` would do is what the plan says."""
    cluster = find.cluster(context, asked.cluster)
    seen = await look(context, cluster, asked.dir, asked.choices)
    state = context.loop.state
    if why := plan.contested(state, seen):
        raise _contested(why)
    tried = await aside.admit(state, seen, clock.now(), 0)
    if tried.refused:
        raise Refusal(Code.INTERNAL, tried.refused, seen.dir, "the daemon's journal has the details")
    before, after = state.experiments.get(seen.experiment), tried.state.experiments[seen.experiment]
    typed = context.typed(after)
    lines = await threads.aside(lambda: tuple(forecast.lines(before, after, typed)))
    return views.Plan(
        name=after.name,
        dir=after.dir,
        cluster=after.cluster,
        lines=await _with_others(cluster, after, lines),
        warnings=seen.warnings,
    )


async def _with_others(
    cluster: Cluster, experiment: Experiment, lines: Sequence[views.PlanLine]
) -> tuple[views.PlanLine, ...]:
    """The plan's lines, those left out where another's job trains: it would be refused. Raises ClusterUnreachable."""
    ids = [e.job for e in lines if e.decision == "submit" and e.phase is Phase.OPTIMIZATION]
    tokens = {id: token_of(experiment.id, experiment.tokens + place) for place, id in enumerate(ids, start=1)}
    specs = {token: experiment.jobs[id].spec for id, token in tokens.items()}
    taken = await submitter.taken(cluster, specs) if specs else {}
    whose = {id: taken[token] for id, token in tokens.items() if token in taken}
    return tuple(
        replace(line, decision="blocked", reason=whose[line.job]) if line.job in whose else line
        for line in lines
    )


async def retry(context: Context, asked: requests.Retry) -> requests.RetryReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    cluster = find.cluster(context, experiment.cluster)
    choices = requests.Choices(optimize_only=experiment.policy.optimize_only)
    wanted = RetryWanted(seen=await look(context, cluster, experiment.dir, choices), jobs=named)
    done = _first(await _tell(context, wanted), events.RetryAsked)
    if done is None:
        context.still(experiment.id)
        if why := again.contested(context.loop.state, wanted):
            raise _contested(why)
        raise _nothing_to_retry(context, experiment, named)
    return requests.RetryReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=done.seq,
        jobs=done.event.jobs or named or (BEFORE,),
    )


async def rerun(context: Context, asked: requests.Rerun) -> requests.RerunReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    cluster = find.cluster(context, experiment.cluster)
    choices = requests.Choices(optimize_only=experiment.policy.optimize_only)
    wanted = RerunWanted(seen=await look(context, cluster, experiment.dir, choices), jobs=named)
    done = _first(await _tell(context, wanted), events.RerunAsked)
    if done is None:
        ids = steps.rerunnable(context.still(experiment.id), wanted)
        if why := plan.contested(context.loop.state, wanted.seen, ids):
            raise _contested(why)
        raise _nothing_to_rerun(context, experiment, named)
    return requests.RerunReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=done.seq,
        jobs=done.event.jobs,
    )


async def accept(context: Context, asked: requests.Accept) -> requests.AcceptReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    wrong = set(named) - set(again.acceptable(experiment, named))
    if wrong or not named:
        states = _states(experiment, sorted(wrong)) or "no job is named"
        hint = f"only what failed or is unclear can be taken as it is: `runexp status {context.typed(experiment)}`"
        raise Refusal(Code.NOTHING_TO_DO, states, hint=hint)
    recorded = await _tell(context, AcceptWanted(experiment=experiment.id, jobs=named))
    if not recorded:
        context.still(experiment.id)
        raise Refusal(Code.NOTHING_TO_DO, f"nothing of {experiment.name} is left to accept")
    return requests.AcceptReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=recorded[0].seq,
        jobs=named,
    )


async def cancel(context: Context, asked: requests.Cancel) -> requests.CancelReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    recorded = await _tell(context, CancelWanted(experiment=experiment.id, jobs=named))
    done = _first(recorded, events.CancelAsked)
    before = (BEFORE,) if _first(recorded, events.PreparationCancelAsked) else ()
    if jobs := (*(done.event.jobs if done else ()), *before):
        return requests.CancelReply(jobs=jobs, trouble=_hindered(context, experiment.id))
    what = f"{', '.join(named) or experiment.name} has nothing left to cancel"
    hint = f"`runexp status {context.typed(experiment)}` shows its jobs"
    raise Refusal(Code.NOTHING_TO_DO, what, hint=hint)


def _hindered(context: Context, id: str) -> str:
    """Why what runs of it can't be ended now; empty where nothing runs, or nothing is in the way."""
    experiment = context.still(id)
    return context.hindrance(experiment.cluster) if experiment.is_open else ""


async def _tell(context: Context, observation: Observation) -> Sequence[Recorded]:
    try:
        return await context.loop.tell(observation)
    except NotTaken as error:
        hint = error.hint or "this is a fault of runexp's; the daemon's journal has the details"
        raise Refusal(Code.INTERNAL, f"nothing was changed: {error.what}", hint=hint) from error


class _Of(msgspec.Struct, frozen=True):
    """An event with its place, of a known type."""

    seq: int
    experiment: str
    event: Any


def _first(recorded: Sequence[Recorded], kind: type[E]) -> _Of | None:
    found = (r for r in recorded if isinstance(r.event, kind))
    return next((_Of(r.seq, r.experiment, r.event) for r in found), None)


def _unchanged(context: Context, seen: ScaffoldSeen) -> Refusal:
    """Why `run` changed nothing: another trains there, or it is under way as it is."""
    if why := plan.contested(context.loop.state, seen):
        return _contested(why)
    known = plan.by_directory(context.loop.state, seen.cluster, seen.dir)
    assert known is not None
    hint = f"attach to it: runexp attach {context.typed(known)}"
    return Refusal(Code.RUNNING, f"{known.name} is running already", known.dir, hint)


def _contested(why: str) -> Refusal:
    hint = "run this one when that is over: what it has trained is then taken as it is"
    return Refusal(Code.RUNNING, why, hint=hint)


def _nothing_to_retry(context: Context, experiment: Experiment, named: tuple[str, ...]) -> Refusal:
    states = _states(experiment, named)
    what = f"nothing to submit again: {states}" if named else f"nothing of {experiment.name} has failed"
    hint = f"`runexp status {context.typed(experiment)}` shows its jobs"
    return Refusal(Code.NOTHING_TO_DO, what, hint=hint)


def _states(experiment: Experiment, named: Sequence[str]) -> str:
    jobs, preparation = experiment.jobs, experiment.preparation
    return ", ".join(f"{id} is {jobs[id].state if id in jobs else preparation}" for id in named)


def _nothing_to_rerun(context: Context, experiment: Experiment, named: tuple[str, ...]) -> Refusal:
    typed = context.typed(experiment)
    busy = [reader for id in named for reader in anew.readers(experiment, id)]
    said = _states(experiment, busy or named) or "no job is named"
    hint = (
        f"what is under way is ended first (`runexp cancel {typed}`), and a model is there or made anew, too"
    )
    return Refusal(Code.NOTHING_TO_DO, f"nothing to make anew: {said}", hint=hint)
