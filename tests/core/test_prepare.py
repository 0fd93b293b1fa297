"""What is run once before the evaluations: begun when there is one to submit, and no evaluation goes before it is done."""

import pytest
from msgspec.structs import replace

from fakes.builders import GOOD, ID, SCORED, World, owed, scaffold
from runexp.wire import events
from runexp.wire.events import Event, Recorded
from runexp.wire.jobs import BEFORE, Barrier, Policy
from runexp.wire.states import Outcome, Preparation, Stage
from runexpd.core import commands
from runexpd.core.apply import apply
from runexpd.core.due import due
from runexpd.core.lifecycle import IllegalTransition
from runexpd.core.observations import (
    AcceptWanted,
    CancelWanted,
    Observation,
    PreparationSaid,
    RetryWanted,
    Tick,
)
from runexpd.core.state import Limits, State
from runexpd.core.steps import prepare, report
from runexpd.core.touched import Touched

CACHE = Policy(before_evaluations="make cache")
CELLS = ["base/words", "rank4/words/epoch0", "rank8/words/epoch0"]


def trained(policy: Policy = CACHE) -> World:
    world = World()
    world.see(scaffold(policy=policy))
    world.finish("rank4", GOOD)
    world.finish("rank8", GOOD)
    return world


def said(exit_code: int | None, number: int = 1, *lines: str) -> PreparationSaid:
    return PreparationSaid(experiment=ID, number=number, exit_code=exit_code, said=lines)


def kinds(happened: list[Event]) -> list[type[Event]]:
    return [type(event) for event in happened]


def sent(world: World) -> list[str]:
    return [id for id in CELLS if world.job(id).stage is Stage.SUBMITTING]


def test_it_runs_once_the_barrier_clears_and_the_evaluations_follow() -> None:
    world = trained()
    (command,) = owed(world.state, world.now)
    assert command == commands.Prepare("local", ID, "/exp", f"/exp/{BEFORE}/{ID}-1", "make cache", 1)
    assert command.key == f"prepare {ID} 1"
    assert report.report(world.experiment, "words").evaluation.jobs[0].detail == (
        "waits for before-evaluations, which is running"
    )
    happened = world.see(said(0))
    assert kinds(happened) == [events.PreparationEnded, *[events.AttemptIntended] * 3]
    assert sent(world) == CELLS
    assert world.see(said(0)) == [], "an answer counts once"
    assert not prepare.holds(world.experiment)


def test_without_a_command_nothing_is_run() -> None:
    assert sent(trained(Policy())) == CELLS


def test_the_clusters_own_command_is_run_unless_the_experiment_says_otherwise() -> None:
    def before(own: str | None) -> str:
        world = World()
        world.state = world.empty = State(limits={"local": Limits(before_evaluations="make all of it")})
        world.see(scaffold([], policy=Policy(before_evaluations=own)))
        return world.experiment.prepared_by

    assert [before(own) for own in (None, "make cache", "")] == ["make all of it", "make cache", ""]


def test_under_its_own_barrier_a_run_that_is_trained_first_has_it_begun() -> None:
    world = World()
    world.see(scaffold(["rank4", "rank8"], policy=replace(CACHE, barrier=Barrier.RUN)))
    assert world.experiment.preparation is Preparation.RUNNING, "the base model can be evaluated"
    world.see(said(0))
    assert sent(world) == ["base/words"]
    world.finish("rank4", GOOD)
    assert "rank4/words/epoch0" in sent(world)
    assert world.experiment.preparations == 1


def test_its_failure_is_shown_and_holds_the_evaluations_until_a_person_decides() -> None:
    world = trained()
    assert kinds(world.see(said(3, 1, "begins", "no space left"))) == [events.PreparationEnded]
    assert sent(world) == []
    shown = report.view(world.experiment, "words", {})
    assert shown.trouble == (
        "before the evaluations failed: make cache: exit code 3: no space left; `runexp retry words` runs it "
        "again, `runexp accept words before-evaluations` evaluates without it"
    )
    assert shown.outcome is None
    assert report.report(world.experiment, "words").next_steps[0] == f"Decide about {shown.trouble}"
    world.now += 86400
    assert world.see(Tick()) == []
    assert due(world.state, Touched(), world.now).wake_at is None


@pytest.mark.parametrize("jobs", [(), (BEFORE,)])
def test_retry_runs_it_again(jobs: tuple[str, ...]) -> None:
    world = trained()
    world.see(said(None))
    assert "nobody can tell how it ended" in prepare.holds(world.experiment)
    happened = world.see(RetryWanted(seen=scaffold(policy=CACHE), jobs=jobs))
    assert kinds(happened)[:2] == [events.PreparationDecided, events.RetryAsked]
    assert kinds(happened)[-1] is events.PreparationIntended
    assert world.see(said(0, 1)) == [], "that was the first time"
    world.see(said(0, 2))
    assert sent(world) == CELLS


def test_a_retry_of_something_else_leaves_it_alone() -> None:
    world = trained()
    world.see(said(1))
    assert world.see(RetryWanted(seen=scaffold(policy=CACHE), jobs=("rank8",))) == []


def test_accept_goes_on_without_it() -> None:
    world = trained()
    world.see(said(1))
    happened = world.see(AcceptWanted(experiment=ID, jobs=(BEFORE,)))
    assert kinds(happened) == [events.PreparationDecided, *[events.AttemptIntended] * 3]
    for id in CELLS:
        world.finish(id, SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    assert world.see(AcceptWanted(experiment=ID, jobs=(BEFORE,))) == []


def test_another_command_is_run_in_place_of_one_that_failed_or_is_done() -> None:
    world = trained()
    other = replace(CACHE, before_evaluations="make it all")
    world.see(scaffold(policy=other))
    assert world.experiment.prepared_by == "make cache", "what runs is seen to its end"
    world.see(said(1))
    happened = world.see(scaffold(policy=CACHE))
    assert events.PreparationIntended in kinds(happened)
    assert world.experiment.prepared_by == "make cache"


def test_with_its_experiment_it_is_cancelled_which_ends_when_it_has_ended() -> None:
    world = trained()
    happened = world.see(CancelWanted(experiment=ID, jobs=()))
    assert kinds(happened)[0] is events.CancelAsked
    assert kinds(happened)[-1] is events.PreparationCancelAsked
    assert world.experiment.outcome is None
    (command,) = owed(world.state, world.now)
    assert command == commands.EndPreparation("local", ID, "/exp", f"/exp/{BEFORE}/{ID}-1", 1)
    assert command.key == f"end {ID} 1"
    assert "is to end" in prepare.holds(world.experiment)
    assert kinds(world.see(said(143))) == [events.PreparationEnded, events.ExperimentEnded]
    assert world.experiment.outcome is Outcome.CANCELLED
    assert owed(world.state, world.now) == []
    assert due(world.state, world.happened.touched, world.now).jobs[ID, ""] == ()


@pytest.mark.parametrize("retried", [(), ("rank8/words/epoch0",)])
def test_what_was_cancelled_with_its_experiment_is_owed_again_with_it(retried: tuple[str, ...]) -> None:
    world = trained()
    world.see(CancelWanted(experiment=ID, jobs=()))
    world.see(said(None))
    again: list[Observation] = [
        scaffold(policy=CACHE, verdicts={"rank4": GOOD, "rank8": GOOD}),
        RetryWanted(seen=scaffold(policy=CACHE), jobs=retried),
    ]
    for asked in again:
        fork = world.fork()
        happened = fork.see(asked)
        assert events.PreparationIntended in kinds(happened) or retried
        assert fork.experiment.preparation is not Preparation.CANCELLED


def test_cancelled_by_its_name_the_evaluations_wait_for_a_person() -> None:
    world = trained()
    assert kinds(world.see(CancelWanted(experiment=ID, jobs=(BEFORE,)))) == [events.PreparationCancelAsked]
    assert world.see(CancelWanted(experiment=ID, jobs=(BEFORE,))) == []
    assert kinds(world.see(said(143, 1, "begins"))) == [events.PreparationEnded]
    assert sent(world) == []
    assert prepare.holds(world.experiment, "words").startswith(
        "before the evaluations was cancelled: make cache; `runexp retry words` runs it again"
    )
    happened = world.see(AcceptWanted(experiment=ID, jobs=(BEFORE,)))
    assert kinds(happened) == [events.PreparationDecided, *[events.AttemptIntended] * 3]


def test_cancelled_too_late_it_is_done() -> None:
    world = trained()
    world.see(CancelWanted(experiment=ID, jobs=(BEFORE,)))
    world.see(said(0))
    assert sent(world) == CELLS


def test_it_ends_when_no_evaluation_waits_for_it_any_more() -> None:
    world = trained()
    happened = world.see(CancelWanted(experiment=ID, jobs=tuple(CELLS)))
    assert kinds(happened)[-1] is events.PreparationCancelAsked


def test_it_happens_in_one_order_alone() -> None:
    world = trained()
    event = events.PreparationDecided(again=True)
    with pytest.raises(IllegalTransition, match="a command before the evaluations that is running"):
        apply(world.state, Recorded(seq=99, at=0.0, experiment=ID, event=event))


def test_what_it_writes_lies_beside_the_run_logs() -> None:
    world = trained()
    assert prepare.output(world.experiment) == f"/exp/{BEFORE}/{ID}-1/output.log"
    alone = replace(world.experiment, logs={})
    assert prepare.output(alone) == f"/exp/{BEFORE}/{ID}-1/output.log"


def test_evaluations_keep_their_distance_where_that_is_asked_for() -> None:
    def begins(limits: Limits, policy: Policy) -> list[float]:
        world = World()
        world.state = world.empty = State(limits={"local": limits})
        world.see(scaffold(policy=policy))
        for id in ("rank4", "rank8"):
            world.finish(id, GOOD)
        while (wake_at := due(world.state, Touched(), world.now).wake_at) is not None:
            world.now = wake_at
            world.see(Tick())
        times = {r.event.job: r.at for r in world.ledger if isinstance(r.event, events.AttemptIntended)}
        return [times[id] - times[CELLS[0]] for id in CELLS]

    at_once = Limits(stagger_seconds=0.0)
    apart = Limits(stagger_seconds=0.0, stagger_evaluations_seconds=7.0)
    assert begins(at_once, Policy()) == [0, 0, 0]
    assert begins(apart, Policy()) == [0, 7, 14]
    assert begins(apart, Policy(stagger_evaluations_seconds=2.0)) == [0, 2, 4]
    assert begins(apart, Policy(stagger_evaluations_seconds=0.0)) == [0, 0, 0]
    assert begins(at_once, Policy(stagger_evaluations_seconds=3.0)) == [0, 3, 6]
