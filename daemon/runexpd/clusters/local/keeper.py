"""Keeps one job: waits for its turn, runs the script, ends it at its limit or when asked, records how it ended.

Run as `python -m runexpd.clusters.local.keeper JOB_DIRECTORY`; standard library only, so that it starts at once and stays
small. It puts itself in the background and outlives whoever started it. Starting a second one is harmless: a job's lock has
one holder, and a job with a start record never starts again.
"""

import os
import resource
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from runexpd.clusters.local import processes, spool

#: Between two looks at the queue, the limit and the cancel mark.
LOOK_SECONDS = 0.1
#: The exit code of a script whose interpreter isn't there, as Slurm 22.05 shows it.
_NO_INTERPRETER = 2
#: The "signal" by which Slurm says that it could not open a job's output.
_NO_OUTPUT = "0:53"


def main(directory: Path) -> None:
    if os.fork():
        return
    os.setsid()
    if not _take_charge(directory) or (directory / "end.json").exists():
        return
    processes.adopt_orphans()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    job = spool.read(directory / "job.json")
    started = spool.read(directory / "start.json")
    assert job is not None
    if started is not None:
        # Its keeper was killed, or the machine went down: what is left of it must not go on unseen.
        processes.end_all(job["token"], 0, _reap)
        _end(directory, started["at"], "NODE_FAIL", "0:0")
    elif _take_turn(directory, job):
        _run(directory, job)
    else:
        _end(directory, None, "CANCELLED", "0:0")


def _take_charge(directory: Path) -> bool:
    """False if the job has a keeper. Tried for a while, since whoever looks whether there is one holds the lock too."""
    for _ in range(20):
        if spool.hold(directory / "keeper.lock") is not None:
            return True
        time.sleep(LOOK_SECONDS / 4)
    return False


def _take_turn(directory: Path, job: dict[str, Any]) -> bool:
    """Wait for a slot, first come, first served; False if the job was cancelled while it waited."""
    root = directory.parent.parent
    while not (directory / "cancel").exists():
        if spool.head(root) == directory.name and _take(root, job["gpus"]):
            return True
        time.sleep(LOOK_SECONDS)
    return False


def _take(root: Path, gpus: int) -> bool:
    """A slot, and so many GPUs, or nothing. Held until this process ends."""
    slots = int((root / "max_running").read_text())
    slot = next(filter(None, (spool.hold(root / "slots" / str(n)) for n in range(slots))), None)
    if slot is None or not gpus:
        return slot is not None
    held: dict[str, int] = {}
    for device in sorted(processes.gpu_numbers()):
        if len(held) < gpus and (handle := spool.hold(root / "gpus" / device)) is not None:
            held[device] = handle
    if len(held) == gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(held)
        return True
    for handle in (slot, *held.values()):
        os.close(handle)
    return False


def _run(directory: Path, job: dict[str, Any]) -> None:
    started_at = time.time()
    spool.write(directory / "start.json", {"at": started_at})
    (directory.parent.parent / "queue" / directory.name).unlink(missing_ok=True)
    try:
        output, error = _open_outputs(job)
    except OSError:
        return _end(directory, started_at, "FAILED", _NO_OUTPUT)
    pid = os.fork()
    if pid == 0:
        _become(directory / "script", job, started_at, output, error)
    for handle in {output, error}:
        os.close(handle)
    status = _wait(directory, job, pid, started_at)
    processes.end_all(job["token"], 0, _reap)
    _end(directory, started_at, *status, usage=_usage(job))


def _open_outputs(job: dict[str, Any]) -> tuple[int, int]:
    """Standard output and error: one file unless the script names two. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC
    flags |= os.O_APPEND if job["open_mode"] == "append" else os.O_TRUNC
    output = os.open(job["output"], flags, 0o666)
    return output, output if job["error"] is None else os.open(job["error"], flags, 0o666)


def _become(script: Path, job: dict[str, Any], started_at: float, output: int, error: int) -> NoReturn:
    processes.die_with_parent()
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    try:
        os.setsid()
        os.chdir(job["workdir"])
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(error, 2)
        os.execve(script, [job["script"]], _environment(job, started_at))
    except OSError as problem:
        os.write(2, f"{job['script']}: {problem.strerror}\n".encode())
    os._exit(_NO_INTERPRETER)


def _environment(job: dict[str, Any], started_at: float) -> dict[str, str]:
    """The daemon's, with Slurm's variables as sbatch(1) lists them."""
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
        processes.MARK: job["token"],
    }
    if job["cpus_per_task"] is not None:
        names["SLURM_CPUS_PER_TASK"] = str(job["cpus_per_task"])
    if job["limit_seconds"] is not None:
        names["SLURM_JOB_END_TIME"] = str(int(started_at + job["limit_seconds"]))
    return outer | names


def _wait(directory: Path, job: dict[str, Any], pid: int, started_at: float) -> tuple[str, str]:
    """Until the script ends, or has to; its state and exit code."""
    limit = job["limit_seconds"]
    deadline = time.monotonic() + limit if limit is not None else float("inf")
    while (status := _reap(pid)) is None:
        if (directory / "cancel").exists():
            processes.end_all(job["token"], job["kill_wait_seconds"], _reap)
            return "CANCELLED", "0:15"
        if time.monotonic() > deadline:
            processes.end_all(job["token"], job["kill_wait_seconds"], _reap)
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


def _usage(job: dict[str, Any]) -> dict[str, Any]:
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
    usage: dict[str, Any] | None = None,
) -> None:
    (directory.parent.parent / "queue" / directory.name).unlink(missing_ok=True)
    record = {"state": state, "exit_code": exit_code, "started_at": started_at, "ended_at": time.time()}
    spool.write(directory / "end.json", {**record, "usage": usage})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
