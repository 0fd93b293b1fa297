"""Whose turn it is on this machine: a job that waits is a record in the spool, and no process. Standard library only.

Whoever enters a job, ends one or looks at them calls `start_next`. One at a time does: it takes the slot, the GPUs and the
job's lock, and hands them to the keeper that it starts, so nothing that has been let go of is ever overlooked.
"""

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from runexpd.clusters.local import processes, spool

#: Somebody else's start takes a tenth of it.
_WAIT_SECONDS = 10.0


def start_next(root: Path) -> None:
    """Start, first come, first served, as many of the jobs that wait as there is room for. Raises OSError: then they wait on."""
    if not os.listdir(root / "queue"):
        return
    with _one_at_a_time(root):
        for directory in waiting(root):
            if (lock := _free(directory)) is not None:
                try:
                    if not _start(root, directory, lock):
                        return
                finally:
                    os.close(lock)


def end_waiting(directory: Path) -> None:
    """End a job that was asked to end, if it waits; else its keeper does, or buries it. Raises OSError."""
    with _one_at_a_time(directory.parent.parent), _lock(directory) as lock:
        if lock is None or (directory / "end.json").exists():
            return
        if (directory / "start.json").exists():
            _start_keeper(directory, [lock], os.environ)
        else:
            _cancel(directory)


def bury(directory: Path) -> bool:
    """See to it that a job that has started has a keeper: one whose keeper is gone gets another that buries it.

    False if it has ended. Raises OSError.
    """
    with _lock(directory) as lock:
        if lock is not None:
            if (directory / "end.json").exists():
                return False
            _start_keeper(directory, [lock], os.environ)
        return True


def enter(directory: Path) -> None:
    """Raises OSError."""
    place = directory.parent.parent / "queue" / directory.name
    if not place.exists():
        place.touch(mode=0o600)


def leave(directory: Path) -> None:
    """It doesn't matter if it fails: a job that has started or ended is in nobody's way."""
    with suppress(OSError):
        (directory.parent.parent / "queue" / directory.name).unlink(missing_ok=True)


def waiting(root: Path) -> Iterator[Path]:
    """The directories of the jobs that wait, in the order of their submission. Raises OSError."""
    for name in sorted((name for name in os.listdir(root / "queue") if spool.is_id(name)), key=int):
        if _waits(root, root / "jobs" / name):
            yield root / "jobs" / name


def _waits(root: Path, directory: Path) -> bool:
    """Whether there is such a job: what a submission that came to nothing left here has no turn, nor what can't be read."""
    with suppress(OSError):
        if _has_begun(directory):
            return False
        try:
            job = spool.read(directory / "job.json") or {}
            return spool.find(root, str(job.get("token"))) == directory
        except spool.Damaged:
            return directory.name in spool.tokens(root)
    return False


def _has_begun(directory: Path) -> bool:
    return any((directory / name).exists() for name in ("start.json", "end.json"))


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Raises OSError."""
    handle = os.open(root / "turns.lock", os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
    try:
        _wait_for(handle)
        yield
    finally:
        os.close(handle)


def _wait_for(handle: int) -> None:
    """Not for ever: whoever has it may have been stopped. Raises OSError."""
    until = time.monotonic() + _WAIT_SECONDS
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() > until:
            raise OSError(errno.EAGAIN, "another process starts jobs, and does not come to an end")
        time.sleep(0.01)


@contextmanager
def _lock(directory: Path) -> Iterator[int | None]:
    """A job's lock, None if somebody has it. Whoever was started with it has it on. Raises OSError."""
    lock = spool.hold(directory / "keeper.lock")
    try:
        yield lock
    finally:
        if lock is not None:
            os.close(lock)


def _free(directory: Path) -> int | None:
    """The lock of a job that is to start. One that is held is on its way, one that was may have ended since it was listed; and one
    that can't be had holds up none of the others."""
    lock = None
    with suppress(OSError):
        lock = spool.hold(directory / "keeper.lock")
        if lock is not None and not _has_begun(directory):
            return lock
    if lock is not None:
        os.close(lock)
    return None


def _start(root: Path, directory: Path, lock: int) -> bool:
    """False if there is no room for it. Raises OSError."""
    if (directory / "cancel").exists():
        _cancel(directory)
        return True
    environment = spool.environment(directory)
    held, gpus = _room(root, _gpus_asked(directory), environment)
    try:
        if held:
            _start_keeper(directory, [lock, *held], environment | gpus)
        return bool(held)
    finally:
        for handle in held:
            os.close(handle)


def _gpus_asked(directory: Path) -> int:
    """0 for a job whose record is damaged: its keeper will only bury it."""
    with suppress(ValueError, TypeError, OverflowError):
        return int((spool.read(directory / "job.json") or {}).get("gpus") or 0)
    return 0


def _room(root: Path, gpus: int, environment: Mapping[str, str]) -> tuple[list[int], dict[str, str]]:
    """A slot and so many GPUs, held, and how a job is told of them; nothing if they aren't there. Raises OSError."""
    held: list[int] = []
    devices: list[str] = []
    try:
        _take(root / "slots", map(str, range(spool.max_running(root))), 1, held)
        if held:
            devices = _take(root / "gpus", sorted(processes.gpu_numbers(environment)), gpus, held)
    except OSError:
        _let_go(held)
        raise
    if len(devices) < gpus:
        _let_go(held)
        return [], {}
    return held, {"CUDA_VISIBLE_DEVICES": ",".join(devices)} if gpus else {}


def _take(places: Path, names: Iterator[str] | Sequence[str], count: int, held: list[int]) -> list[str]:
    """So many of them, or fewer, added to what is held; which. Raises OSError where none can be had, nor is held by others."""
    taken: list[str] = []
    problems: list[OSError] = []
    is_one_held = False
    for name in names:
        try:
            handle = spool.hold(places / name) if len(taken) < count else None
        except OSError as problem:
            problems.append(problem)
            continue
        is_one_held = True
        if handle is not None:
            taken.append(name)
            held.append(handle)
    if problems and not is_one_held:
        raise problems[0]
    return taken


def _let_go(held: list[int]) -> None:
    while held:
        os.close(held.pop())


def _cancel(directory: Path) -> None:
    record = {
        "state": "CANCELLED",
        "exit_code": "0:0",
        "started_at": None,
        "ended_at": time.time(),
        "usage": None,
    }
    spool.write(directory / "end.json", record)
    leave(directory)
    spool.forget_environment(directory)


def _start_keeper(directory: Path, held: Sequence[int], environment: Mapping[str, str]) -> None:
    """It forks and is in the background when this returns; its own session, so no signal to ours reaches it. Raises OSError."""
    keeper = [sys.executable, "-P", "-m", "runexpd.clusters.local.keeper", str(directory), *map(str, held)]
    with open(os.devnull, "r+b") as null:
        subprocess.run(
            keeper,
            cwd="/",
            stdin=null,
            stdout=null,
            stderr=null,
            env=environment,
            pass_fds=held,
            start_new_session=True,
            check=False,
        )
