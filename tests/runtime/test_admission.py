"""What is let into the ledger, and whom a fault leaves alone."""

from collections.abc import Iterable, Iterator, Sequence

import pytest
from msgspec.structs import replace

from fakes.builders import GOOD, World, owed
from runexp.text import printable
from runexp.wire import events, states
from runexp.wire.events import Event, Recorded
from runexp.wire.jobs import Failure, Finding, Score, Verdict
from runexp.wire.states import Stage
from runexpd.core.due import Due, due
from runexpd.core.job import Job
from runexpd.core.observations import Begun, CancelWanted, Judged, Listed, Report, Tick
from runexpd.core.state import Experiment, Parked, State
from runexpd.core.steps import barrier, watch
from runexpd.core.touched import Touched
from runexpd.ledger import codec
from runexpd.ledger.errors import LedgerDamaged, LedgerUnwritable
from runexpd.runtime import admission
from runexpd.runtime.admission import admit, parked, replayed
from runtime.rig import ONE, TWO, first, report, second, stage_of, token_of

NOW = 2000.0
UNWRITABLE = {
    "a score that is no number": replace(GOOD, scores=(Score("match", "accuracy", float("nan")),)),
    "an infinite score": replace(GOOD, scores=(Score("match", "accuracy", float("inf")),)),
    "no detail": replace(GOOD, detail=None),
    "half a surrogate pair": replace(GOOD, detail="\ud800"),
    "a byte that was no UTF-8": replace(GOOD, warnings=("\udcff",)),
    "an artifact that is no text": replace(GOOD, artifacts=(None,)),
    "a failure without a kind": Verdict(finding=Finding.BAD, detail="x", failure=Failure(None, "x")),  # type: ignore[arg-type]
    "scores that are no scores": replace(GOOD, scores="good"),
    "an object": replace(GOOD, detail=object()),
}


def world() -> World:
    """Two experiments, the first with a job whose results are to be judged."""
    world = World()
    world.see(first())
    world.see(second())
    world.accept("rank4")
    world.accept("rank8")
    world.show("rank4", states.COMPLETED, final=True)
    return world


@pytest.fixture
def state() -> State:
    return world().state


def judged(state: State, verdict: Verdict) -> Judged:
    return Judged(experiment=ONE, job="rank4", token=token_of(state, ONE, "rank4"), verdict=verdict)


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """What follows from the first experiment can't be told; undo, and it can."""
    told = barrier.owed

    def owed(experiment: Experiment, touched: Sequence[Job]) -> Iterator[Event]:
        if experiment.id == ONE:
            raise ZeroDivisionError("nobody thought of that")
        return told(experiment, touched)

    monkeypatch.setattr(barrier, "owed", owed)
    return monkeypatch


@pytest.mark.parametrize("verdict", UNWRITABLE.values(), ids=UNWRITABLE.keys())
def test_a_verdict_that_cannot_be_written_is_refused_and_leaves_everything_as_it_was(
    state: State, verdict: Verdict
) -> None:
    refused = admit(state, judged(state, verdict), NOW, 100)
    assert refused.refused == printable(refused.refused) != ""
    assert (refused.rows, refused.recorded) == ((), ())
    assert refused.state == state
    assert [what for what, _ in refused.faults] == ["Judged is refused"]


def test_what_is_taken_is_numbered_on_and_read_back_as_it_was_meant(state: State) -> None:
    taken = admit(state, judged(state, GOOD), NOW, 100)
    assert taken.refused == ""
    assert [row.seq for row in taken.rows] == list(range(101, 101 + len(taken.rows)))
    assert [codec.decode(row.body) for row in taken.rows] == [r.event for r in taken.recorded]
    assert isinstance(taken.recorded[0].event, events.ResultVerified)
    assert stage_of(taken.state, ONE, "rank4") is Stage.VERIFIED


POISONS = {
    "no word at all": {"state": None},
    "a word that can't be looked up": {"state": [], "final": True},
    "half a surrogate pair": {"state": "\ud800"},
    "a time that is none": {"state": "RUNNING", "started_at": "yesterday"},
}


@pytest.mark.parametrize("poison", POISONS.values(), ids=POISONS.keys())
def test_one_poisoned_report_hurts_no_other_of_its_round(poison: dict[str, object]) -> None:
    world = World()
    world.see(first())
    world.accept("rank4")
    world.accept("rank8")
    good = report(world.state, ONE, "rank8", states.RUNNING)
    bad: Report = replace(report(world.state, ONE, "rank4", states.RUNNING), **poison)
    taken = admit(world.state, Listed(reports=(bad, good)), NOW, 100)
    assert taken.refused == ""
    assert [type(r.event) for r in taken.recorded] == [events.StateChanged, events.StatusChecked]
    assert [row.seq for row in taken.rows] == [101, 102]
    assert taken.state.experiments[ONE].jobs["rank4"] == world.job("rank4")
    assert taken.state.experiments[ONE].jobs["rank8"].state == states.RUNNING
    assert [what for what, _ in taken.faults] == ["Listed is refused"]


def test_a_poisoned_report_alone_is_refused_and_parks_nobody(state: State) -> None:
    bad = replace(report(state, ONE, "rank8", states.RUNNING), state=None)
    taken = admit(state, Listed(reports=(bad,)), NOW, 100)
    assert taken.refused
    assert taken.state == state


def test_an_experiment_whose_own_consequences_fail_is_parked_alone(
    state: State, faulty: pytest.MonkeyPatch
) -> None:
    taken = admit(state, Begun(experiments=(ONE, TWO)), NOW, 100)
    assert taken.refused == ""
    assert taken.state.parked == {ONE: Parked("ZeroDivisionError: nobody thought of that")}
    assert [what for what, _ in taken.faults] == [f"experiment words ({ONE}) is parked"]
    assert {id for (id, _), commands in due(taken.state, taken.touched, NOW).jobs.items() if commands} == {
        TWO
    }


def test_what_is_told_of_the_others_is_taken_with_all_that_follows(
    state: State, faulty: pytest.MonkeyPatch
) -> None:
    asked = CancelWanted(experiment=TWO, jobs=("base/words",))
    taken = admit(state, asked, NOW, 100)
    assert taken.state.parked == {}, "nobody asked about the other"
    assert {r.experiment for r in taken.recorded} == {TWO}
    assert stage_of(taken.state, TWO, "base/words") is Stage.SKIPPED


def test_what_is_told_of_a_parked_one_is_kept_though_nothing_follows(
    state: State, faulty: pytest.MonkeyPatch
) -> None:
    taken = admit(state, judged(state, GOOD), NOW, 100)
    assert taken.refused == ""
    assert stage_of(taken.state, ONE, "rank4") is Stage.VERIFIED
    assert taken.state.parked.keys() == {ONE}


def test_who_asks_for_something_of_a_parked_one_has_it_tried_again(
    state: State, faulty: pytest.MonkeyPatch
) -> None:
    left_alone = admit(state, Begun(experiments=(ONE, TWO)), NOW, 100).state
    assert left_alone.parked.keys() == {ONE}
    assert admit(left_alone, Tick(), NOW, 100).state == left_alone
    asked = CancelWanted(experiment=ONE, jobs=("base/words",))
    still = admit(left_alone, asked, NOW, 100)
    assert still.refused == ""
    assert still.state.parked.keys() == {ONE}
    assert stage_of(still.state, ONE, "base/words") is Stage.PLANNED
    faulty.undo()
    assert admit(still.state, Tick(), NOW, 100).state.parked.keys() == {ONE}
    mended = admit(still.state, asked, NOW, 100).state
    assert mended.parked == {}
    assert stage_of(mended, ONE, "base/words") is Stage.SKIPPED


def test_an_observation_whose_own_meaning_fails_is_refused_and_parks_nobody(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> Iterator[Event]:
        raise ZeroDivisionError("of this report")

    monkeypatch.setattr(watch, "on_report", fail)
    refused = admit(state, Listed(reports=(report(state, ONE, "rank8", "RUNNING"),)), NOW, 100)
    assert refused.refused == "ZeroDivisionError: of this report"
    assert refused.state == state


def test_a_disk_that_takes_nothing_parks_nobody(state: State) -> None:
    def full(rows: object) -> None:
        raise LedgerUnwritable("it is full", "make room")

    with pytest.raises(LedgerUnwritable):
        parked(state, NOW, 100, full)


def past(*kept: int) -> list[Recorded]:
    told = [recorded for recorded in world().ledger if recorded.experiment == ONE]
    return [told[n] for n in kept] if kept else told


def unreadable() -> Iterator[Recorded]:
    yield from past(0, 1)
    raise LedgerDamaged("event 3 is no event", "move it aside")


def odd() -> Iterator[Recorded]:
    yield from past(0, 1)
    yield replace(past()[2], event=events.PhaseOpened(phase="levitation"))  # type: ignore[arg-type]


PASTS = {
    "what can't have happened": lambda: past(0, 1, 1, 5, 5),
    "what has no beginning": lambda: past(3, 4),
    "what can't be read": unreadable,
    "what nobody thought of": odd,
}


@pytest.mark.parametrize("told", PASTS.values(), ids=PASTS.keys())
def test_a_past_that_cannot_be_read_parks_its_experiment_for_good(told: object) -> None:
    other = World()
    other.see(second())
    state = replayed(other.state, ONE, told())  # type: ignore[operator]
    why = state.parked[ONE]
    assert why.for_good
    assert "its past can't be read" in why.why
    assert why.why == printable(why.why)
    assert admit(state, Tick(), NOW, 100).state.parked == {ONE: why}
    for asked in (first(), CancelWanted(experiment=ONE, jobs=())):
        refused = admit(state, asked, NOW, 100)
        assert (refused.refused, refused.state, refused.rows) == (why.why, state, ())
    assert admit(state, CancelWanted(experiment=TWO, jobs=("rank4",)), NOW, 100).rows


def test_a_past_that_can_be_read_is_as_it_was(state: State) -> None:
    one = [r for r in world().ledger if r.experiment == ONE]
    two = [r for r in world().ledger if r.experiment == TWO]
    empty = World().empty
    again = replayed(replayed(empty, ONE, one), TWO, two)
    assert again.experiments == state.experiments
    assert again.parked == {}


def test_a_disk_that_gives_nothing_back_is_no_experiments_fault() -> None:
    def gone() -> Iterable[Recorded]:
        raise LedgerUnwritable("it can't be read", "look at its disk")
        yield

    with pytest.raises(LedgerUnwritable):
        replayed(World().empty, ONE, gone())


def test_one_of_which_it_cannot_be_told_what_is_due_is_left_out(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def undue(state: State, touched: Touched, now: float) -> Due:
        if ONE in {e.id for e in state.running()}:
            raise KeyError("gate")
        return due(state, touched, now)

    monkeypatch.setattr(admission, "due", undue)
    left = parked(state, NOW, 100).state
    assert left.parked == {ONE: Parked("KeyError: 'gate'")}
    assert owed(left, NOW)
