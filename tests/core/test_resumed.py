"""An evaluation that was killed goes on by itself, once, with what it had finished; nothing else does."""

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, KILLED, SCORED, World, owed, scaffold
from runexp.wire import events
from runexp.wire.jobs import Failure, Policy, Resume, Verdict
from runexp.wire.states import Outcome, Stage
from runexpd.core import commands
from runexpd.core.observations import CancelWanted, Deferred, RerunWanted, RetryWanted, Tick
from runexpd.core.steps import jobviews

CELL = "base/words"
assert KILLED.resume is not None
LOG: Resume = KILLED.resume


def evaluating(policy: Policy | None = None) -> World:
    """Two models are trained, and the other evaluations are done."""
    world = World()
    world.see(scaffold(policy=policy))
    for run in ("rank4", "rank8"):
        world.finish(run, GOOD)
    for run in ("rank4", "rank8"):
        world.finish(f"{run}/words/epoch0", SCORED)
    return world


def submitted(world: World) -> list[str]:
    """What each job that is being sent finds in its environment besides."""
    return [c.variable for c in owed(world.state, world.now) if isinstance(c, commands.Submit)]


def killed(verdict: Verdict = KILLED, kind: str = "killed") -> Verdict:
    assert verdict.failure is not None
    return replace(verdict, failure=Failure(kind, verdict.failure.message))


def done(count: int) -> Verdict:
    return replace(KILLED, resume=replace(LOG, done=count))


def test_it_goes_on_with_what_was_finished_and_says_so() -> None:
    world = evaluating()
    happened = world.finish(CELL, KILLED, "FAILED")
    assert [type(e) for e in happened[:-1]] == [events.ResultRejected, events.JobResumed]
    resumed = happened[1]
    assert isinstance(resumed, events.JobResumed)
    assert (resumed.number, resumed.limit, resumed.path) == (1, 1, LOG.path)
    assert resumed.reason == "FAILED; it is to go on with 60 of 100 samples that were finished"
    assert submitted(world) == [LOG.variable]
    world.finish(CELL, SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    (drawn,) = jobviews.draw(world.experiment, "words", [world.job(CELL)]).values()
    assert drawn.view.detail == "100 of 100 samples", "what was taken up is the tool's to say"
    assert [a.resumed_from for a in drawn.view.attempts] == ["", LOG.path]
    assert drawn.view.warnings == ()


def test_the_second_time_it_is_a_persons() -> None:
    world = evaluating()
    world.finish(CELL, KILLED, "FAILED")
    world.finish(CELL, done(90), "FAILED")
    assert world.job(CELL).stage is Stage.FAILED
    assert world.job(CELL).warnings == KILLED.warnings
    assert len(world.job(CELL).attempts) == 2


@pytest.mark.parametrize(
    ("state", "verdict", "goes_on"),
    [
        ("FAILED", KILLED, True),
        ("FAILED", killed(kind="exception"), False),
        ("FAILED", killed(kind="interrupted"), False),
        ("FAILED", replace(KILLED, resume=None), False),
        ("COMPLETED", killed(kind="eval_started"), False),
        ("CANCELLED", killed(kind="cancelled"), False),
        ("PREEMPTED", killed(kind="preempted"), True),
        ("OUT_OF_MEMORY", killed(kind="host_out_of_memory"), False),
        ("DEADLINE", killed(kind="deadline"), False),
        ("TIMEOUT", killed(done(50), kind="timeout"), True),
        # The rest would take longer than the time that it has.
        ("TIMEOUT", killed(done(49), kind="timeout"), False),
        ("PREEMPTED", killed(done(1), kind="preempted"), True),
    ],
)
def test_what_goes_on_was_ended_by_something_else_and_can_be_finished(
    state: str, verdict: Verdict, goes_on: bool
) -> None:
    world = evaluating()
    world.finish(CELL, verdict, state)
    assert world.job(CELL).stage is (Stage.SUBMITTING if goes_on else Stage.FAILED)


def test_one_whose_node_failed_goes_on_as_often_as_a_node_may_fail() -> None:
    world = evaluating()
    for _ in range(2):
        happened = world.finish(CELL, killed(kind="node_fail"), "NODE_FAIL")
        (requeued,) = (e for e in happened if isinstance(e, events.JobRequeued))
        assert requeued.reason.endswith("; it is to go on with 60 of 100 samples that were finished")
        assert submitted(world) == [LOG.variable]
    world.finish(CELL, killed(kind="node_fail"), "NODE_FAIL")
    assert world.job(CELL).stage is Stage.FAILED
    never = evaluating(Policy(node_retries=0))
    never.finish(CELL, killed(kind="node_fail"), "NODE_FAIL")
    assert never.job(CELL).stage is Stage.FAILED


def test_one_that_a_person_cancelled_does_not() -> None:
    world = evaluating()
    world.accept(CELL)
    world.see(CancelWanted(experiment=ID, jobs=(CELL,)))
    world.show(CELL, "FAILED", final=True)
    world.judge(CELL, KILLED)
    assert world.job(CELL).stage is Stage.FAILED


def test_one_that_was_put_off_goes_on_all_the_same() -> None:
    world = evaluating()
    world.finish(CELL, KILLED, "FAILED")
    world.see(Deferred(experiment=ID, job=CELL, token=world.token(CELL), reason="takes no more"))
    assert world.job(CELL).stage is Stage.PLANNED
    world.now += 60
    world.see(Tick())
    assert submitted(world) == [LOG.variable]


def put_off(world: World) -> None:
    world.finish(CELL, KILLED, "FAILED")
    world.see(Deferred(experiment=ID, job=CELL, token=world.token(CELL), reason="takes no more"))
    assert world.job(CELL).stage is Stage.PLANNED


def test_what_somebody_asks_for_since_begins_at_the_beginning() -> None:
    failed = evaluating()
    failed.finish(CELL, KILLED, "FAILED")
    failed.finish(CELL, KILLED, "FAILED")
    failed.see(RetryWanted(seen=scaffold(), jobs=()))
    assert submitted(failed) == [""]
    failed.finish(CELL, KILLED, "FAILED")
    assert submitted(failed) == [LOG.variable], "and may go on again"
    for asked in (scaffold(policy=Policy(max_submit=9)), RerunWanted(seen=scaffold(), jobs=("rank4",))):
        world = evaluating()
        put_off(world)
        world.see(asked)
        world.now += 60
        world.see(Tick())
        assert submitted(world)
        assert not any(submitted(world))


def test_a_bad_result_leaves_no_way_to_go_on() -> None:
    world = evaluating()
    world.finish(CELL, replace(BAD, failure=Failure("killed", "x")), "PREEMPTED")
    assert world.job(CELL).stage is Stage.FAILED
