"""A directory is trained into by one job at a time, whosever daemons' they are, and none is kept from it by what is over."""

import errno
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from clusters.machine import Machine, keepers
from runexpd.clusters.base import Accepted, Deferred, Refused, Submission
from runexpd.clusters.local import marks

WAITING = "echo ran >>ran; while [ ! -e go ]; do sleep 0.02; done"


@pytest.fixture
def other(tmp_path: Path) -> Machine:
    """The same machine by a daemon of another home."""
    return Machine(tmp_path / "other")


def training(machine: Machine, token: str = "a-1") -> Submission:
    submission = machine.submission("train", WAITING)
    return Submission(
        token=token,
        script=submission.script,
        workdir=submission.workdir,
        name="train",
        results=str(machine.dir / "artifacts"),
    )


async def test_another_daemons_training_is_refused_until_it_is_over(machine: Machine, other: Machine) -> None:
    await machine.send(training(machine))
    await machine.until("a-1", ["RUNNING"])
    refused = await other.send(training(machine, "b-1"))
    assert isinstance(refused, Refused)
    assert f"{machine.dir}/artifacts is being trained into by job a-1" in refused.error
    assert str(machine.dir) in refused.error.partition("another daemon's, ")[2]
    (machine.dir / "go").touch()
    await machine.ended("a-1")
    assert isinstance(await other.send(training(machine, "b-2")), Accepted)
    await other.ended("b-2")
    assert (machine.dir / "ran").read_text() == "ran\nran\n"


async def test_by_two_paths_of_one_daemon_it_is_the_same(machine: Machine) -> None:
    link = machine.dir / "link"
    link.symlink_to(machine.dir)
    await machine.send(training(machine))
    there = training(machine, "b-1")
    answer = await machine.send_as(there, workdir=str(link), results=f"{link}/artifacts")
    assert isinstance(answer, Refused)
    assert "by job a-1 of another experiment's: " in answer.error
    (machine.dir / "go").touch()
    await machine.ended("a-1")


async def test_one_that_waits_is_waited_for_too(tmp_path: Path, other: Machine) -> None:
    machine = Machine(tmp_path / "full", max_running=1)
    await machine.submit("first", WAITING)
    await machine.send(training(machine))
    assert isinstance(await other.send(training(machine, "b-1")), Refused)
    (machine.dir / "go").touch()
    await machine.ended("a-1")


async def test_the_same_experiments_next_attempt_is_its_own_affair(machine: Machine) -> None:
    await machine.send(training(machine))
    assert isinstance(await machine.send(training(machine, "a-2")), Accepted)
    (machine.dir / "go").touch()
    for token in ("a-1", "a-2"):
        await machine.ended(token)


async def test_of_a_home_that_is_lost_only_what_runs_counts(machine: Machine, other: Machine) -> None:
    await machine.send(training(machine))
    await machine.until("a-1", ["RUNNING"])
    (keeper,) = keepers(machine, "1")
    (machine.dir / "spool").rename(machine.dir / "lost")
    assert isinstance(await other.send(training(machine, "b-1")), Refused)
    os.kill(keeper, signal.SIGKILL)
    (machine.dir / "go").touch()
    os.utime(machine.dir / "artifacts" / marks.NAME, (1e9, 1e9))
    while isinstance(answer := await other.send(training(machine, "b-2")), Refused):
        pass
    assert isinstance(answer, Accepted)
    await other.ended("b-2")


async def test_whose_a_training_is_can_be_asked_beforehand(machine: Machine, other: Machine) -> None:
    mine, nowhere = training(machine, "b-1"), msgspec.structs.replace(training(machine, "b-2"), results="")
    assert await other.cluster.taken([mine, nowhere]) == {}
    await machine.send(training(machine))
    whose = await other.cluster.taken([mine, nowhere])
    refused = await other.send(mine)
    assert isinstance(refused, Refused)
    assert whose == {"b-1": refused.error}
    assert await machine.cluster.taken([training(machine, "a-2")]) == {}
    (machine.dir / "go").touch()
    await machine.ended("a-1")
    assert await other.cluster.taken([mine]) == {}


async def test_a_slurm_job_counts_until_a_person_says_that_it_is_over(machine: Machine) -> None:
    mark = machine.dir / "artifacts" / marks.NAME
    mark.parent.mkdir()
    mark.write_text(f"b-1\nlogin:/home\n{mark}\nslurm\n\n7\n")
    os.utime(mark, (1e9, 1e9))
    refused = await machine.send(training(machine))
    assert isinstance(refused, Refused)
    assert "by job 7 of another daemon's, login:/home: " in refused.error
    assert f"(`sacct -j 7`), and once it is, remove {mark}; " in refused.error
    assert mark.read_text().startswith("b-1\n")
    mark.unlink()
    (machine.dir / "go").touch()
    assert isinstance(await machine.send(training(machine, "a-2")), Accepted)
    await machine.ended("a-2")


def test_a_mark_that_can_not_be_read_is_asked_about_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / marks.NAME
    path.write_text("b-1\n")

    def fail(*args: object) -> bytes:
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(marks.Unsure, match="Stale file handle"):
        marks.take(marks.Mark("a-1", "host:/home", str(path), "local", "/nowhere"))


async def test_a_mark_that_was_copied_is_nobodys(machine: Machine, other: Machine) -> None:
    await machine.send(training(machine))
    shutil.copytree(machine.dir / "artifacts", other.dir / "artifacts")
    assert isinstance(await other.send(training(other, "b-1")), Accepted)
    for each, token in ((machine, "a-1"), (other, "b-1")):
        (each.dir / "go").touch()
        await each.ended(token)


async def test_one_that_may_be_on_its_way_is_asked_about_later(machine: Machine) -> None:
    (machine.dir / "artifacts").mkdir()
    mark = machine.dir / "artifacts" / marks.NAME
    mark.write_text(f"b-1\nelsewhere:/home\n{mark}\nlocal\n/nowhere/b-1\n")
    answer = await machine.send(training(machine))
    assert isinstance(answer, Deferred)
    assert answer.alone
    assert "b-1" in answer.reason
    os.utime(mark, (1e9, 1e9))
    assert isinstance(await machine.send(training(machine)), Accepted)
    assert mark.read_text().startswith("a-1\n")
    (machine.dir / "go").touch()
    await machine.ended("a-1")


ODD: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a link to nothing": lambda path: path.symlink_to("nowhere"),
    "bytes": lambda path: path.write_bytes(b"\xff\0\n" * 100_000),
    "a record of NULs": lambda path: path.write_bytes(b"b-1\nx\n\0\nlocal\n\0\n"),
    "another kind": lambda path: path.write_text(f"b-1\nx\n{path}\nlevitating\n\n7\n"),
}


@pytest.mark.parametrize("lay", ODD.values(), ids=ODD.keys())
async def test_what_is_no_mark_keeps_nobody_from_training(
    machine: Machine, lay: Callable[[Path], object]
) -> None:
    (machine.dir / "artifacts").mkdir()
    mark = machine.dir / "artifacts" / marks.NAME
    lay(mark)
    if mark.is_file():
        os.utime(mark, (1e9, 1e9))
    (machine.dir / "go").touch()
    assert isinstance(await machine.send(training(machine)), Accepted)
    assert (await machine.ended("a-1")).state == "COMPLETED"


def test_of_two_who_take_over_one_is_sent_back(tmp_path: Path) -> None:
    path = str(tmp_path / marks.NAME)
    of = {token: marks.Mark(token, "host:/home", path, "local", f"/nowhere/{token}") for token in "abc"}
    assert marks.take(of["a"])
    os.utime(path, (1e9, 1e9))
    taken = marks._read(handle := os.open(path, os.O_RDONLY))
    os.close(handle)
    assert marks.take(of["b"])
    with pytest.raises(marks.Unsure, match="quicker"):  # it had looked before
        marks._remove(taken, of["c"])
    with pytest.raises(marks.Unsure):
        marks._made(of["c"])
    assert Path(path).read_text().startswith("b\n")
