"""The directory that the daemon and the keepers share. Standard library only: a keeper runs without anything else.

jobs/<id>/job.json      what to run; written once, before the job exists
jobs/<id>/script        its copy, as Slurm takes one
jobs/<id>/start.json    written before the script starts: a job with one never starts again
jobs/<id>/end.json      its end, once every process is gone
jobs/<id>/cancel        it is to end
jobs/<id>/keeper.lock   held by its keeper for as long as that lives
tokens/<token>          a link to jobs/<id>: lock and receipt in one atomic step. A job exists once it is there
queue/<id>              it waits for its turn
slots/<n>, gpus/<n>     held by the keepers of running jobs; the kernel lets go of a dead keeper's
max_running             how many slots there are
"""

import fcntl
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any


def make(spool: Path) -> None:
    for name in ("jobs", "tokens", "queue", "slots", "gpus"):
        (spool / name).mkdir(mode=0o700, parents=True, exist_ok=True)


def new_job(spool: Path, token: str, job: Callable[[str], dict[str, Any]], script: bytes) -> Path:
    """Enter a job under the next free id, unless the token has one already; returns its directory.

    `job` tells, given the id, what to run. Until the link is there nothing runs, so a crash before it leaves a directory that is never looked at.
    """
    directory = _next_directory(spool / "jobs")
    (directory / "script").write_bytes(script)
    (directory / "script").chmod(0o700)
    write(directory / "job.json", {**job(directory.name), "id": directory.name, "token": token})
    (spool / "queue" / directory.name).touch()
    try:
        os.symlink(f"../jobs/{directory.name}", spool / "tokens" / token)
    except FileExistsError:
        (spool / "queue" / directory.name).unlink()
    sync(spool / "tokens")
    return find(spool, token) or directory


def find(spool: Path, token: str) -> Path | None:
    """The job of a token; None if it has none."""
    with suppress(FileNotFoundError):
        return spool / "jobs" / Path(os.readlink(spool / "tokens" / token)).name
    return None


def _next_directory(jobs: Path) -> Path:
    number = max((int(name) for name in os.listdir(jobs)), default=0) + 1
    while True:
        try:
            (jobs / str(number)).mkdir(mode=0o700)
            return jobs / str(number)
        except FileExistsError:
            number += 1


def write(path: Path, record: dict[str, Any]) -> None:
    """A record is there whole, or not at all."""
    temporary = path.with_suffix(".new")
    with temporary.open("w") as file:
        json.dump(record, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    sync(path.parent)


def read(path: Path) -> dict[str, Any] | None:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return record


def sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hold(path: Path) -> int | None:
    """Take a lock for as long as this process lives; None if another has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    return handle


def is_held(path: Path) -> bool:
    handle = hold(path)
    if handle is None:
        return True
    os.close(handle)
    return False


def head(spool: Path) -> str | None:
    """Whose turn is next."""
    return min(os.listdir(spool / "queue"), key=int, default=None)
