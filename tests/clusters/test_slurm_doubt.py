"""What is made of answers that may mean one thing or another."""

from runexpd.clusters.base import Deferred, Refused, Submission
from runexpd.clusters.slurm.doubt import Patience, traceless
from runexpd.clusters.slurm.parse import Queued
from runexpd.clusters.slurm.rooms import Receipt

ONE = Submission(token="t1", script="/exp/one.slurm", workdir="/exp", name="one")
OTHER = Submission(token="t2", script="/exp/other.slurm", workdir="/exp", name="other")
NO = Refused("no")


def queue(*states: str) -> list[Queued]:
    return [Queued(str(id), state, None, None, "/x") for id, state in enumerate(states)]


def test_a_refusal_that_may_pass_is_waited_with_until_a_job_has_ended() -> None:
    patience = Patience()
    assert patience.answer(ONE, NO, queue("RUNNING", "PENDING")) == Deferred("no")
    assert patience.answer(ONE, NO, queue("RUNNING", "PENDING", "PENDING")) == Deferred("no")
    assert patience.answer(ONE, NO, queue("RUNNING", "PENDING")) == Deferred("no")
    assert patience.answer(OTHER, NO, queue("RUNNING")) == Deferred("no"), "another's"
    assert patience.answer(ONE, NO, None) == Deferred("no")
    assert patience.answer(ONE, NO, queue("RUNNING", "COMPLETED")) == NO, "it was not how many there are"
    assert patience.answer(ONE, NO, queue("RUNNING")) == Deferred("no"), "asked anew"


def test_where_nothing_is_queued_nothing_can_make_room() -> None:
    assert Patience().answer(ONE, NO, queue("COMPLETED")) == NO
    assert Patience().answer(ONE, NO, []) == NO
    assert Patience().answer(ONE, Deferred("later"), []) == Deferred("later")


def test_what_left_no_trace_never_was_unless_sbatch_said_that_all_was_well() -> None:
    assert isinstance(traceless(Receipt("t1", "gone")), Deferred)
    assert isinstance(traceless(Receipt("t1", "done", exit_code=1)), Deferred)
    assert isinstance(traceless(Receipt("t1", "done", out=("thank you",))), Refused)
