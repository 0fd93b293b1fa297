"""Whose a job is whose command line doesn't say it: by user, directory, name and submit time, and not otherwise."""

import pytest
from msgspec.structs import replace

from runexpd.clusters.base import Known
from runexpd.clusters.slurm import merge
from runexpd.clusters.slurm.ownership import CLOCKS_SECONDS, Ownership
from runexpd.clusters.slurm.parse import Accounted, Queued
from runexpd.clusters.slurm.rooms import SBATCH_SECONDS, Receipt, Room

JOB = Known("7", "t1")
ROOM = Room(
    begun_at=1000.0, ended_at=1002.0, user="me", name="train", places=frozenset({"/exp/link", "/exp/run"})
)
RECORDED = Accounted(
    "7", "COMPLETED", "0:0", 1010.0, 1020.0, "me", None, submitted_at=1001.0, name="train", workdir="/exp/run"
)
QUEUED = Queued(
    "7", "RUNNING", None, 1010.0, "/tmp/sbatch.x7", 1001.0, "me", workdir="/exp/run", name="train"
)


def owned(*rows: Queued | Accounted, room: Room = ROOM) -> merge.Owned:
    ownership = Ownership()
    asked = merge.unnamed([JOB], rows)
    ownership.learn([Receipt("t1", "room", room=room)])
    return ownership.owned(asked)


@pytest.mark.parametrize("row", [RECORDED, QUEUED, replace(RECORDED, submit_line="sbatch /tmp/copy")])
def test_all_that_agrees_makes_it_ours(row: Queued | Accounted) -> None:
    assert owned(row) == {("t1", row)}
    linked = replace(row, workdir="/exp/other/../link")
    assert owned(linked) == {("t1", linked)}


def test_an_old_accounting_has_backquotes_where_quotes_were() -> None:
    """As Slurm 20.11 prints it."""
    row = replace(RECORDED, workdir="/exp/`a` run", name="a `b`")
    room = replace(ROOM, places=frozenset({'/exp/"a" run'}), name='a "b"')
    assert owned(row, room=room) == {("t1", row)}


@pytest.mark.parametrize(
    "changed",
    [
        {"user": "you"},
        {"user": ""},
        {"name": "other"},
        {"workdir": "/exp/run2"},
        {"workdir": ""},
        {"submitted_at": 1002.0 + CLOCKS_SECONDS + 1},
        {"submitted_at": 1000.0 - CLOCKS_SECONDS - 1},
        {"submitted_at": None},
        {"id": "8"},
        {"submit_line": "sbatch /home/me/.runexp/e2-1/../../../../exp/run/x.slurm"},
        {"submit_line": "sbatch --parsable /scratch/me/rooms/e2-1/../../../../exp/run/x.slurm"},
    ],
)
def test_whatever_does_not_agree_makes_it_another_s(changed: dict[str, object]) -> None:
    assert owned(replace(RECORDED, **changed)) == set()


def test_without_a_receipt_sbatch_may_have_tried_on_and_without_a_room_nothing_is_known() -> None:
    late = replace(RECORDED, submitted_at=1000.0 + SBATCH_SECONDS)
    assert owned(late, room=replace(ROOM, ended_at=None)) == {("t1", late)}
    assert owned(RECORDED, room=Room()) == set()
    assert owned(RECORDED, room=replace(ROOM, name="")) == set(), "the script's own name could be any"


def test_an_older_room_holds_neither_name_nor_directory() -> None:
    older = replace(ROOM, name="", places=frozenset())
    assert owned(RECORDED, room=older) == {("t1", RECORDED)}
    assert owned(replace(RECORDED, user="you"), room=older) == set()
    assert owned(replace(RECORDED, submitted_at=9000.0), room=older) == set()


def test_one_that_slurm_requeued_is_still_ours() -> None:
    again = replace(RECORDED, submitted_at=9000.0)
    for before in (RECORDED, QUEUED, replace(QUEUED, command="/home/me/.runexp/t1/../../../x")):
        ownership = Ownership()
        ownership.learn([Receipt("t1", "room", room=ROOM)])
        if isinstance(before, Queued):
            ownership.note([JOB], [before])
        ownership.owned(merge.unnamed([JOB], [before]))
        assert ownership.owned(merge.unnamed([JOB], [again])) == {("t1", again)}
        ownership.forget_all_but([])
        assert ownership.unknown(merge.unnamed([JOB], [again])) == ["t1"]


def test_an_id_that_two_attempts_were_given_is_the_later_one_s() -> None:
    first, second = JOB, Known("7", "t2")
    ownership = Ownership()
    later = replace(ROOM, begun_at=1010.0, ended_at=1011.0)
    ownership.learn([Receipt("t1", "room", room=ROOM), Receipt("t2", "room", room=later)])
    assert ownership.owned(merge.unnamed([second, first], [RECORDED])) == {("t2", RECORDED)}


def test_a_job_of_somebody_else_s_is_not_asked_about() -> None:
    assert merge.unnamed([Known("7", "t1", mark="finetune.slurm")], [RECORDED]) == []
