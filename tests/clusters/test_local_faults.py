"""A disk that is full, a clock that is set, a spool with odd things in it: nothing runs twice, and nothing is lost."""

import errno
import os
import shutil
import stat
import subprocess
import threading
import time
from pathlib import Path

import anyio
import pytest

from clusters.machine import Machine
from runexp.wire.states import LOST
from runexpd.clusters.base import Accepted, ClusterUnreachable, Deferred, Known, Submission, Unclear
from runexpd.clusters.local import cluster, orders, spool, turns

#: In every keeper: while the file `full` is there nothing gets to the disk; the file `clock` holds what the clock is off.
FAULTS = """
import errno, os, time
here = os.path.dirname(os.path.abspath(__file__))
fsync, now = os.fsync, time.time
def full(handle):
    if os.path.exists(f"{here}/full"):
        with open(f"{here}/tries", "a") as tries:
            tries.write("x")
        raise OSError(errno.ENOSPC, "No space left on device")
    fsync(handle)
def clock():
    try:
        with open(f"{here}/clock") as file:
            return now() + float(file.read() or 0)
    except FileNotFoundError:
        return now()
os.fsync, time.time = full, clock
"""


class Faults:
    def __init__(self, dir: Path) -> None:
        self.dir = dir
        (dir / "sitecustomize.py").write_text(FAULTS)

    def fill(self) -> None:
        (self.dir / "full").touch()

    def free(self) -> None:
        (self.dir / "full").unlink()

    async def tried(self, times: int) -> None:
        with anyio.fail_after(30):
            while not (tries := self.dir / "tries").exists() or len(tries.read_text()) < times:
                await anyio.sleep(0.02)

    def set_clock(self, seconds: float) -> None:
        (self.dir / "clock.new").write_text(str(seconds))
        (self.dir / "clock.new").rename(self.dir / "clock")


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    (tmp_path / "faults").mkdir()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "faults"), prepend=os.pathsep)
    return Faults(tmp_path / "faults")


async def test_a_script_does_not_start_before_its_start_is_written(machine: Machine, faults: Faults) -> None:
    faults.fill()
    await machine.submit("t1", "echo ran >>ran")
    await faults.tried(4)
    assert (await machine.report("t1")).state == "PENDING"
    assert not (machine.dir / "ran").exists()
    faults.free()
    assert (await machine.ended("t1")).state == "COMPLETED"
    assert (machine.dir / "ran").read_text() == "ran\n"


async def test_a_job_that_can_not_start_can_be_cancelled(machine: Machine, faults: Faults) -> None:
    faults.fill()
    await machine.submit("t1", "echo ran >>ran")
    await faults.tried(2)
    await machine.cluster.cancel([machine.known["t1"]])
    faults.free()
    report = await machine.ended("t1")
    assert (report.state, report.started_at) == ("CANCELLED", None)
    assert not (machine.dir / "ran").exists()


async def test_an_end_is_said_until_it_is_written_and_meanwhile_the_job_has_a_keeper(
    machine: Machine, faults: Faults
) -> None:
    await machine.submit("t1", "echo ran >>ran; while [ ! -e go ]; do sleep 0.02; done; exit 3")
    await machine.until("t1", ["RUNNING"])
    faults.fill()
    (machine.dir / "go").touch()
    for times in (1, 3, 5):
        await faults.tried(times)
        assert (await machine.report("t1")).state == "RUNNING"
    faults.free()
    report = await machine.ended("t1")
    assert (report.state, report.exit_code) == ("FAILED", "3:0")
    assert (machine.dir / "ran").read_text() == "ran\n"


@pytest.mark.parametrize("set_by", [-3600.0, -1e9, 3600.0, 1e9])
async def test_a_clock_that_is_set_while_a_job_runs(machine: Machine, faults: Faults, set_by: float) -> None:
    before = time.time()
    await machine.submit("t1", "while [ ! -e go ]; do sleep 0.02; done")
    await machine.until("t1", ["RUNNING"])
    faults.set_clock(set_by)
    (machine.dir / "go").touch()
    report = await machine.ended("t1")
    assert report.state == "COMPLETED"
    assert report.started_at is not None
    assert report.ended_at is not None
    assert report.started_at <= report.ended_at
    assert abs(report.ended_at - (before + set_by)) < 60
    assert min(0.0, set_by) <= report.started_at - before < 60 + min(0.0, set_by)


async def test_a_job_that_waits_is_cancelled_though_the_disk_is_full(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=0)
    await machine.submit("t1", "touch ran")
    before = (machine.dir / "spool/jobs/1/end.new").stat()
    await machine.cluster.cancel([machine.known["t1"]])
    after = (machine.dir / "spool/jobs/1/end.json").stat()
    assert before.st_ino == after.st_ino  # written where room was kept for it
    assert before.st_size > after.st_size
    assert not (machine.dir / "spool/jobs/1/environment").exists()
    report = await machine.report("t1")
    assert (report.state, report.final, report.started_at) == ("CANCELLED", True, None)


async def test_one_that_ends_while_the_waiting_are_listed_is_not_taken_for_one_that_waits(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.submit("t1", "echo ran >>ran")
    assert (await machine.ended("t1")).state == "COMPLETED"
    root = machine.dir / "spool"
    (root / "queue" / "1").touch()
    monkeypatch.setattr(turns, "waiting", lambda root: iter([root / "jobs" / "1"]))  # as it was a moment ago
    turns.start_next(root)
    await anyio.sleep(0.5)
    assert (await machine.report("t1")).state == "COMPLETED"
    assert (machine.dir / "ran").read_text() == "ran\n"


async def test_a_starter_that_hangs_holds_up_no_look(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "_WAIT_SECONDS", 0.1)
    held = spool.hold(machine.dir / "spool" / "turns.lock")
    assert held is not None
    assert await machine.submit("t1", "true") == Accepted("1")
    assert (await machine.report("t1")).state == "PENDING"
    with pytest.raises(ClusterUnreachable, match="another process starts jobs"):
        await machine.cluster.cancel([machine.known["t1"]])
    os.close(held)
    assert (await machine.ended("t1")).state == "CANCELLED"


@pytest.mark.parametrize("call", ["symlink", "fsync", "mkdir"])
@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE, errno.EIO])
async def test_a_job_that_can_not_be_entered_waits_and_leaves_nothing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, call: str, error: int
) -> None:
    submission = machine.submission("t1", "echo ran >>ran")

    def fail(*args: object, **options: object) -> None:
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as fault:
        fault.setattr(os, call, fail)
        answer = await machine.send(submission)
    assert isinstance(answer, Deferred)
    assert os.strerror(error) in answer.reason
    assert os.listdir(machine.dir / "spool" / "jobs") == []
    assert os.listdir(machine.dir / "spool" / "queue") == []
    assert await machine.send(submission) == Accepted("1")
    await machine.ended("t1")
    assert (machine.dir / "ran").read_text() == "ran\n"


async def test_a_job_whose_link_is_there_is_accepted_whatever_failed_after_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> None:
        if path.name == "tokens":
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(spool, "sync", fail)
    assert await machine.submit("t1", "echo ran >>ran") == Accepted("1")
    await machine.ended("t1")
    assert (machine.dir / "ran").read_text() == "ran\n"


async def test_a_keeper_that_can_not_be_started_is_started_at_a_later_look(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **options: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as fault:
        fault.setattr(subprocess, "run", fail)
        assert await machine.submit("t1", "true") == Accepted("1")
        assert (await machine.report("t1")).state == "PENDING"
    assert (await machine.ended("t1")).state == "COMPLETED"


async def test_what_can_not_be_looked_at_is_unclear_and_no_news(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    await machine.submit("t1", "true")

    def fail(*args: object) -> str:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as fault:
        fault.setattr(os, "readlink", fail)
        submission = machine.submission("t2", "true")
        assert isinstance(await machine.send(submission), Unclear)
        assert await machine.cluster.resolve([submission]) == {"t2": Unclear("Input/output error")}
        with pytest.raises(ClusterUnreachable):
            await machine.cluster.cancel([machine.known["t1"]])
    await machine.ended("t1")


async def test_odd_things_in_the_spool_stop_nothing(machine: Machine) -> None:
    root = machine.dir / "spool"
    for name in ("lost+found", "²", "0x1", "9" * 200, ".nfs0001"):
        (root / "jobs" / name).mkdir()
        (root / "queue" / name).touch()
        (root / "tokens" / name).touch()
    (root / "queue" / "0").touch()
    (root / "jobs" / "7").mkdir()
    (root / "queue" / "7").touch()
    (root / "jobs" / ("9" * 15)).touch()
    (root / "queue" / "6").touch()
    (root / "jobs" / "6").touch()
    (root / "slots" / "0").mkdir()
    assert await machine.submit("t1", "true") == Accepted("8")
    assert (await machine.ended("t1")).state == "COMPLETED"
    assert await machine.cluster.find([], []) == {}


def put(path: Path, text: str | None) -> None:
    """None: a FIFO."""
    path.unlink()
    if text is None:
        os.mkfifo(path)
    else:
        path.write_text(text)


@pytest.mark.parametrize(
    "text", ["", '{"state": "COMP', "[]", "7", '{"state": 7}', "\0" * 50, "[" * 100_000, None]
)
async def test_an_end_that_can_not_be_read_is_a_persons_to_decide_and_stops_no_other(
    machine: Machine, text: str | None
) -> None:
    await machine.submit("t1", "true")
    await machine.submit("t2", "true")
    for token in ("t1", "t2"):
        await machine.ended(token)
    put(machine.dir / "spool/jobs/1/end.json", text)
    one, other = await machine.cluster.query([machine.known["t1"], machine.known["t2"]])
    assert (one.state, one.final, other.state) == (LOST, False, "COMPLETED")
    assert one.reason is not None
    assert "can't be read" in one.reason


@pytest.mark.parametrize(
    "text",
    ["", "[1, 2]", '{"script"', '{"gpus": "x", "token": "t1"}', '{"gpus": 1e999, "token": "t1"}', None],
)
async def test_a_job_whose_record_is_lost_does_not_run_and_holds_up_no_other(
    tmp_path: Path, text: str | None
) -> None:
    machine = Machine(tmp_path, max_running=0)
    await machine.submit("t1", "echo ran >>ran")
    await machine.submit("t2", "true")
    put(machine.dir / "spool/jobs/1/job.json", text)
    (machine.dir / "spool/max_running").write_text("1")
    assert (await machine.ended("t1")).state == "NODE_FAIL"
    assert (await machine.ended("t2")).state == "COMPLETED"
    assert not (machine.dir / "ran").exists()


@pytest.mark.parametrize("how", ["file", "gone", "loop"])
async def test_a_job_whose_directory_somebody_took_away_is_lost_and_holds_up_no_other(
    tmp_path: Path, how: str
) -> None:
    machine = Machine(tmp_path, max_running=0)
    await machine.submit("t1", "true")
    await machine.submit("t2", "true")
    place = machine.dir / "spool/jobs/1"
    shutil.rmtree(place)
    if how == "file":
        place.touch()
    if how == "loop":
        place.symlink_to(place.name)
    (machine.dir / "spool/max_running").write_text("1")
    assert (await machine.ended("t2")).state == "COMPLETED"
    report = await machine.report("t1")
    assert (report.state, report.final) == (LOST, False)
    assert "`runexp cancel` gives it up" in (report.reason or "")
    await machine.cluster.cancel([machine.known["t1"]])


@pytest.mark.parametrize("name", ["turns.lock", "slots/0"])
async def test_why_nothing_is_started_is_told(tmp_path: Path, name: str) -> None:
    machine = Machine(tmp_path, max_running=0)
    await machine.submit("t1", "true")
    (machine.dir / "spool/max_running").write_text("1")
    place = machine.dir / "spool" / name
    place.unlink(missing_ok=True)
    place.mkdir()
    report = await machine.report("t1")
    assert (report.state, report.reason) == ("PENDING", f"{place}: Is a directory")
    place.rmdir()
    await machine.ended("t1")


async def test_a_spool_that_can_not_be_made_holds_up_the_jobs_alone(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    machine = Machine(tmp_path)
    answer = await machine.submit("t1", "true")
    assert isinstance(answer, Unclear | Deferred)
    with pytest.raises(ClusterUnreachable, match="spool"):
        await machine.cluster.query([Known("1", "t1")])
    (check,) = await machine.cluster.examine(25)
    assert "spool" in check.found
    (tmp_path / "spool").unlink()
    assert await machine.submit("t1", "true") == Accepted("1")
    await machine.ended("t1")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077, 0o027])
async def test_the_spool_is_private_and_results_are_as_the_daemon_s_umask_has_them(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        machine = Machine(tmp_path)
        await machine.submit("t1", "umask >seen; touch result")
        await machine.ended("t1")
        await machine.submit("t2", "sleep 60")
        await machine.until("t2", ["RUNNING"])
        await machine.cluster.cancel([machine.known["t2"]])
        await machine.ended("t2")
    finally:
        os.umask(before)
    spool_dir = machine.dir / "spool"
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in (spool_dir, *spool_dir.rglob("*"))}
    open_to_others = [path for path, mode in modes.items() if mode & 0o077 and not path.is_symlink()]
    assert open_to_others == []
    assert int((machine.dir / "seen").read_text(), 8) == umask
    assert stat.S_IMODE((machine.dir / "result").stat().st_mode) == 0o666 & ~umask


def test_every_directory_that_is_made_on_the_way_is_private(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        spool.make(tmp_path / "home" / "state" / "local")
    finally:
        os.umask(before)
    for made in ("home", "home/state", "home/state/local", "home/state/local/jobs"):
        assert stat.S_IMODE((tmp_path / made).stat().st_mode) == 0o700


async def test_a_directory_that_hangs_holds_up_its_own_submission_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare, thawed = orders.prepare, threading.Event()

    def hang(submission: Submission) -> orders.Order:
        if submission.token.startswith("hung"):
            thawed.wait(30)
        return prepare(submission)

    monkeypatch.setattr(cluster, "_LOOK_SECONDS", 0.2)
    monkeypatch.setattr(cluster, "_MOST_LOOKS", 3)
    monkeypatch.setattr(orders, "prepare", hang)
    try:
        for number in range(3):
            answer = await machine.submit(f"hung{number}", "echo ran >>ran")
            assert isinstance(answer, Deferred)
            assert "gives no answer" in answer.reason
        at_once = await machine.submit("hung3", "echo ran >>ran")
        assert isinstance(at_once, Deferred)
        assert "hang" in at_once.reason
        with pytest.raises(ClusterUnreachable):
            await machine.cluster.find([], [])
        (report,) = await machine.cluster.query([Known("1", "hung0")])
        assert report.state == "LOST"
    finally:
        thawed.set()
    with anyio.fail_after(30):
        while not isinstance(await machine.submit("t1", "true"), Accepted):
            await anyio.sleep(0.02)
    await machine.ended("t1")
    assert [spool.find(machine.dir / "spool", f"hung{number}") for number in range(4)] == [None] * 4
    assert not (machine.dir / "ran").exists(), "what was answered Deferred is not entered later"
