"""Keeps one job: runs the script, ends it at its limit or when asked, records how it ended, and starts whose turn is next.

Run as `python -m runexpd.clusters.local.keeper JOB_DIRECTORY HANDLE...` with the job's lock and its room as open handles,
in the job's environment; standard library only, so that it starts at once and stays small. It puts itself in the background
and outlives whoever started it. A job with a start record never starts again.
"""

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn, TypeVar

from runexpd.clusters.local import marks, processes, scopes, spool, turns

T = TypeVar("T")
#: Between two looks at the limit and the cancel mark.
LOOK_SECONDS = 0.1
#: Between two tries at a record that can't be written, at most.
SELDOM_SECONDS = 30.0
#: The exit code of a script whose interpreter isn't there, as Slurm 22.05 shows it.
_NO_INTERPRETER = 2
#: The "signal" by which Slurm says that it could not open a job's output.
_NO_OUTPUT = "0:53"


def main(directory: Path, held: Sequence[int]) -> None:
    """`held`: the job's lock and its room, which are let go of once it has ended."""
    if os.fork():
        return
    os.setsid()
    for handle in held:
        os.set_inheritable(handle, False)
    processes.adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    job = _read(directory / "job.json")
    if (directory / "end.json").exists():
        return
    if job is None or (directory / "start.json").exists():
        _bury(directory)
    else:
        _run(directory, job)
    for handle in held:
        os.close(handle)
    root = directory.parent.parent
    _written(
        lambda: turns.start_next(root) if root.is_dir() else None
    )  # somebody may have cleared the spool away


def _read(path: Path) -> spool.Record | None:
    """None also for one that can't be read."""
    try:
        return spool.read(path)
    except spool.Damaged:
        return None


def _bury(directory: Path) -> None:
    """Its keeper was killed, or the machine went down: what is left of it must not go on unseen."""
    processes.end_all(directory, 0, _reap)
    start = _read(directory / "start.json") or {}
    started_at = start.get("at")
    _end(directory, started_at if isinstance(started_at, float) else None, "NODE_FAIL", "0:0")


def _run(directory: Path, job: spool.Record) -> None:
    scopes.enter(directory)
    started_at = _written(lambda: _begin(directory), directory / "cancel")
    started = time.monotonic()
    if started_at is None:
        return _end(directory, None, "CANCELLED", "0:0")
    turns.leave(directory)
    mark = marks.hold(job["mark"], job["token"]) if job.get("mark") else None
    try:
        output, error = _open_outputs(job)
    except OSError:
        return _end(directory, started_at, "FAILED", _NO_OUTPUT, elapsed_seconds=time.monotonic() - started)
    pid = os.fork()
    if pid == 0:
        _become(directory, job, started_at, output, error)
    for handle in {output, error}:
        os.close(handle)
    status = _wait(directory, job, pid, started_at)
    processes.end_all(directory, 0, _reap)
    if mark is not None:
        os.close(mark)
    _end(directory, started_at, *status, elapsed_seconds=time.monotonic() - started, usage=_usage(job))


def _begin(directory: Path) -> float:
    """Raises OSError; then the script doesn't start."""
    started_at = time.time()
    spool.write(directory / "start.json", {"at": started_at})
    return started_at


def _written(write: Callable[[], T], unless: Path | None = None) -> T | None:
    """Try until it can be done, ever more seldom; None once `unless` is there."""
    pause = LOOK_SECONDS
    while True:
        try:
            return write()
        except OSError:
            again = time.monotonic() + pause
            pause = min(2 * pause, SELDOM_SECONDS)
        while time.monotonic() < again:
            if unless is not None and unless.exists():
                return None
            time.sleep(LOOK_SECONDS)


def _open_outputs(job: spool.Record) -> tuple[int, int]:
    """Standard output and error: one file unless the script names two. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    flags |= os.O_APPEND if job["open_mode"] == "append" else os.O_TRUNC
    output = os.open(job["output"], flags, 0o666)
    return output, output if job["error"] is None else os.open(job["error"], flags, 0o666)


def _become(directory: Path, job: spool.Record, started_at: float, output: int, error: int) -> NoReturn:
    processes.die_with_parent()
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    try:
        os.setsid()
        os.chdir(job["workdir"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(error, 2)
        os.execve(directory / "script", [job["script"]], _environment(directory, job, started_at))
    except (OSError, ValueError) as problem:  # ValueError: a word that no program can be given
        words = f"{job['script']}: {getattr(problem, 'strerror', None) or problem}\n"
        with suppress(OSError):
            os.write(2, words.encode(errors="backslashreplace"))
    finally:
        os._exit(_NO_INTERPRETER)


def _environment(directory: Path, job: spool.Record, started_at: float) -> dict[str, str]:
    """That of the submission, with Slurm's variables as sbatch(1) lists them."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    node, id, cpus = os.uname().nodename, job["id"], str(job["cpus"])
    names = {
        "SLURM_CLUSTER_NAME": "local",
        "SLURM_CPUS_ON_NODE": cpus,
        "SLURM_GTIDS": "0",
        "SLURM_JOBID": id,
        "SLURM_JOB_CPUS_PER_NODE": cpus,
        "SLURM_JOB_GID": str(os.getgid()),
        "SLURM_JOB_ID": id,
        "SLURM_JOB_NAME": job["name"],
        "SLURM_JOB_NODELIST": node,
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_PARTITION": "local",
        "SLURM_JOB_START_TIME": str(int(started_at)),
        "SLURM_JOB_UID": str(os.getuid()),
        "SLURM_JOB_USER": job["user"],
        "SLURM_LOCALID": "0",
        "SLURM_NNODES": "1",
        "SLURM_NODEID": "0",
        "SLURM_NODELIST": node,
        "SLURM_NPROCS": str(job["tasks"]),
        "SLURM_NTASKS": str(job["tasks"]),
        "SLURM_PROCID": "0",
        "SLURM_SUBMIT_DIR": job["submit_dir"],
        "SLURM_SUBMIT_HOST": node,
        "SLURM_TASKS_PER_NODE": str(job["tasks"]),
        "SLURM_TASK_PID": str(os.getpid()),
        "SLURMD_NODENAME": node,
        processes.MARK: processes.mark(directory),
    }
    if job["cpus_per_task"] is not None:
        names["SLURM_CPUS_PER_TASK"] = str(job["cpus_per_task"])
    if job["limit_seconds"] is not None:
        names["SLURM_JOB_END_TIME"] = str(int(started_at + job["limit_seconds"]))
    return outer | names


def _wait(directory: Path, job: spool.Record, pid: int, started_at: float) -> tuple[str, str]:
    """Until the script ends, or has to; its state and exit code."""
    limit = job["limit_seconds"]
    deadline = time.monotonic() + limit if limit is not None else float("inf")
    while (status := _reap(pid)) is None:
        if (directory / "cancel").exists():
            processes.end_all(directory, job["kill_wait_seconds"], _reap)
            return "CANCELLED", "0:15"
        if time.monotonic() > deadline:
            processes.end_all(directory, job["kill_wait_seconds"], _reap)
            return "TIMEOUT", "0:0"
        signal.sigtimedwait({signal.SIGCHLD}, LOOK_SECONDS)
    if os.WIFSIGNALED(status):
        return "FAILED", f"0:{os.WTERMSIG(status)}"
    code = os.WEXITSTATUS(status)
    return ("FAILED", f"{code}:0") if code else ("COMPLETED", "0:0")


def _reap(pid: int = 0) -> int | None:
    """Bury every dead child; the status of `pid` if it is among them."""
    found = None
    with suppress(ChildProcessError):
        while (dead := os.waitpid(-1, os.WNOHANG))[0]:
            if dead[0] == pid:
                found = dead[1]
    return found


def _usage(job: spool.Record) -> spool.Record:
    """Of every process of the job: all of them were buried here. As runexp.wire.jobs.Usage has it."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "time_limit_seconds": job["limit_seconds"],
        "cpus": job["cpus"],
        "gpus": job["gpus"],
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "peak_memory_bytes": used.ru_maxrss * 1024,
    }


def _end(
    directory: Path,
    started_at: float | None,
    state: str,
    exit_code: str,
    *,
    elapsed_seconds: float = 0.0,
    usage: spool.Record | None = None,
) -> None:
    """Said until it is written: a job without an end, and without a keeper, counts as one whose node failed, and runs again."""
    ended_at = time.time()
    if started_at is not None:  # by a clock that may have been set back in between
        started_at = min(started_at, ended_at - elapsed_seconds)
    record = {"state": state, "exit_code": exit_code, "started_at": started_at, "ended_at": ended_at}

    def write() -> None:
        if directory.is_dir():
            spool.write(directory / "end.json", {**record, "usage": usage})

    _written(write)
    turns.leave(directory)
    spool.forget_environment(directory)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(handle) for handle in sys.argv[2:]])
