"""observe(state, observation, now) -> what happened: what the observation means, and all that follows from it.

What follows (a phase that closes, the barrier, the next intents) is in the same answer, so it enters the ledger in the
same transaction: there is no moment at which a crash could leave half of it.
"""

from collections.abc import Iterator
from typing import assert_never

from runexp.wire import events
from runexp.wire.events import Event, Recorded
from runexp.wire.states import Phase
from runexpd.core.apply import fold
from runexpd.core.observations import (
    Accepted,
    AcceptWanted,
    Asked,
    CancelWanted,
    Deferred,
    Judged,
    Listed,
    MendDone,
    Observation,
    Refused,
    RetryWanted,
    ScaffoldSeen,
    Tick,
    Unclear,
)
from runexpd.core.state import State
from runexpd.core.steps import again, barrier, cancel, plan, retry, submit, verify, watch

#: An event with the id of its experiment, not in the ledger yet.
Fact = tuple[str, Event]


def observe(state: State, observation: Observation, now: float) -> list[Fact]:
    """Everything that happened by `now` (seconds since 1970), in order. The same observation again says nothing new."""
    facts = list(_meanings(state, observation, now))
    before, state = state, _after(state, facts, now)
    facts += (checks := list(_checked(before, facts, state)))
    state = _after(state, checks, now)
    while more := list(_owed(state, now)):
        facts += more
        state = _after(state, more, now)
    return facts


def _meanings(state: State, observation: Observation, now: float) -> Iterator[Fact]:
    match observation:
        case ScaffoldSeen() | RetryWanted() | AcceptWanted() | CancelWanted():
            yield from _of(observation.experiment, _asked(state, observation))
        case Accepted() | Refused() | Deferred() | Unclear():
            yield from _of(observation.experiment, submit.on_answer(state, observation, now))
        case Listed():
            for report in {report.token: report for report in observation.reports}.values():
                yield from _of(report.experiment, watch.on_report(state, report, now))
        case Judged():
            yield from _of(observation.experiment, verify.on_judged(state, observation))
        case MendDone():
            yield from _of(observation.experiment, retry.on_mended(state, observation))
        case Tick():
            pass
        case _:
            assert_never(observation)


def _asked(state: State, asked: Asked) -> Iterator[Event]:
    match asked:
        case ScaffoldSeen():
            return plan.on_scaffold(state, asked)
        case RetryWanted():
            return again.on_retry(state, asked)
        case AcceptWanted():
            return again.on_accept(state, asked)
        case CancelWanted():
            return cancel.on_cancel(state, asked)


def _checked(before: State, facts: list[Fact], after: State) -> Iterator[Fact]:
    """Once for each phase in which the cluster's words changed."""
    phases: dict[tuple[str, Phase], None] = {}
    for id, event in facts:
        if isinstance(event, events.StateChanged | events.JobEnded):
            job = before.experiments[id].jobs[event.job]
            if job.state != event.state:
                phases[id, job.spec.phase] = None
    for id, phase in phases:
        yield id, watch.checked(after.experiments[id], phase)


def _owed(state: State, now: float) -> Iterator[Fact]:
    """The first kind of thing that is owed; `observe` asks again with it applied."""
    for experiment in state.running():
        for step in (cancel.owed, retry.owed, barrier.owed):
            if following := list(step(experiment)):
                yield from _of(experiment.id, iter(following))
                return
    yield from submit.intended(state, now)


def _of(experiment: str, happened: Iterator[Event]) -> Iterator[Fact]:
    return ((experiment, event) for event in happened)


def _after(state: State, facts: list[Fact], now: float) -> State:
    """Tried on a copy: the ledger's numbers come when it takes them."""
    return fold(state, (Recorded(seq=0, at=now, experiment=id, event=event) for id, event in facts))
