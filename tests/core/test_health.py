"""What is wrong with a job is said once, withdrawn when it is over, and forgotten with the attempt."""

import pytest

from fakes.builders import BAD, GOOD, ID, World, owed, scaffold
from runexp.wire import events
from runexp.wire.jobs import OnStall, Policy, Verdict
from runexp.wire.metrics import Concern
from runexpd.core.commands import Cancel
from runexpd.core.observations import Accepted, Examined, Judged, Listed, Report, Symptom

STALLED = Symptom(Concern.STALLED, "no new step for 6 min", "look at its output")


def examined(*symptoms: Symptom, token: str = "e1-1") -> Examined:
    return Examined(
        experiment=ID, job="rank4", token=token, judged=(Concern.STALLED, Concern.SLOW), symptoms=symptoms
    )


def running(policy: Policy | None = None) -> World:
    world = World()
    world.see(scaffold(policy=policy))
    world.see(Accepted(experiment=ID, job="rank4", token="e1-1", slurm_job_id="7", output="/o"))
    return world


def test_it_is_said_once_and_withdrawn_once() -> None:
    world = running()
    (raised,) = world.see(examined(STALLED))
    assert isinstance(raised, events.ConcernRaised)
    assert (raised.concern, raised.what, raised.hint) == (Concern.STALLED, STALLED.what, STALLED.hint)
    assert world.see(examined(STALLED)) == []
    (withdrawn,) = world.see(examined())
    assert withdrawn == events.ConcernWithdrawn(job="rank4", token="e1-1", concern=Concern.STALLED)
    assert world.see(examined()) == []


def test_what_could_not_be_judged_stays_as_it_was_said() -> None:
    world = running()
    world.see(examined(STALLED))
    blind = Examined(experiment=ID, job="rank4", token="e1-1", judged=(Concern.SLOW,), symptoms=(STALLED,))
    assert world.see(blind) == []
    attempt = world.experiment.jobs["rank4"].attempt
    assert attempt is not None
    assert [each.concern for each in attempt.health] == [Concern.STALLED]


def ended(state: str) -> Listed:
    return Listed(reports=(Report(experiment=ID, job="rank4", token="e1-1", state=state, final=True),))


def test_a_job_that_is_over_has_nothing_wrong_any_more() -> None:
    world = running()
    world.see(examined(STALLED))
    world.see(ended("COMPLETED"))
    attempt = world.experiment.jobs["rank4"].attempt
    assert attempt is not None
    assert attempt.health == ()
    assert world.see(examined(STALLED)) == []


def test_that_it_waits_is_withdrawn_as_soon_as_it_runs() -> None:
    world = running()
    waits = Symptom(Concern.QUEUE, "waits for 6 min", "release it")
    world.see(Examined(experiment=ID, job="rank4", token="e1-1", judged=(Concern.QUEUE,), symptoms=(waits,)))
    for state, withdrawn in (("PENDING", []), ("RUNNING", [Concern.QUEUE]), ("SUSPENDED", [])):
        report = Report(experiment=ID, job="rank4", token="e1-1", state=state, final=False)
        happened = world.see(Listed(reports=(report,)))
        assert [e.concern for e in happened if isinstance(e, events.ConcernWithdrawn)] == withdrawn


def test_on_stall_cancel_ends_it_and_says_why_it_failed() -> None:
    world = running(Policy(on_stall=OnStall.CANCEL))
    happened = world.see(examined(STALLED))
    assert [type(event) for event in happened] == [events.ConcernRaised, events.JobGivenUp]
    assert [c.slurm_job_id for c in owed(world.state, world.now) if isinstance(c, Cancel)] == ["7"]
    world.see(ended("CANCELLED"))
    world.see(Judged(experiment=ID, job="rank4", token="e1-1", verdict=BAD))
    failure = world.experiment.jobs["rank4"].failure
    assert failure is not None
    assert (failure.kind, failure.message[:21]) == ("stalled", "no new step for 6 min")
    assert world.experiment.outcome is None, "the others go on"


def test_other_concerns_end_nothing() -> None:
    world = running(Policy(on_stall=OnStall.CANCEL))
    (raised,) = world.see(examined(Symptom(Concern.SLOW, "half as fast")))
    assert isinstance(raised, events.ConcernRaised)


def test_what_has_made_no_step_yet_is_not_ended_by_rule() -> None:
    world = running(Policy(on_stall=OnStall.CANCEL))
    silent = Symptom(Concern.NO_STEP, "no step yet")
    seen = Examined(experiment=ID, job="rank4", token="e1-1", judged=(Concern.NO_STEP,), symptoms=(silent,))
    assert [type(event) for event in world.see(seen)] == [events.ConcernRaised]


@pytest.mark.parametrize("verdict", [GOOD])
def test_what_was_given_up_and_is_good_all_the_same_is_good(verdict: Verdict) -> None:
    world = running(Policy(on_stall=OnStall.CANCEL))
    world.see(examined(STALLED))
    world.see(ended("COMPLETED"))
    world.see(Judged(experiment=ID, job="rank4", token="e1-1", verdict=verdict))
    assert world.experiment.jobs["rank4"].failure is None


def test_a_job_that_was_given_up_and_is_lost_is_over() -> None:
    world = running(Policy(on_stall=OnStall.CANCEL))
    world.see(examined(STALLED))
    lost = Report(experiment=ID, job="rank4", token="e1-1", state="LOST", final=False)
    assert any(isinstance(event, events.JobEnded) for event in world.see(Listed(reports=(lost,))))
