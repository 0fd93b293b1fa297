"""A scaffold that was edited between runs: what is dropped is retired, what comes back has its history, no token is used twice."""

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, SCORED, World, owed, scaffold
from runexp.wire import events
from runexp.wire.jobs import Barrier, OnFailure, Policy
from runexp.wire.states import Outcome, Stage
from runexpd.core import commands
from runexpd.core.observations import CancelWanted, RetryWanted, Tick
from runexpd.core.state import State
from runexpd.core.steps import again, plan

BOTH = ["rank4", "rank8"]


def finished(trained: list[str] | None = None) -> World:
    world = World()
    world.see(scaffold(trained or BOTH))
    while owed := world.in_stage(Stage.SUBMITTING):
        for id in owed:
            world.finish(id, SCORED if "/" in id else GOOD)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    return world


def tokens(world: World) -> list[str]:
    return [r.event.token for r in world.ledger if isinstance(r.event, events.AttemptIntended)]


def test_runs_are_added_dropped_reordered_and_put_back_and_no_token_is_used_twice() -> None:
    world = finished()
    for trained in (
        ["rank4", "rank8", "rank16"],
        ["rank2", "rank8"],
        ["rank8", "rank4"],
        ["rank16", "rank2"],
    ):
        world.see(scaffold(trained))
        while owed := world.in_stage(Stage.SUBMITTING):
            for id in owed:
                world.finish(id, SCORED if "/" in id else GOOD)
        assert world.experiment.outcome is Outcome.SUCCEEDED
    assert len(tokens(world)) == len(set(tokens(world))) == world.experiment.tokens


def test_a_dropped_run_is_retired_with_its_history_and_comes_back_with_it() -> None:
    world = finished()
    world.see(scaffold(["rank4"]))
    assert world.job("rank8").retired
    assert [job.spec.id for job in world.experiment.current] == ["rank4", "base/words", "rank4/words/epoch0"]
    assert len(world.job("rank8").attempts) == 1
    happened = world.see(scaffold(BOTH))
    assert not world.job("rank8").retired
    assert world.job("rank8").stage is Stage.VERIFIED
    assert not [event for event in happened if isinstance(event, events.AttemptIntended)]


def test_a_mended_script_of_a_run_that_was_put_back_goes_under_a_token_of_its_own() -> None:
    world = World()
    world.see(scaffold(BOTH))
    world.finish("rank4", BAD, "FAILED")
    world.finish("rank8", GOOD)
    for id in ("base/words", "rank8/words/epoch0"):
        world.finish(id, SCORED)
    sent = world.token("rank4")
    world.see(scaffold(["rank8"]))
    world.see(scaffold(BOTH))
    world.see(RetryWanted(seen=scaffold(BOTH), jobs=()))
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.token("rank4") != sent


def test_what_runs_of_a_retired_job_is_watched_to_its_end_before_the_experiment_ends() -> None:
    world = World()
    world.see(scaffold(BOTH))
    for id in BOTH:
        world.accept(id)
    world.see(scaffold(["rank8"]))
    assert world.job("rank4").retired
    world.show("rank8", "COMPLETED", final=True)
    world.judge("rank8", GOOD)
    for id in ("base/words", "rank8/words/epoch0"):
        world.finish(id, SCORED)
    assert world.experiment.outcome is None
    watched = [c.token for c in owed(world.state, world.now) if isinstance(c, commands.Watch)]
    assert watched == [world.token("rank4")]
    world.show("rank4", "FAILED", final=True)
    world.judge("rank4", BAD)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    assert world.job("rank4").stage is Stage.FAILED


def test_a_retired_job_is_never_intended_and_counts_nowhere() -> None:
    world = World(max_submit=1)
    world.see(scaffold(BOTH))
    world.finish("rank4", GOOD)
    world.see(scaffold(["rank4"]))
    assert world.job("rank8").stage is Stage.SUBMITTING
    world.accept("rank8")
    world.show("rank8", "FAILED", final=True)
    world.judge("rank8", BAD)
    assert again.retriable(world.experiment) == ()
    assert world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=("rank8",))) == []


def test_retry_retires_what_the_scaffold_no_longer_has() -> None:
    world = World()
    world.see(scaffold(BOTH))
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    happened = world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=()))
    assert happened[0] == events.JobsRetired(jobs=("rank8", "rank8/words/epoch0"))
    assert world.job("rank8").retired


def test_a_run_while_it_is_under_way_takes_up_what_changed_and_leaves_the_rest_going() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.finish("rank4", GOOD)
    world.accept("rank4/words/epoch0")
    happened = world.see(scaffold(BOTH, verdicts={"rank4": GOOD}))
    assert [type(event) for event in happened][:1] == [events.RunAsked]
    assert world.job("rank4/words/epoch0").stage is Stage.QUEUED
    assert world.job("rank8").stage is Stage.SUBMITTING
    assert world.see(scaffold(BOTH, verdicts={"rank4": GOOD})) == []


def test_a_policy_that_is_typed_while_it_is_under_way_is_taken() -> None:
    world = World()
    world.see(scaffold(BOTH))
    world.see(scaffold(BOTH, policy=Policy(on_failure=OnFailure.STOP, barrier=Barrier.RUN)))
    assert world.experiment.policy.on_failure is OnFailure.STOP
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert world.job("rank8/words/epoch0").stage is Stage.SKIPPED


def test_an_attempt_is_judged_as_it_was_sent_though_its_script_was_mended_meanwhile() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.accept("rank4")
    seen = scaffold(["rank4"])
    mended = replace(seen.jobs[0], facts={"epochs": 5})
    world.see(replace(seen, jobs=(mended, *seen.jobs[1:])))
    world.show("rank4", "COMPLETED", final=True)
    (judge,) = [c for c in owed(world.state, world.now) if isinstance(c, commands.Judge)]
    assert judge.job.facts == {}
    assert world.job("rank4").spec.facts == {"epochs": 5}


def test_two_experiments_that_share_a_runs_directory_do_not_train_in_it_at_once() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    other = scaffold(["rank4"], experiment="e2", dir="/two")
    shared = replace(other, jobs=tuple(replace(job, place=f"/exp/{job.id}") for job in other.jobs))
    assert world.see(shared) == []
    assert "rank4 of words in /exp" in plan.contested(world.state, shared)
    world.finish("rank4", GOOD)
    assert plan.contested(world.state, shared) == ""
    world.see(replace(shared, verdicts={"rank4": GOOD}))
    assert world.state.experiments["e2"].jobs["rank4"].stage is Stage.VERIFIED


def test_nor_do_two_whose_configs_have_the_same_output_directory() -> None:
    world = World()
    first, second = (
        replace(seen, jobs=tuple(replace(job, results=f"/scratch/{job.id}") for job in seen.jobs))
        for seen in (scaffold(["rank4"]), scaffold(["rank4"], experiment="e2", dir="/two"))
    )
    world.see(first)
    assert world.see(second) == []
    assert "/scratch/rank4" in plan.contested(world.state, second)
    world.finish("rank4", GOOD)
    assert world.see(replace(second, verdicts={"rank4": GOOD}))


def test_nor_does_a_retry_of_the_one_while_the_other_trains() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.finish("rank4", BAD)
    other = scaffold(["rank4"], experiment="e2", dir="/two")
    shared = replace(other, jobs=tuple(replace(job, place=f"/exp/{job.id}") for job in other.jobs))
    world.see(shared)
    assert world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=())) == []
    world.see(CancelWanted(experiment="e2", jobs=()))


def test_an_experiment_that_another_named_in_the_meantime_is_not_entered_twice() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    assert world.see(scaffold(["rank4"], experiment="e9")) == []
    assert set(world.state.experiments) == {ID}


def test_words_about_what_is_not_known_say_nothing() -> None:
    empty = State()
    world = World()
    world.state = empty
    assert world.see(RetryWanted(seen=scaffold(), jobs=())) == []
    assert world.see(CancelWanted(experiment="e1", jobs=())) == []
    assert world.see(Tick()) == []


@pytest.mark.parametrize("is_over", [True, False])
def test_another_name_is_taken_at_the_next_run(is_over: bool) -> None:
    world = World()
    world.see(scaffold(BOTH))
    if is_over:
        world.drain()
    world.see(replace(scaffold(BOTH, verdicts={id: GOOD for id in world.experiment.jobs}), name="renamed"))
    assert world.experiment.name == "renamed"
