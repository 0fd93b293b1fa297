"""Every process of a job, wherever it has hidden, and how to end them all. Standard library only.

A keeper is the reaper of its job's orphans (PR_SET_CHILD_SUBREAPER, prctl(2)), so each descendant stays below it in the
tree however often it forked. One whose keeper was killed is known by the job's directory in its environment: a token
alone may be that of another daemon of the same user, with an experiment of the same name.
"""

import ctypes
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True)
#: The variable that marks a job's processes.
MARK = "RUNEXP_JOB"


def adopt_orphans() -> None:
    """Descendants whose parent ends become this process's children."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with_parent() -> None:
    """This process is killed when its parent dies."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def mark(directory: Path) -> str:
    """The value of a job's mark."""
    return os.path.realpath(directory)


def of_job(directory: Path) -> set[int]:
    """Processes below this one, and those with the job's mark; not this one, and no dead ones."""
    parents = _parents()
    below = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return ((below & parents.keys()) | marked(directory)) - {os.getpid()}


def marked(directory: Path) -> set[int]:
    """Living processes whose environment holds the job's mark."""
    wanted = f"{MARK}={mark(directory)}".encode()
    return {pid for pid in _parents() if wanted in _environment(pid)}


def _parents() -> dict[int, int]:
    """The parent of each living process."""
    found = {}
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with suppress(OSError, ValueError):
                found[int(name)] = _parent(name)
    return found


def _parent(pid: str) -> int:
    """Raises ValueError for a zombie: it is gone but for its exit code."""
    with open(f"/proc/{pid}/stat") as file:
        state, parent = file.read().rpartition(") ")[2].split()[:2]
    if state == "Z":
        raise ValueError(pid)
    return int(parent)


def _environment(pid: int) -> list[bytes]:
    with suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return file.read().split(b"\0")
    return []


def end_all(directory: Path, wait_seconds: float, reap: Callable[[], object]) -> None:
    """SIGTERM to each, SIGKILL to those that are left after `wait_seconds`; returns once there are none."""
    _signal_all(of_job(directory), signal.SIGTERM, signal.SIGCONT)
    deadline = time.monotonic() + wait_seconds
    while (left := of_job(directory)) and time.monotonic() < deadline:
        reap()
        time.sleep(0.02)
    while left:
        _signal_all(left, signal.SIGKILL)
        reap()
        time.sleep(0.02)
        left = of_job(directory)


def _signal_all(pids: set[int], *signals: signal.Signals) -> None:
    for pid in pids:
        for each in signals:
            with suppress(ProcessLookupError):
                os.kill(pid, each)


def gpu_numbers(environment: Mapping[str, str]) -> list[str]:
    """This machine's NVIDIA devices; of them those in CUDA_VISIBLE_DEVICES, where an environment has it."""
    names = [name[6:] for name in os.listdir("/dev") if name.startswith("nvidia") and name[6:].isdecimal()]
    allowed = environment.get("CUDA_VISIBLE_DEVICES")
    return names if allowed is None else [name for name in names if name in allowed.split(",")]
