"""A directory is trained into by one job at a time, whosever daemons' they are, and none is kept from it by what is over."""

import errno
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clusters.machine import Machine, keepers
from runexpd.clusters.base import Accepted, Refused, Submission
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


async def test_what_another_has_made_since_is_looked_at_before_it_is_trained_over(
    machine: Machine, other: Machine
) -> None:
    looked_at = time.time() - 1
    (machine.dir / "go").touch()
    await machine.send(training(machine))
    await machine.ended("a-1")
    late = msgspec.structs.replace(training(machine, "b-1"), looked_at=looked_at)
    assert isinstance(await other.send(late), Accepted)
    await other.ended("b-1")
    (made := machine.dir / "artifacts" / "epoch_0").mkdir()
    (made / "model").touch()
    os.utime(made, (0, 0))  # written over what was there
    answer = await machine.send(msgspec.structs.replace(late, token="a-2"))
    assert isinstance(answer, Refused)
    assert f"{machine.dir}/artifacts was trained into by job b-1 of another daemon's, " in answer.error
    assert "and it is over. `runexp run` takes up what lies there" in answer.error
    now = msgspec.structs.replace(late, token="a-3", looked_at=time.time() + 1)
    assert isinstance(await machine.send(now), Accepted)
    await machine.ended("a-3")
    own = msgspec.structs.replace(late, token="a-4")
    assert isinstance(await machine.send(own), Accepted)
    await machine.ended("a-4")


async def test_what_we_put_there_ourselves_is_not_anothers(machine: Machine, other: Machine) -> None:
    (machine.dir / "go").touch()
    await machine.send(training(machine))
    await machine.ended("a-1")
    looked_at = time.time()
    (aside := machine.dir / "artifacts" / "aside-e1-1").mkdir()
    (aside / "epoch_0").mkdir()
    (aside / "epoch_0" / "model").touch()
    (machine.dir / "artifacts" / "logs" / "wandb").mkdir(parents=True)
    late = msgspec.structs.replace(training(machine, "b-1"), looked_at=looked_at)
    assert isinstance(await other.send(late), Accepted)
    await other.ended("b-1")


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


async def test_a_ledger_that_was_put_back_in_another_home_knows_nothing_of_what_the_first_does(
    machine: Machine, other: Machine
) -> None:
    await machine.send(training(machine))
    await machine.until("a-1", ["RUNNING"])
    assert isinstance(await other.send(training(machine, "a-1000")), Refused)
    (machine.dir / "go").touch()
    await machine.ended("a-1")
    assert isinstance(await other.send(training(machine, "a-1001")), Accepted)
    await other.ended("a-1001")


async def test_only_what_certainly_trains_there_is_writing_there(machine: Machine, other: Machine) -> None:
    late = training(machine, "b-1")
    await machine.send(training(machine))
    await machine.until("a-1", ["RUNNING"])
    assert "by job a-1 of another" in (await other.cluster.writing([late]))["b-1"]
    assert await machine.cluster.writing([training(machine, "a-2")]) == {}
    (machine.dir / "go").touch()
    await machine.ended("a-1")
    assert await other.cluster.writing([late]) == {}
    mark = machine.dir / "artifacts" / marks.NAME
    mark.write_text(f"a-1\nfar\n{mark}\nslurm\nfar\n7\n")
    assert await other.cluster.writing([late]) == {}
    assert (await other.cluster.taken([late])).keys() == {"b-1"}


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


@pytest.mark.parametrize(("where", "id"), [("far", "7"), ("", "7;far")])
async def test_a_slurm_jobs_cluster_is_named(machine: Machine, where: str, id: str) -> None:
    mark = machine.dir / "artifacts" / marks.NAME
    mark.parent.mkdir()
    mark.write_text(f"b-1\nlogin:/home\n{mark}\nslurm\n{where}\n{id}\n")
    refused = await machine.send(training(machine))
    assert isinstance(refused, Refused)
    assert "by job 7 of another daemon's, login:/home: " in refused.error
    assert f"Ask the cluster far (`sacct -j 7`), and once it is, remove {mark}; " in refused.error


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


def test_one_of_somebody_else_who_lets_nobody_read_it_is_asked_about_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, opened = tmp_path / marks.NAME, os.open
    path.write_text("b-1\n")

    def fail(name: str, *more: int) -> int:
        if name == str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(name, *more)

    monkeypatch.setattr(os, "open", fail)
    mine = marks.Mark("a-1", "host:/home", str(path), "local", "/nowhere")
    with pytest.raises(marks.Unsure, match=f"{path} can't be read: Permission denied. Ask whose it is"):
        marks.take(mine)
    assert "once nothing does, remove it" in marks.whose(mine)


async def test_a_mark_that_was_copied_is_nobodys(machine: Machine, other: Machine) -> None:
    await machine.send(training(machine))
    shutil.copytree(machine.dir / "artifacts", other.dir / "artifacts")
    assert isinstance(await other.send(training(other, "b-1")), Accepted)
    for each, token in ((machine, "a-1"), (other, "b-1")):
        (each.dir / "go").touch()
        await each.ended(token)


async def test_one_that_may_be_on_its_way_was_quicker(machine: Machine) -> None:
    """Put off, this one would begin when that one is over, and train over what it made."""
    (machine.dir / "artifacts").mkdir()
    mark = machine.dir / "artifacts" / marks.NAME
    mark.write_text(f"b-1\nelsewhere:/home\n{mark}\nlocal\n/nowhere/b-1\n")
    answer = await machine.send(training(machine))
    assert isinstance(answer, Refused)
    assert "by job b-1 of another daemon's" in answer.error
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
    found = marks.check(of["b"])
    assert found is not None
    assert marks.take(of["b"])
    with pytest.raises(marks.Taken, match="quicker"):  # it had looked before
        marks._replaced(found, of["c"])
    with pytest.raises(marks.Taken):
        marks._made(of["c"])
    assert Path(path).read_text().startswith("b\n")
    assert os.listdir(tmp_path) == [marks.NAME]


def test_who_is_about_to_take_over_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / marks.NAME
    mark = marks.Mark("b-1", "host:/home", str(path), "local", "/nowhere/b")
    path.write_text(f"a-1\nhost:/home\n{path}\nlocal\n/nowhere/a\n")
    os.utime(path, (1e9, 1e9))
    (tmp_path / ".runexp.next").touch()
    with pytest.raises(marks.Taken, match=f"and {path}.next stays, remove that"):
        marks.take(mark)
    (tmp_path / ".runexp.next").unlink()
    assert marks.take(mark)


@pytest.mark.parametrize("old", [True, False])
def test_of_three_who_come_between_each_other_anywhere_one_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    """From start to end, before any two calls that the first one makes."""
    path, owners = tmp_path / marks.NAME, list[str]()

    def come(token: str) -> None:
        with suppress(marks.Taken, marks.Unsure):
            marks.take(marks.Mark(token, "host:/home", str(path), "local", f"/nowhere/{token}"))
            owners.append(token)

    steps = Steps(monkeypatch)
    for first, second in combinations(range(1, 15), 2):
        path.unlink(missing_ok=True)
        owners.clear()
        if old:
            path.write_text(f"o-1\nhost:/home\n{path}\nlocal\n/nowhere/o\n")
            os.utime(path, (1e9, 1e9))
        steps.between = {first: lambda: come("b"), second: lambda: come("c")}
        come("a")
        while steps.between:  # after the last one
            steps.between.popitem()[1]()
        assert owners == [path.read_text().split("\n")[0]]
        assert os.listdir(tmp_path) == [marks.NAME]


class Steps:
    """What comes between this process's looks and changes, by their number from there on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.between: dict[int, Callable[[], None]] = {}
        for name in ("open", "pread", "rename", "unlink"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            due = self.between.pop(1, None)
            self.between = {number - 1: come for number, come in self.between.items()}
            if due is not None:
                then, self.between = self.between, {}
                due()
                self.between = then
            return call(*args)

        return counted
