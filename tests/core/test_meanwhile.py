"""What somebody does by hand, or changes of mind, while things are under way."""

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, ID, World, scaffold
from runexp.wire import events
from runexp.wire.jobs import Barrier, Policy, Verdict
from runexp.wire.states import Outcome, PhaseState, Stage
from runexpd.core.observations import CancelWanted, Queued, RetryWanted
from runexpd.core.steps import again, plan

CELL = "rank4/words/epoch0"
BY_HAND = Queued(slurm_job_id="77", mark="finetune.slurm", output="/exp/slurm-77.out")


def begun(*runs: str) -> World:
    world = World()
    world.see(scaffold(list(runs)))
    return world


def test_one_that_failed_and_was_submitted_by_hand_is_taken_up_and_no_rule_submits_it_beside() -> None:
    world = begun("rank4")
    world.see(scaffold(["rank4"], policy=Policy(node_retries=0)))
    world.finish("rank4", BAD, state="NODE_FAIL")
    again_ = scaffold(["rank4"], policy=Policy(node_retries=3))
    happened = world.see(replace(again_, queued={"rank4": BY_HAND}))
    assert world.job("rank4").stage is Stage.QUEUED
    assert [e for e in happened if isinstance(e, events.JobRequeued)] == []
    assert len(world.job("rank4").attempts) == 2


@pytest.mark.parametrize(("then", "now"), [(GOOD, BAD), (DOUBTFUL, BAD)])
def test_what_is_no_longer_good_and_is_being_made_by_hand_is_taken_up(then: Verdict, now: Verdict) -> None:
    world = World()
    world.see(scaffold(["rank4"], verdicts={"rank4": then}))
    seen = replace(scaffold(["rank4"], verdicts={"rank4": now}), queued={"rank4": BY_HAND})
    happened = [type(event) for event in world.see(seen)]
    assert happened.index(events.ResultRejected) < happened.index(events.JobAdopted)
    assert world.job("rank4").stage is Stage.QUEUED
    assert world.see(seen) == []


def test_each_run_may_go_alone_from_the_moment_it_is_asked() -> None:
    world = begun("rank4", "rank8")
    world.finish("rank4", GOOD)
    assert world.job(CELL).stage is Stage.PLANNED
    world.see(scaffold(["rank4", "rank8"], policy=Policy(barrier=Barrier.RUN)))
    assert world.experiment.evaluation is PhaseState.RUNNING
    assert world.job(CELL).stage is Stage.SUBMITTING


def test_all_trainings_cancelled_by_name_is_a_cancelled_experiment() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.accept("rank4")
    world.see(CancelWanted(experiment=ID, jobs=("rank4",)))
    world.show("rank4", "CANCELLED", final=True)
    world.judge("rank4", BAD)
    assert world.job(CELL).stage is Stage.SKIPPED
    assert world.experiment.outcome is Outcome.CANCELLED


def test_a_retry_is_hindered_by_nothing_that_it_does_not_make() -> None:
    world = begun("rank4", "rank8")
    world.finish("rank4", BAD)
    world.finish("rank8", BAD)
    other = scaffold(["rank8"], experiment="e2", dir="/two")
    world.see(replace(other, jobs=tuple(replace(job, place=f"/exp/{job.id}") for job in other.jobs)))
    seen = scaffold(["rank4", "rank8"])
    both = RetryWanted(seen=seen, jobs=())
    assert world.see(both) == []
    assert "rank8 of words in /two" in again.contested(world.state, both)
    alone = RetryWanted(seen=seen, jobs=("rank4",))
    assert again.contested(world.state, alone) == ""
    assert world.see(alone) != []
    assert world.job("rank4").stage is Stage.SUBMITTING


def test_two_in_doubt_at_one_place_do_not_hinder_each_other() -> None:
    world = World()
    world.see(scaffold(["rank4"], verdicts={"rank4": DOUBTFUL}))
    other = scaffold(["rank4"], experiment="e2", dir="/two", verdicts={"rank4": DOUBTFUL})
    shared = replace(other, jobs=tuple(replace(job, place=f"/exp/{job.id}") for job in other.jobs))
    assert plan.contested(world.state, shared) == ""
    world.see(shared)
    world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=("rank4",)))
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert "rank4 of words in /exp" in again.contested(
        world.state, RetryWanted(seen=replace(shared, verdicts={}), jobs=("rank4",))
    )
