"""What holds of clusters and jobs just now, and is worth telling: asked every few seconds, told once for as long as it holds."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from runexp.wire.states import Preparation
from runexp.wire.views import ExperimentView
from runexpd.core.state import Experiment, State
from runexpd.hosts.link import Connected, Link, LoginNeeded
from runexpd.notices import rules
from runexpd.notices.outbox import Hearers, Outbox
from runexpd.runtime.watcher import Watcher

#: A cluster is told to be away after this long.
UNREACHABLE_SECONDS = 600.0


async def look_at_cluster(
    outbox: Outbox, hearers: Hearers, cluster: str, link: Link | None, watcher: Watcher, at: float
) -> None:
    """One with jobs of ours. Raises OutboxError."""
    login, away = f"login:{cluster}", f"unreachable:{cluster}"
    status = link.status if link else None
    if isinstance(status, LoginNeeded):
        notice = rules.login_needed(cluster, status.why, at)
        await outbox.ask(lambda: outbox.set_condition(login, notice, hearers))
        return
    if isinstance(status, Connected):
        await outbox.ask(lambda: outbox.clear_condition(login, None, hearers))
    if watcher.trouble is not None:
        since, why = watcher.trouble
        if at - since >= UNREACHABLE_SECONDS:
            told = rules.unreachable(cluster, why, since, at)
            await outbox.ask(lambda: outbox.set_condition(away, told, hearers))
    elif watcher.answered_at is not None:
        back = rules.reachable(cluster, at)
        await outbox.ask(lambda: outbox.clear_condition(away, back, hearers))


async def look_at_jobs(
    outbox: Outbox, hearers: Hearers, views: Mapping[str, ExperimentView], at: float
) -> None:
    """All experiments that run, by id. Raises OutboxError."""
    found = {
        f"health:{view.id}:{job.id}:{health.concern}": rules.unwell(view.name, view.typed, job.id, health, at)
        for view in views.values()
        for job in view.jobs
        for health in job.health
    }
    known = await outbox.ask(lambda: outbox.conditions("health:"))
    await _enter(outbox, hearers, found, known)
    for key in set(known) - found.keys():
        await outbox.ask(lambda key=key: outbox.clear_condition(key, None, hearers))  # type: ignore[misc]


async def look_at_experiments(
    outbox: Outbox, hearers: Hearers, state: State, typed: Callable[[Experiment], str], at: float
) -> None:
    """What of them waits for a person; who was not told before it is over is not told at all. Raises OutboxError."""
    found = {**dict(_parked(state, typed, at)), **dict(_unprepared(state, typed, at))}
    known = await outbox.ask(lambda: [*outbox.conditions("parked:"), *outbox.conditions("preparation:")])
    await _enter(outbox, hearers, found, known)
    for key in set(known) - found.keys():
        await outbox.ask(lambda key=key: outbox.withdraw_condition(key))  # type: ignore[misc]


def _parked(
    state: State, typed: Callable[[Experiment], str], at: float
) -> Iterator[tuple[str, rules.Notice]]:
    for id, left in state.parked.items():
        if (experiment := state.experiments.get(id)) is not None:
            yield f"parked:{id}", rules.parked(experiment, typed(experiment), left, at)


def _unprepared(
    state: State, typed: Callable[[Experiment], str], at: float
) -> Iterator[tuple[str, rules.Notice]]:
    for each in state.running():
        if each.preparation is Preparation.FAILED:
            yield f"preparation:{each.id}:{each.preparations}", rules.unprepared(each, typed(each), at)


async def _enter(
    outbox: Outbox, hearers: Hearers, found: Mapping[str, rules.Notice], known: Sequence[str]
) -> None:
    for key in found.keys() - set(known):
        notice = found[key]
        await outbox.ask(lambda key=key, notice=notice: outbox.set_condition(key, notice, hearers))  # type: ignore[misc]
