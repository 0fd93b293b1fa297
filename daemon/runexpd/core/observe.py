"""observe(state, observation, now, last_seq) -> what happened: what the observation means, and all that follows from it.

What follows (a phase that closes, the barrier, the next intents) is in the same answer, so it enters the ledger in the
same transaction: there is no moment at which a crash could leave half of it.
"""

from collections.abc import Iterable, Iterator
from typing import assert_never

from msgspec.structs import replace

from runexp.wire import events
from runexp.wire.events import Event, Recorded
from runexp.wire.states import Phase
from runexpd.core.apply import apply
from runexpd.core.observations import (
    Accepted,
    AcceptWanted,
    AsideDone,
    Asked,
    Begun,
    CancelWanted,
    Deferred,
    Examined,
    Forgotten,
    Judged,
    Listed,
    MendDone,
    Observation,
    PreparationSaid,
    Recalled,
    RecipeSeen,
    Refused,
    RerunWanted,
    Restored,
    RetryWanted,
    ScaffoldSeen,
    SettingWanted,
    Shelved,
    SightWanted,
    Tick,
    Unclear,
)
from runexpd.core.state import State
from runexpd.core.steps import (
    again,
    anew,
    barrier,
    cancel,
    health,
    plan,
    prepare,
    recipes,
    rerun,
    restored,
    retry,
    setting,
    sight,
    submit,
    verify,
    watch,
)
from runexpd.core.touched import Touched

#: An event with the id of its experiment, not in the ledger yet.
Fact = tuple[str, Event]


class Happened:
    """Facts, numbered as the ledger will number them, and what becomes of the state with each."""

    def __init__(self, state: State, touched: Touched, now: float, last_seq: int) -> None:
        self.state = state
        self.touched = touched
        self.recorded: list[Recorded] = []
        self._now = now
        self._last_seq = last_seq

    def add(self, facts: Iterable[Fact]) -> None:
        """Raises IllegalTransition."""
        for experiment, event in facts:
            seq = self._last_seq + len(self.recorded) + 1
            recorded = Recorded(seq=seq, at=self._now, experiment=experiment, event=event)
            self.state = apply(self.state, recorded)
            self.recorded.append(recorded)
            self.touched.note(experiment, event)


def observe(state: State, observation: Observation, now: float, last_seq: int = 0) -> Happened:
    """Everything that happened by `now` (seconds since 1970), in order. The same observation again says nothing new.

    `last_seq`: the newest number in the ledger. Raises IllegalTransition: a fault of ours.
    """
    begun = observation.experiments if isinstance(observation, Begun) else ()
    state = _at_hand(state, observation)
    happened = Happened(state, Touched(begun), now, last_seq)
    facts = list(_meanings(state, observation, now))
    happened.add(facts)
    happened.add(_checked(state, facts, happened.state))
    while more := list(_owed(happened, now)):
        happened.add(more)
    return happened


def _at_hand(state: State, observation: Observation) -> State:
    """With what is asked for, and without what nobody needs. Neither is an event: nothing has happened to any of them."""
    match observation:
        case Recalled(experiment=recalled) if recalled.id in state.shelved:
            experiments = {**state.experiments, recalled.id: recalled}
            return replace(state, experiments=experiments, shelved=state.shelved.delete(recalled.id))
        case Shelved(experiment=id, seq=seq, line=line):
            known = state.experiments.get(id)
            if (
                known is not None
                and known.outcome is not None
                and known.seq == seq
                and id not in state.parked
            ):
                others = {other: each for other, each in state.experiments.items() if other != id}
                return replace(state, experiments=others, shelved=state.shelved.set(id, line))
        case Forgotten(experiment=id) if id in state.shelved:
            return replace(state, shelved=state.shelved.delete(id))
        case Forgotten(experiment=id) if (known := state.experiments.get(id)) is not None and (
            known.outcome is not None or state.is_adrift(known)
        ):
            others = {other: each for other, each in state.experiments.items() if other != id}
            parked = {other: why for other, why in state.parked.items() if other != id}
            return replace(state, experiments=others, parked=parked)
    return state


def _meanings(state: State, observation: Observation, now: float) -> Iterator[Fact]:
    match observation:
        case (
            ScaffoldSeen()
            | RetryWanted()
            | RerunWanted()
            | AcceptWanted()
            | CancelWanted()
            | SettingWanted()
            | SightWanted()
        ):
            yield from _of(observation.experiment, _asked(state, observation))
        case Accepted() | Refused() | Deferred() | Unclear():
            yield from _of(observation.experiment, submit.on_answer(state, observation, now))
        case Listed():
            for report in {report.token: report for report in observation.reports}.values():
                yield from _of(report.experiment, watch.on_report(state, report, now))
        case Examined() | Judged() | MendDone() | RecipeSeen() | AsideDone() | PreparationSaid():
            yield from _of(observation.experiment, _found(state, observation))
        case Restored():
            yield from restored.on_restored(state, observation)
        case Tick() | Begun() | Shelved() | Recalled() | Forgotten():
            pass
        case _:
            assert_never(observation)


def _found(
    state: State, found: Examined | Judged | MendDone | RecipeSeen | AsideDone | PreparationSaid
) -> Iterator[Event]:
    match found:
        case Examined():
            return health.on_examined(state, found)
        case Judged():
            return verify.on_judged(state, found)
        case MendDone():
            return retry.on_mended(state, found)
        case RecipeSeen():
            return recipes.on_recipe(state, found)
        case AsideDone():
            return anew.on_aside(state, found)
        case PreparationSaid():
            return prepare.on_said(state, found)


def _asked(state: State, asked: Asked) -> Iterator[Event]:
    match asked:
        case ScaffoldSeen():
            return plan.on_scaffold(state, asked)
        case RetryWanted():
            return again.on_retry(state, asked)
        case RerunWanted():
            return rerun.on_rerun(state, asked)
        case AcceptWanted():
            return again.on_accept(state, asked)
        case CancelWanted():
            return cancel.on_cancel(state, asked)
        case SettingWanted():
            return setting.on_setting(state, asked)
        case SightWanted():
            return sight.on_sight(state, asked)


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


def _owed(happened: Happened, now: float) -> Iterator[Fact]:
    """The first kind of thing that is owed; `observe` asks again with it applied."""
    state = happened.state
    for id in happened.touched:
        if (experiment := state.experiments.get(id)) is None or not state.is_watched(experiment):
            continue
        touched = list(happened.touched.of(experiment))
        # What begins nothing is done of a ledger that was put back, too.
        begins = (health.owed, retry.owed, barrier.owed) if state.is_running(experiment) else ()
        for step in (cancel.owed, *begins):
            if following := list(step(experiment, touched)):
                yield from _of(id, iter(following))
                return
        if state.is_running(experiment) and (following := list(prepare.owed(state, experiment))):
            yield from _of(id, iter(following))
            return
    yield from submit.intended(state, now)


def _of(experiment: str, happened: Iterator[Event]) -> Iterator[Fact]:
    return ((experiment, event) for event in happened)
