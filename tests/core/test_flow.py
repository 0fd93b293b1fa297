"""The flow through the core, a question at a time."""

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, OUT_OF_MEMORY, SCORED, World, owed, scaffold
from runexp.wire import events
from runexp.wire.jobs import Barrier, OnFailure, Policy
from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexpd.core import commands
from runexpd.core.observations import (
    CancelWanted,
    Deferred,
    Listed,
    MendDone,
    Queued,
    Refused,
    Report,
    RetryWanted,
    Tick,
    Unclear,
)
from runexpd.core.steps import forecast, report, submit

TRAININGS = ["rank4", "rank8"]
CELLS = ["base/words", "rank4/words/epoch0", "rank8/words/epoch0"]


def begun(**limits: float) -> World:
    world = World(**limits)  # type: ignore[arg-type]
    world.see(scaffold())
    return world


def of_type(happened: list[events.Event], kind: type[events.Event]) -> list[events.Event]:
    return [event for event in happened if type(event) is kind]


def test_the_summary_of_an_experiment_in_the_root_has_one_slash() -> None:
    world = World()
    world.see(scaffold(dir="/"))
    world.drain()
    assert "as /experiment_summary.yaml describes" in " ".join(report.report(world.experiment, ID).next_steps)


def test_a_run_intends_every_training_and_no_evaluation() -> None:
    world = begun()
    assert world.in_stage(Stage.SUBMITTING) == TRAININGS
    assert world.in_stage(Stage.PLANNED) == CELLS
    assert [type(c) for c in owed(world.state, world.now)] == [commands.Submit, commands.Submit]


def test_the_last_verdict_of_training_intends_every_evaluation_at_once() -> None:
    world = begun()
    world.finish("rank4", GOOD)
    assert world.experiment.evaluation is PhaseState.WAITING
    happened = world.finish("rank8", GOOD)
    assert [type(e) for e in happened] == [
        events.ResultVerified,
        events.PhaseClosed,
        events.BarrierCleared,
        events.PhaseOpened,
        *[events.AttemptIntended] * 3,
    ]


def test_an_experiment_whose_jobs_are_all_verified_succeeded() -> None:
    world = begun()
    for id in TRAININGS:
        world.finish(id, GOOD)
    for id in CELLS:
        happened = world.finish(id, SCORED)
    assert happened[-2:] == [
        events.PhaseClosed(phase=Phase.EVALUATION, succeeded=3, total=3),
        events.ExperimentEnded(outcome=Outcome.SUCCEEDED),
    ]
    assert owed(world.state, world.now) == []


def test_a_failed_training_leaves_the_others_to_be_evaluated() -> None:
    world = begun()
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert world.job("rank4").state == "UNVERIFIED"
    assert world.job("rank4/words/epoch0").stage is Stage.SKIPPED
    assert "rank4" in world.job("rank4/words/epoch0").detail
    for id in ["base/words", "rank8/words/epoch0"]:
        world.finish(id, SCORED)
    assert world.experiment.outcome is Outcome.PARTIAL


def test_if_no_training_succeeded_nothing_is_evaluated() -> None:
    world = begun()
    world.finish("rank4", BAD, "FAILED")
    world.finish("rank8", BAD, "TIMEOUT")
    assert world.in_stage(Stage.SKIPPED) == CELLS
    assert world.experiment.evaluation is PhaseState.STOPPED
    assert world.experiment.outcome is Outcome.FAILED
    assert world.job("rank8").state == "TIMEOUT"


def test_on_failure_stop_makes_one_failure_stop_all() -> None:
    world = World()
    world.see(scaffold(policy=Policy(on_failure=OnFailure.STOP)))
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert world.in_stage(Stage.SKIPPED) == CELLS
    assert world.experiment.outcome is Outcome.PARTIAL


def test_barrier_run_lets_each_run_go_ahead_alone() -> None:
    world = World()
    world.see(scaffold(policy=Policy(barrier=Barrier.RUN)))
    assert world.job("base/words").stage is Stage.SUBMITTING
    world.finish("rank4", GOOD)
    assert world.job("rank4/words/epoch0").stage is Stage.SUBMITTING
    assert world.job("rank8/words/epoch0").stage is Stage.PLANNED
    world.finish("rank8", BAD)
    assert world.job("rank8/words/epoch0").stage is Stage.SKIPPED


def test_optimize_only_ends_after_the_training_and_a_later_run_evaluates() -> None:
    world = World()
    world.see(scaffold(policy=Policy(optimize_only=True)))
    for id in TRAININGS:
        world.finish(id, GOOD)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    assert world.in_stage(Stage.SKIPPED) == CELLS
    world.see(scaffold())
    assert world.in_stage(Stage.SUBMITTING) == CELLS


def test_what_its_tool_holds_back_is_not_submitted_until_it_lets_go() -> None:
    world, held = World(), replace(BAD, blocked="its checkpoint is missing")
    world.see(scaffold(trained=(), verdicts={"base/words": held}))
    assert (world.job("base/words").stage, world.job("base/words").detail) == (Stage.SKIPPED, held.blocked)
    retried = scaffold(trained=(), verdicts={"base/words": held})
    world.see(RetryWanted(seen=retried, jobs=()))
    assert world.job("base/words").stage is Stage.SKIPPED
    world.see(scaffold(trained=(), verdicts={"base/words": BAD}))
    assert world.job("base/words").stage is Stage.SUBMITTING


def test_what_its_tool_holds_back_goes_where_a_person_names_it() -> None:
    world, held = World(), replace(BAD, blocked="its checkpoint is missing")
    seen = scaffold(trained=(), verdicts={"base/words": held})
    world.see(seen)
    world.see(RetryWanted(seen=seen, jobs=("base/words",)))
    assert world.job("base/words").stage is Stage.SUBMITTING


def test_without_anything_to_train_the_evaluations_go_at_once() -> None:
    world = World()
    world.see(scaffold(trained=()))
    assert world.in_stage(Stage.SUBMITTING) == ["base/words"]


def test_what_lies_on_disk_is_not_submitted() -> None:
    world = World()
    world.see(scaffold(verdicts={"rank4": GOOD, "rank8": BAD, "base/words": SCORED}))
    assert world.in_stage(Stage.SUBMITTING) == ["rank8"]
    assert world.in_stage(Stage.VERIFIED) == ["rank4", "base/words"]


def test_scores_of_a_model_that_is_to_be_trained_again_do_not_count() -> None:
    world = World()
    world.see(scaffold(verdicts={"rank4": BAD, "rank4/words/epoch0": SCORED, "base/words": SCORED}))
    assert world.in_stage(Stage.VERIFIED) == ["base/words"]
    assert world.job("rank4/words/epoch0").stage is Stage.PLANNED


def test_a_second_run_of_a_finished_experiment_submits_nothing() -> None:
    world = begun()
    for id in TRAININGS + CELLS:
        world.finish(id, GOOD)
    happened = world.see(scaffold(verdicts=dict.fromkeys(TRAININGS + CELLS, GOOD)))
    assert not of_type(happened, events.AttemptIntended)
    assert world.experiment.outcome is Outcome.SUCCEEDED


def test_a_second_run_does_not_submit_what_failed() -> None:
    world = begun()
    for id in TRAININGS:
        world.finish(id, BAD)
    happened = world.see(scaffold())
    assert not of_type(happened, events.AttemptIntended)
    assert world.experiment.outcome is Outcome.FAILED


def test_a_run_of_a_running_experiment_changes_nothing() -> None:
    world = begun()
    assert world.see(scaffold()) == []
    assert world.see(scaffold(experiment="e2")) == []


def test_results_that_are_gone_are_noticed_and_not_made_again_by_themselves() -> None:
    world = begun()
    for id in TRAININGS + CELLS:
        world.finish(id, GOOD)
    world.see(scaffold(verdicts={"rank4": BAD}))
    assert world.job("rank4").state == "UNVERIFIED"
    assert world.experiment.outcome is Outcome.PARTIAL


def test_a_training_that_is_made_again_has_its_scores_made_again() -> None:
    world = begun()
    for id in TRAININGS + CELLS:
        world.finish(id, GOOD)
    world.see(scaffold(verdicts={"rank4": BAD}))
    assert world.job("rank4/words/epoch0").state == "VERIFIED"
    world.see(RetryWanted(seen=scaffold(), jobs=("rank4",)))
    assert world.in_stage(Stage.SUBMITTING) == ["rank4"]
    assert world.in_stage(Stage.PLANNED) == ["rank4/words/epoch0"]
    assert world.job("rank8/words/epoch0").state == "VERIFIED"
    world.finish("rank4", GOOD)
    world.finish("rank4/words/epoch0", SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("trained_at", "evaluated_at", "current"),
    [(100.0, 200.0, True), (200.0, 100.0, False), (None, 100.0, True), (200.0, None, True)],
)
def test_scores_of_a_model_that_was_trained_again_by_hand_do_not_count(
    trained_at: float | None, evaluated_at: float | None, current: bool
) -> None:
    verdicts = {
        "rank4": replace(GOOD, begun_at=trained_at),
        "rank4/words/epoch0": replace(SCORED, begun_at=evaluated_at),
    }
    found = World()
    found.see(scaffold(["rank4"], verdicts=verdicts))
    assert found.job("rank4/words/epoch0").stage is (Stage.VERIFIED if current else Stage.SUBMITTING)
    known = World()
    known.see(scaffold(["rank4"]))
    for id in ["rank4", "base/words", "rank4/words/epoch0"]:
        known.finish(id, GOOD)
    known.see(scaffold(["rank4"], verdicts=verdicts))
    assert known.job("rank4/words/epoch0").stage is (Stage.VERIFIED if current else Stage.FAILED)
    assert known.job("rank4").stage is Stage.VERIFIED


def test_retry_submits_what_failed_and_what_was_skipped_for_it() -> None:
    world = begun()
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    for id in ["base/words", "rank8/words/epoch0"]:
        world.finish(id, SCORED)
    world.see(RetryWanted(seen=scaffold(), jobs=()))
    assert world.in_stage(Stage.SUBMITTING) == ["rank4"]
    assert world.in_stage(Stage.PLANNED) == ["rank4/words/epoch0"]
    assert [a.number for a in world.job("rank4").attempts] == [1, 2]
    world.finish("rank4", GOOD)
    world.finish("rank4/words/epoch0", SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED


def test_retry_of_nothing_changes_nothing() -> None:
    world = begun()
    assert world.see(RetryWanted(seen=scaffold(), jobs=("rank4",))) == []


def test_cancel_skips_what_is_planned_and_ends_what_is_queued() -> None:
    world = begun()
    world.accept("rank4")
    world.see(CancelWanted(experiment=ID, jobs=()))
    assert world.in_stage(Stage.SKIPPED) == CELLS
    assert [type(c) for c in owed(world.state, world.now)] == [
        commands.Cancel,
        commands.Watch,
        commands.Submit,
    ]
    world.show("rank4", "CANCELLED", final=True)
    world.judge("rank4", BAD)
    world.finish("rank8", BAD, "CANCELLED")
    assert world.experiment.outcome is Outcome.CANCELLED
    assert world.see(CancelWanted(experiment=ID, jobs=())) == []


def test_after_a_cancel_retry_goes_on() -> None:
    world = begun()
    world.finish("rank4", GOOD)
    world.accept("rank8")
    world.see(CancelWanted(experiment=ID, jobs=()))
    world.show("rank8", "CANCELLED", final=True)
    world.judge("rank8", BAD)
    assert world.experiment.outcome is Outcome.CANCELLED
    world.see(RetryWanted(seen=scaffold(), jobs=()))
    assert world.in_stage(Stage.SUBMITTING) == ["rank8"]
    assert world.in_stage(Stage.PLANNED) == CELLS


def test_at_most_max_submit_are_in_flight() -> None:
    world = World(max_submit=2)
    world.see(scaffold(trained=[f"r{n}" for n in range(5)]))
    assert world.in_stage(Stage.SUBMITTING) == ["r0", "r1"]
    world.finish("r0", GOOD)
    assert world.in_stage(Stage.SUBMITTING) == ["r1", "r2"]


def test_trainings_keep_their_distance_and_evaluations_need_none() -> None:
    world = World(stagger_seconds=5)
    world.see(scaffold())
    assert world.in_stage(Stage.SUBMITTING) == ["rank4"]
    assert submit.wake_at(world.state, world.now) == 1005.0
    world.now += 4.9
    assert world.see(Tick()) == []
    world.now += 0.1
    assert world.see(Tick()) == [events.AttemptIntended(job="rank8", number=1, token="e1-2")]
    for id in TRAININGS:
        world.finish(id, GOOD)
    assert world.in_stage(Stage.SUBMITTING) == CELLS


def test_a_clock_that_is_set_back_holds_up_no_submission() -> None:
    world = World(stagger_seconds=5.0)
    world.see(scaffold(["r1", "r2", "r3"]))
    world.accept("r1")
    world.now -= 3600.0
    world.see(Tick())
    assert world.in_stage(Stage.SUBMITTING) == ["r2"]
    assert submit.wake_at(world.state, world.now) == world.now + 5.0
    world.see(Deferred(experiment=ID, job="r2", token=world.token("r2"), reason="limit"))
    world.now -= 3600.0
    world.see(Tick())
    assert len(world.in_stage(Stage.SUBMITTING)) == 1


def test_a_refused_script_fails_and_the_others_go_on() -> None:
    world = begun()
    refused = Refused(experiment=ID, job="rank4", token=world.token("rank4"), error="invalid partition")
    world.see(refused)
    assert (world.job("rank4").state, world.job("rank4").detail) == ("SUBMIT_FAILED", "invalid partition")
    assert world.see(refused) == []
    world.finish("rank8", GOOD)
    assert world.job("rank8/words/epoch0").stage is Stage.SUBMITTING


def test_a_cluster_that_takes_no_more_is_asked_again_later_with_a_new_token() -> None:
    world = begun()
    first = world.token("rank4")
    world.see(Deferred(experiment=ID, job="rank4", token=first, reason="QOSMaxSubmitJobPerUserLimit"))
    assert world.job("rank4").stage is Stage.PLANNED
    wake_at = submit.wake_at(world.state, world.now)
    assert wake_at is not None
    world.now = wake_at
    world.see(Tick())
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.token("rank4") != first
    assert len(world.job("rank4").attempts) == 1


def test_a_cluster_that_takes_no_more_gets_one_for_each_that_ends() -> None:
    world = begun()
    world.accept("rank4")
    full = Deferred(experiment=ID, job="rank8", token=world.token("rank8"), reason="AssocMaxSubmitJobLimit")
    world.see(full)
    assert world.see(Tick()) == []
    world.show("rank4", "COMPLETED", final=True)
    assert world.job("rank8").stage is Stage.SUBMITTING


def test_what_is_put_off_alone_holds_up_nobody_elses() -> None:
    world = World(stagger_seconds=5.0)
    world.see(scaffold(["r1", "r2"]))
    world.see(scaffold(["r1", "r2"], experiment="e2", dir="/two"))
    reason = "Required partition not available"
    world.see(Deferred(experiment=ID, job="r1", token=world.token("r1"), reason=reason, alone=True))
    world.now += 5.0
    world.see(Tick())
    theirs = world.state.experiments["e2"].jobs
    assert theirs["r1"].stage is Stage.SUBMITTING
    assert world.in_stage(Stage.SUBMITTING) == []


def test_of_an_experiment_one_of_which_was_put_off_alone_the_others_have_their_turn_before_it() -> None:
    world = World(stagger_seconds=5.0)
    world.see(scaffold(["r1", "r2"]))
    for id, next_one in (("r1", "r2"), ("r2", "r1")):
        world.see(Deferred(experiment=ID, job=id, token=world.token(id), reason="it hangs", alone=True))
        world.now += 5.0
        assert world.see(Tick()) == []
        wake_at = submit.wake_at(world.state, world.now)
        assert wake_at == world.now + 15.0
        world.now = wake_at
        world.see(Tick())
        assert world.in_stage(Stage.SUBMITTING) == [next_one]


def test_what_was_lost_on_its_way_is_sent_anew_at_once() -> None:
    world = begun()
    first = world.token("rank4")
    lost = Deferred(experiment=ID, job="rank4", token=first, reason="it never arrived", at_once=True)
    world.see(lost)
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.token("rank4") != first


def test_an_unclear_submission_is_resolved_and_never_sent_as_a_new_one() -> None:
    world = begun()
    token = world.token("rank4")
    world.see(Unclear(experiment=ID, job="rank4", token=token, reason="link lost"))
    assert [type(c) for c in owed(world.state, world.now)] == [commands.Resolve, commands.Submit]
    world.now += 10_000
    assert world.see(Tick()) == []
    world.accept("rank4")
    assert world.token("rank4") == token
    assert world.job("rank4").stage is Stage.QUEUED


@pytest.mark.parametrize("word", ["COMPLETED", "FAILED", "NODE_FAIL"])
def test_an_end_state_that_is_not_final_ends_nothing(word: str) -> None:
    world = begun()
    world.accept("rank4")
    world.show("rank4", word)
    assert world.job("rank4").stage is Stage.QUEUED
    assert world.job("rank4").state == word


def test_a_word_that_nobody_knows_is_shown_and_ends_nothing() -> None:
    world = begun()
    world.accept("rank4")
    world.show("rank4", "LEVITATING", final=True)
    assert (world.job("rank4").stage, world.job("rank4").state) == (Stage.QUEUED, "LEVITATING")


def test_a_listing_without_the_job_is_no_news() -> None:
    world = begun()
    world.accept("rank4")
    before = world.state
    assert world.see(Listed(reports=())) == []
    assert world.state == before


def test_a_lost_job_is_not_over_until_somebody_gives_it_up() -> None:
    world = begun()
    world.accept("rank4")
    world.show("rank4", "LOST")
    assert (world.job("rank4").stage, world.job("rank4").state) == (Stage.QUEUED, "LOST")
    world.see(CancelWanted(experiment=ID, jobs=("rank4",)))
    assert world.job("rank4").stage is Stage.QUEUED
    world.show("rank4", "LOST")
    assert (world.job("rank4").stage, world.job("rank4").state) == (Stage.ENDED, "CANCELLED")


def test_a_lost_job_that_is_there_again_goes_on() -> None:
    world = begun()
    world.accept("rank4")
    world.show("rank4", "LOST")
    world.show("rank4", "RUNNING")
    assert (world.job("rank4").stage, world.job("rank4").state) == (Stage.QUEUED, "RUNNING")


def test_news_of_another_attempt_is_none() -> None:
    world = begun()
    world.accept("rank4")
    other = Report(experiment=ID, job="rank4", token="e1-0-9", state="FAILED", final=True, ended_at=1.0)
    assert world.see(Listed(reports=(other,))) == []


def test_a_job_that_slurm_requeues_has_not_ended() -> None:
    world = begun()
    world.accept("rank4")
    world.show("rank4", "RUNNING")
    world.show("rank4", "PENDING")
    world.show("rank4", "RUNNING")
    assert world.job("rank4").stage is Stage.QUEUED
    assert len(world.job("rank4").attempts) == 1


def out_of_memory(world: World) -> list[events.Event]:
    return world.finish("rank4", OUT_OF_MEMORY, "FAILED")


def test_out_of_gpu_memory_is_mended_and_submitted_again() -> None:
    world = begun()
    world.finish("rank8", GOOD)
    out_of_memory(world)
    assert world.job("rank4").stage is Stage.MENDING
    assert world.experiment.optimization is PhaseState.RUNNING, "the barrier waits for the retry"
    assert [type(c) for c in owed(world.state, world.now)] == [commands.Mend]
    happened = world.see(MendDone(experiment=ID, job="rank4", number=1))
    assert [type(e) for e in happened] == [events.Mended, events.AttemptIntended]
    world.finish("rank4", GOOD)
    assert world.in_stage(Stage.SUBMITTING) == CELLS


def test_out_of_gpu_memory_is_given_up_after_so_many_retries() -> None:
    world = begun()
    for number in (1, 2, 3):
        out_of_memory(world)
        world.see(MendDone(experiment=ID, job="rank4", number=number))
    out_of_memory(world)
    assert (world.job("rank4").stage, world.job("rank4").state) == (Stage.FAILED, "FAILED")
    assert len(world.job("rank4").attempts) == 4


def test_a_config_that_can_not_be_mended_leaves_the_job_failed() -> None:
    world = begun()
    out_of_memory(world)
    world.see(MendDone(experiment=ID, job="rank4", number=1, refused="batch_size is there twice"))
    assert world.job("rank4").stage is Stage.FAILED
    assert "batch_size is there twice" in world.job("rank4").detail


def test_retries_by_rule_can_be_switched_off() -> None:
    world = World()
    world.see(scaffold(policy=Policy(oom_retries=0, node_retries=0)))
    out_of_memory(world)
    world.finish("rank8", BAD, "NODE_FAIL")
    assert world.experiment.outcome is Outcome.FAILED


def test_a_failed_node_is_the_jobs_fault_twice_at_most() -> None:
    world = begun()
    for _ in range(2):
        world.finish("rank4", BAD, "NODE_FAIL")
        assert world.job("rank4").stage is Stage.SUBMITTING
    world.finish("rank4", BAD, "NODE_FAIL")
    assert (world.job("rank4").stage, world.job("rank4").state) == (Stage.FAILED, "NODE_FAIL")


def test_the_plan_says_what_a_run_would_do() -> None:
    world = begun()
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    for id in ["base/words", "rank8/words/epoch0"]:
        world.finish(id, SCORED)
    decisions = {line.job: line.decision for line in forecast.lines(None, world.experiment, "words")}
    assert decisions == {
        "rank4": "blocked",
        "rank8": "skip",
        "base/words": "skip",
        "rank4/words/epoch0": "blocked",
        "rank8/words/epoch0": "skip",
    }


def adopting(**queued: str) -> World:
    world = World()
    found = {
        id.replace("__", "/"): Queued(
            slurm_job_id=number, mark="finetune.slurm", output=f"/exp/slurm-{number}.out"
        )
        for id, number in queued.items()
    }
    world.see(replace(scaffold(), queued=found))
    return world


def test_what_somebody_else_submitted_is_watched_on_and_not_submitted() -> None:
    world = adopting(rank4="77")
    assert world.job("rank4").stage is Stage.QUEUED
    assert world.in_stage(Stage.SUBMITTING) == ["rank8"]
    watch = next(c for c in owed(world.state, world.now) if isinstance(c, commands.Watch))
    assert (watch.slurm_job_id, watch.mark, watch.output) == ("77", "finetune.slurm", "/exp/slurm-77.out")
    world.finish("rank8", GOOD)
    world.show("rank4", "COMPLETED", final=True)
    world.judge("rank4", GOOD)
    assert world.in_stage(Stage.SUBMITTING) == CELLS


def test_an_evaluation_in_the_queue_counts_only_with_its_model() -> None:
    assert adopting(rank4__words__epoch0="78").job("rank4/words/epoch0").stage is Stage.PLANNED
    both = adopting(rank4="77", rank4__words__epoch0="78")
    assert both.job("rank4/words/epoch0").stage is Stage.QUEUED


def test_an_adopted_job_that_failed_is_retried_like_any() -> None:
    world = adopting(rank4="77")
    world.finish("rank8", GOOD)
    world.show("rank4", "FAILED", final=True)
    world.judge("rank4", BAD)
    for cell in ("base/words", "rank8/words/epoch0"):
        world.finish(cell, SCORED)
    world.see(RetryWanted(seen=scaffold(), jobs=()))
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert len({attempt.token for attempt in world.job("rank4").attempts}) == 2
