"""Verdicts that are neither good nor bad: nothing is submitted over them, the barrier waits, a person decides."""

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, ID, MISSING, SCORED, World, scaffold
from runexp.wire import events
from runexp.wire.jobs import Failure, Finding, Policy, Verdict
from runexp.wire.states import Outcome, PhaseState, Stage
from runexpd.core.observations import AcceptWanted, CancelWanted, Judged, RetryWanted
from runexpd.core.steps import again

RUN = ["rank4"]


def in_doubt(trained: list[str] | None = None) -> World:
    """A training of somebody else's lies there, and proves nothing."""
    world = World()
    world.see(scaffold(trained or RUN, verdicts={"rank4": DOUBTFUL}))
    assert world.job("rank4").stage is Stage.IN_DOUBT
    return world


def outcome_of(world: World) -> Outcome | None:
    return world.experiment.outcome


def ended() -> World:
    world = World()
    world.see(scaffold(RUN))
    world.accept("rank4")
    world.show("rank4", "COMPLETED", final=True)
    return world


def test_a_finished_training_of_somebody_elses_without_proof_is_never_trained_over() -> None:
    world = in_doubt()
    assert not [r for r in world.ledger if isinstance(r.event, events.AttemptIntended)]
    assert world.experiment.outcome is None
    assert world.job("rank4").state == "UNCLEAR"


def test_the_barrier_waits_for_one_in_doubt_as_for_one_that_runs() -> None:
    world = in_doubt(["rank4", "rank8"])
    world.finish("rank8", GOOD)
    assert world.experiment.optimization is PhaseState.RUNNING
    assert world.job("rank8/words/epoch0").stage is Stage.PLANNED


def test_accept_takes_it_as_it_is_and_the_evaluations_go() -> None:
    world = in_doubt()
    happened = world.see(AcceptWanted(experiment=ID, jobs=("rank4",)))
    assert happened[0] == events.ResultAccepted(job="rank4")
    assert world.job("rank4").stage is Stage.VERIFIED
    assert world.job("rank4").accepted
    assert world.job("rank4").artifacts == DOUBTFUL.artifacts
    assert world.job("rank4/words/epoch0").stage is Stage.SUBMITTING


def test_what_was_accepted_stays_so_whatever_a_later_look_says() -> None:
    world = in_doubt()
    world.see(AcceptWanted(experiment=ID, jobs=("rank4",)))
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    for verdict in (BAD, MISSING, DOUBTFUL):
        world.see(scaffold(RUN, verdicts={"rank4": verdict}))
        assert world.job("rank4").stage is Stage.VERIFIED


def test_a_failed_training_that_is_accepted_takes_along_what_was_skipped_for_it() -> None:
    world = World()
    world.see(scaffold(RUN))
    world.finish("rank4", BAD)
    assert outcome_of(world) is Outcome.FAILED
    world.see(AcceptWanted(experiment=ID, jobs=("rank4",)))
    assert world.in_stage(Stage.SUBMITTING) == ["base/words", "rank4/words/epoch0"]
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED


def test_only_what_failed_or_is_unclear_can_be_accepted() -> None:
    world = in_doubt(["rank4", "rank8"])
    assert again.acceptable(world.experiment, ("rank4", "rank8")) == ("rank4",)
    assert world.see(AcceptWanted(experiment=ID, jobs=("rank8",))) == []
    assert world.see(AcceptWanted(experiment="unknown", jobs=("rank8",))) == []


def test_a_retry_by_name_makes_it_anew_and_one_of_all_does_not() -> None:
    world = in_doubt(["rank4", "rank8"])
    world.finish("rank8", BAD)
    world.see(RetryWanted(seen=scaffold(["rank4", "rank8"]), jobs=()))
    assert world.job("rank4").stage is Stage.IN_DOUBT
    world.see(RetryWanted(seen=scaffold(["rank4", "rank8"]), jobs=("rank4",)))
    assert world.job("rank4").stage is Stage.SUBMITTING


def test_a_cancel_gives_it_up() -> None:
    world = in_doubt()
    world.see(CancelWanted(experiment=ID, jobs=()))
    assert world.job("rank4").stage is Stage.SKIPPED
    assert world.experiment.outcome is Outcome.CANCELLED


def test_a_later_look_can_tell() -> None:
    world = in_doubt()
    world.see(scaffold(RUN, verdicts={"rank4": GOOD}))
    assert world.job("rank4").stage is Stage.VERIFIED
    gone = in_doubt()
    gone.see(scaffold(RUN, verdicts={"rank4": BAD}))
    assert gone.job("rank4").stage is Stage.FAILED
    same = in_doubt()
    assert same.see(scaffold(RUN, verdicts={"rank4": DOUBTFUL})) == []


def test_results_that_are_not_to_be_seen_yet_are_said_once_and_then_judged() -> None:
    world = ended()
    awaited = Judged(experiment=ID, job="rank4", token=world.token("rank4"), verdict=MISSING, final=False)
    assert world.see(awaited) == [
        events.ResultAwaited(job="rank4", token=world.token("rank4"), detail=MISSING.detail)
    ]
    assert world.see(awaited) == []
    assert world.job("rank4").stage is Stage.ENDED
    world.judge("rank4", GOOD)
    assert world.job("rank4").stage is Stage.VERIFIED


def test_what_never_came_to_light_is_the_failure_that_it_says() -> None:
    world = ended()
    world.judge("rank4", MISSING)
    assert world.job("rank4").failure == MISSING.failure
    assert world.job("rank4").state == "UNVERIFIED"


def test_doubt_about_an_attempt_of_ours_waits_for_a_person() -> None:
    world = ended()
    world.judge("rank4", DOUBTFUL)
    assert world.job("rank4").stage is Stage.IN_DOUBT
    world.see(RetryWanted(seen=scaffold(RUN), jobs=("rank4",)))
    assert len(world.job("rank4").attempts) == 2


def test_a_bad_verdict_that_gives_no_reason_is_unknown() -> None:
    world = ended()
    world.judge("rank4", Verdict(finding=Finding.BAD, detail="no good"))
    assert world.job("rank4").failure == Failure("unknown", "no good")


def test_a_verdict_about_another_attempt_is_none() -> None:
    world = ended()
    assert world.see(Judged(experiment=ID, job="rank4", token="e1-99", verdict=GOOD)) == []


@pytest.mark.parametrize("verdict", [MISSING, BAD])
def test_what_was_good_and_is_gone_has_failed_and_waits_for_retry(verdict: Verdict) -> None:
    world = World()
    world.see(scaffold(RUN))
    world.finish("rank4", GOOD)
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED)
    found = {"rank4": verdict}
    happened = world.see(RetryWanted(seen=scaffold(RUN, verdicts=found), jobs=()))
    assert isinstance(happened[0], events.ResultRejected)
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.job("rank4/words/epoch0").stage is Stage.PLANNED
    assert world.job("base/words").stage is Stage.VERIFIED


def test_doubt_alone_takes_nothing_back() -> None:
    world = World()
    world.see(scaffold(RUN))
    world.finish("rank4", GOOD)
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED)
    world.see(scaffold(RUN, verdicts={"rank4": DOUBTFUL}))
    assert world.job("rank4").stage is Stage.VERIFIED


def test_a_skipped_evaluation_whose_log_is_in_doubt_is_in_doubt() -> None:
    world = World()
    world.see(scaffold(RUN, policy=Policy(optimize_only=True)))
    world.finish("rank4", GOOD)
    world.see(scaffold(RUN, verdicts={"rank4": GOOD, "rank4/words/epoch0": replace(DOUBTFUL, artifacts=())}))
    assert world.job("rank4/words/epoch0").stage is Stage.IN_DOUBT
