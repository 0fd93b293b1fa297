"""What the machine has found: rules that met each other in a way that nobody had thought of."""

import pytest
from msgspec.structs import replace

from fakes.builders import (
    BAD,
    DOUBTFUL,
    GOOD,
    ID,
    OUT_OF_MEMORY,
    SCORED,
    World,
    cell,
    everything_owed,
    scaffold,
    training,
)
from runexp.wire import events
from runexp.wire.jobs import JobSpec, OnFailure, Policy
from runexp.wire.states import Outcome, Stage
from runexpd.core.apply import fold
from runexpd.core.commands import Judge
from runexpd.core.observations import (
    CancelWanted,
    Deferred,
    Listed,
    MendDone,
    Queued,
    Report,
    RetryWanted,
    ScaffoldSeen,
    Unclear,
)
from runexpd.core.state import Parked
from runexpd.core.steps import forecast, plan

CELL = "rank4/words/epoch0"
BY_HAND = Queued(slurm_job_id="77", mark="cell.slurm", output="/exp/slurm-77.out")


def begun(**limits: int) -> World:
    world = World(**limits)
    world.see(scaffold(["rank4"]))
    return world


def ended() -> World:
    world = begun()
    for id in ("rank4", "base/words", CELL):
        world.finish(id, GOOD)
    return world


def with_links(seen: ScaffoldSeen, place: str) -> ScaffoldSeen:
    """All trainings lie in one directory."""

    def linked(spec: JobSpec) -> JobSpec:
        return replace(spec, place=place) if spec.task is None else spec

    return replace(seen, jobs=tuple(linked(spec) for spec in seen.jobs))


def test_a_round_that_speaks_of_a_job_twice_has_its_last_word() -> None:
    world = begun()
    world.accept("rank4")
    report = Report(experiment=ID, job="rank4", token=world.token("rank4"), state="FAILED", final=True)
    happened = world.see(Listed(reports=(report, replace(report, state="TIMEOUT"))))
    assert [event.state for event in happened if isinstance(event, events.JobEnded)] == ["TIMEOUT"]


def test_where_a_job_prints_may_be_known_only_once_it_runs() -> None:
    world = begun()
    world.accept("rank4")
    shown = Report(experiment=ID, job="rank4", token=world.token("rank4"), state="RUNNING", final=False)
    told = replace(shown, output="/exp/me-n1.out", error="/exp/n1.err")
    world.see(Listed(reports=(shown,)))
    assert len(world.see(Listed(reports=(told,)))) == 1
    assert world.see(Listed(reports=(told,))) == world.see(Listed(reports=(shown,))) == []
    attempt = world.job("rank4").attempt
    assert attempt is not None
    assert (attempt.output, attempt.error) == ("/exp/me-n1.out", "/exp/n1.err")
    world.see(Listed(reports=(replace(told, state="FAILED", final=True, output="/exp/me-n2.out"),)))
    (judge,) = [c for c in everything_owed(world.state, world.now) if isinstance(c, Judge)]
    assert (judge.output, judge.error) == ("/exp/me-n2.out", "/exp/n1.err")


def test_a_look_that_clears_a_doubt_submits_nothing_though_a_smaller_batch_could_help() -> None:
    world = World()
    world.see(scaffold(["rank4"], verdicts={"rank4": DOUBTFUL}))
    world.see(scaffold(["rank4"], verdicts={"rank4": OUT_OF_MEMORY}))
    assert world.job("rank4").stage is Stage.FAILED


def test_scores_of_the_old_model_do_not_count_while_the_new_one_is_made() -> None:
    world = ended()
    world.see(scaffold(["rank4"], verdicts={"rank4": BAD}))
    world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=("rank4",)))
    world.accept("rank4")
    old = {"rank4": GOOD, CELL: SCORED}
    world.see(scaffold(["rank4"], verdicts=old, policy=Policy(on_failure=OnFailure.STOP)))
    assert world.job(CELL).stage is Stage.PLANNED


def test_an_evaluation_in_the_queue_is_not_taken_up_while_its_model_is_made_anew() -> None:
    world = ended()
    gone = scaffold(["rank4"], verdicts={"rank4": BAD})
    world.see(RetryWanted(seen=replace(gone, queued={CELL: BY_HAND}), jobs=("rank4",)))
    assert (world.job("rank4").stage, world.job(CELL).stage) == (Stage.SUBMITTING, Stage.PLANNED)
    later = replace(scaffold(["rank4"], verdicts={"rank4": GOOD}), queued={CELL: BY_HAND})
    world.see(replace(later, policy=Policy(on_failure=OnFailure.STOP)))
    assert world.job(CELL).stage is Stage.PLANNED


def test_an_evaluation_in_the_queue_is_taken_up_by_a_retry_where_its_model_stays() -> None:
    world = begun()
    world.finish("rank4", GOOD)
    world.finish("base/words", SCORED)
    world.finish(CELL, BAD)
    world.see(RetryWanted(seen=replace(scaffold(["rank4"]), queued={CELL: BY_HAND}), jobs=(CELL,)))
    assert world.job(CELL).stage is Stage.QUEUED
    assert world.token(CELL) == "e1-4"


@pytest.mark.parametrize("parked", [False, True])
def test_no_retry_trains_where_another_does_though_what_lies_there_is_good(parked: bool) -> None:
    world = World()
    first = with_links(scaffold(["rank4"]), "/shared/rank4")
    second = with_links(scaffold(["rank4"], experiment="e2", dir="/two"), "/shared/rank4")
    world.see(first)
    world.finish("rank4", BAD)
    world.see(second)
    assert world.state.experiments["e2"].jobs["rank4"].stage is Stage.SUBMITTING
    if parked:
        world.state = replace(world.state, parked={"e2": Parked("a fault of ours")})
    seen = replace(first, verdicts={"rank4": GOOD})
    assert world.see(RetryWanted(seen=seen, jobs=("rank4",))) == []
    assert "rank4 of words in /two" in plan.contested(world.state, seen, ("rank4",))


def test_cancelled_is_what_a_cancelled_one_ends_as_though_a_job_was_retired_before_it_began() -> None:
    world = World(max_submit=1)
    world.see(scaffold(["rank4", "rank8"]))
    world.finish("rank4", BAD)
    world.see(scaffold(["rank4", "rank16"]))
    world.accept("rank8")
    assert world.job("rank8/words/epoch0").retired
    world.see(CancelWanted(experiment=ID, jobs=()))
    world.show("rank8", "CANCELLED", final=True)
    world.judge("rank8", BAD)
    assert world.experiment.outcome is Outcome.CANCELLED


def test_a_second_optimize_only_run_changes_nothing_of_what_is_under_way() -> None:
    world = World()
    seen = scaffold(["rank4"], policy=Policy(optimize_only=True), verdicts={CELL: DOUBTFUL})
    world.see(seen)
    assert world.see(seen) == []
    assert world.job(CELL).stage is Stage.SKIPPED, "nobody asked for it: nobody has to decide"


def test_an_evaluation_that_is_owed_again_when_its_model_is_lost_is_skipped() -> None:
    """Nothing else would ever end it: the barrier has decided already."""
    world = begun()
    world.finish("rank4", GOOD)
    world.finish("base/words", SCORED)
    token = world.token(CELL)
    world.see(Unclear(experiment=ID, job=CELL, token=token, reason="link lost"))
    world.see(scaffold(["rank4"], verdicts={"rank4": BAD}))
    world.see(Deferred(experiment=ID, job=CELL, token=token, reason="it never arrived", at_once=True))
    assert world.job(CELL).stage is Stage.SKIPPED
    assert world.experiment.outcome is Outcome.FAILED


def test_the_suggested_retry_of_an_evaluation_names_its_model_where_that_is_missing() -> None:
    world = ended()
    world.see(scaffold(["rank4"], verdicts={"rank4": BAD, CELL: BAD}))
    lines = {line.job: line.reason for line in forecast.lines(None, world.experiment, "words")}
    assert f"`runexp retry words rank4 {CELL}`" in lines[CELL]
    assert "`runexp retry words rank4`" in lines["rank4"]
    world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=("rank4", CELL)))
    assert (world.job("rank4").stage, world.job(CELL).stage) == (Stage.SUBMITTING, Stage.PLANNED)


def test_an_eval_only_run_is_evaluated_without_a_training_of_its_own() -> None:
    world = World()
    seen = scaffold(["rank4"])
    jobs = (training("rank4"), cell("rank4", 0), cell("given", 0))
    world.see(replace(seen, jobs=jobs))
    world.finish("rank4", GOOD)
    assert world.in_stage(Stage.SUBMITTING) == [CELL, "given/words/epoch0"]


def test_a_plan_says_that_an_evaluation_is_owed_where_the_barrier_is_behind_it() -> None:
    world = begun(max_submit=1)
    world.finish("rank4", GOOD)
    lines = {line.job: line for line in forecast.lines(None, world.experiment, "words")}
    assert (lines[CELL].decision, lines[CELL].reason) == ("submit", "not done yet")


def test_what_is_in_flight_on_one_cluster_takes_no_room_on_another() -> None:
    world = begun(max_submit=1)
    world.see(replace(scaffold(["rank4"], experiment="e2"), cluster="della"))
    assert world.state.experiments["e2"].jobs["rank4"].stage is Stage.SUBMITTING


def test_a_training_in_the_queue_is_not_taken_up_where_another_experiment_is_about_to_train() -> None:
    world = World(max_submit=1)
    world.see(scaffold(["rank8", "rank4"], experiment="e2", dir="/two"))
    assert world.state.experiments["e2"].jobs["rank4"].stage is Stage.PLANNED
    here = with_links(scaffold(["rank4"], verdicts={"rank4": GOOD}), "/two/rank4")
    assert world.see(replace(here, queued={"rank4": BY_HAND})) == []


def test_an_evaluation_of_somebody_elses_whose_node_fails_does_not_hold_up_the_end() -> None:
    """Nobody asked for evaluations: a rule that submits it again must not wait for a phase that never comes."""
    world = World()
    seen = scaffold(["rank4"], verdicts={"rank4": GOOD}, policy=Policy(optimize_only=True))
    world.see(replace(seen, queued={CELL: BY_HAND}))
    world.show(CELL, "NODE_FAIL", final=True)
    world.judge(CELL, BAD)
    assert (world.job(CELL).stage, world.experiment.outcome) == (Stage.SKIPPED, Outcome.SUCCEEDED)


def test_what_is_in_the_ledger_adds_up_to_the_state() -> None:
    world = ended()
    assert fold(world.empty, world.ledger) == world.state


def test_what_is_left_out_keeps_what_has_come_of_it() -> None:
    world = begun()
    for id in ("rank4", "base/words", CELL):
        world.finish(id, BAD if id == CELL else GOOD)
    stages = world.stages()
    world.see(scaffold(["rank4"], policy=Policy(optimize_only=True)))
    assert (stages[CELL], world.stages()) == (Stage.FAILED, stages)


def test_an_answer_that_was_unclear_before_is_no_news() -> None:
    world = begun()
    unclear = Unclear(experiment=ID, job="rank4", token=world.token("rank4"), reason="link lost")
    assert world.see(unclear)
    assert world.see(unclear) == []


def test_a_mend_that_nobody_waits_for_is_no_news() -> None:
    assert begun().see(MendDone(experiment=ID, job="rank4", number=1)) == []


def test_two_experiments_keep_one_distance() -> None:
    world = World(stagger_seconds=5.0)
    world.see(scaffold(["rank4"]))
    for other in ("e2", "e3"):
        world.see(scaffold(["rank4"], experiment=other, dir=f"/{other}"))
    assert [world.state.experiments[e].jobs["rank4"].stage for e in (ID, "e2", "e3")] == [
        Stage.SUBMITTING,
        Stage.PLANNED,
        Stage.PLANNED,
    ]
