"""The directory that the daemon and the keepers share. Standard library only: a keeper runs without anything else.

jobs/<id>/job.json      what to run; written once, before the job exists
jobs/<id>/script        its copy, as Slurm takes one
jobs/<id>/environment   the daemon's when it was submitted, as sbatch takes it; gone once it has ended
jobs/<id>/start.json    written before the script starts: a job with one never starts again
jobs/<id>/end.json      its end, once every process is gone
jobs/<id>/cancel        it is to end
jobs/<id>/keeper.lock   held by its keeper for as long as that lives; a job that waits has none
tokens/<token>          a link to jobs/<id>: lock and receipt in one atomic step. A job exists once it is there
queue/<id>              it waits for its turn
slots/<n>, gpus/<n>     held by the keepers of running jobs; the kernel lets go of a dead keeper's
max_running             how many slots there are
turns.lock              held by whoever gives out turns

All of it is its owner's alone, whatever the umask: that one is for the files that jobs write. A disk may be full at any
moment, so what must be written later has its room before: end.json and cancel lie ready as end.new and cancel.new.
"""

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

Record = dict[str, Any]
#: Room for a record that must be written whatever happens.
_RESERVED_BYTES = 4096
#: Of a record, or of an environment.
_MOST_BYTES = 16 * 1024 * 1024
#: What lies beyond is none of ours, and there is to be room for more.
_LAST = 10**14
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Damaged(ValueError):
    """Raised when a record is there and can't be read as one: it was cut off, or isn't ours."""


def make(spool: Path) -> None:
    """Raises OSError."""
    _make_private(spool)
    for name in ("jobs", "tokens", "queue", "slots", "gpus"):
        _make_private(spool / name)


def _make_private(directory: Path) -> None:
    """With every directory above it that isn't there."""
    if not directory.is_dir():
        if not directory.parent.is_dir():
            _make_private(directory.parent)
        directory.mkdir(mode=0o700, exist_ok=True)
        directory.chmod(0o700)


def set_max_running(spool: Path, count: int) -> None:
    """Raises OSError."""
    if max_running(spool) != count:
        _write_bytes(spool / "max_running", str(count).encode())


def max_running(spool: Path) -> int:
    """0 while it can't be told: nothing starts until it can."""
    with suppress(OSError, ValueError):
        return int(_read_bytes(spool / "max_running"))
    return 0


def new_job(
    spool: Path, token: str, job: Callable[[str], Record], script: bytes, environment: Mapping[bytes, bytes]
) -> Path:
    """Enter a job under the next free id, unless the token has one already; returns its directory.

    `job` tells, given the id, what to run. Until the link is there nothing runs, so what goes wrong before leaves no job.
    Raises OSError: whether there is a job then, `find` tells.
    """
    directory = _next_directory(spool / "jobs")
    try:
        _fill(directory, {**job(directory.name), "id": directory.name, "token": token}, script, environment)
        os.symlink(f"../jobs/{directory.name}", spool / "tokens" / token)
    except FileExistsError:
        _remove(directory)
    except BaseException:
        if find(spool, token) != directory:
            _remove(directory)
        raise
    sync(spool / "tokens")
    return find(spool, token) or directory


def _fill(directory: Path, job: Record, script: bytes, environment: Mapping[bytes, bytes]) -> None:
    _write_bytes(directory / "script", script, mode=0o700)
    _write_bytes(directory / "environment", b"".join(b"%b=%b\0" % pair for pair in environment.items()))
    reserve(directory / "end.json")
    for name in ("keeper.lock", "cancel.new"):
        os.close(os.open(directory / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    write(directory / "job.json", job)


def _remove(directory: Path) -> None:
    with suppress(OSError):
        for name in os.listdir(directory):
            os.unlink(directory / name)
        directory.rmdir()


def find(spool: Path, token: str) -> Path | None:
    """The job of a token; None if it has none. Raises OSError where that can't be told."""
    with suppress(FileNotFoundError):
        return spool / "jobs" / Path(os.readlink(spool / "tokens" / token)).name
    return None


def tokens(spool: Path) -> dict[str, str]:
    """The token of each job, by id. Raises OSError."""
    found = {}
    for token in os.listdir(spool / "tokens"):
        with suppress(OSError):
            found[Path(os.readlink(spool / "tokens" / token)).name] = token
    return found


def forget(spool: Path, gone: Collection[str]) -> None:
    """Jobs that have ended, with their tokens. The newest stays, by which the next id is found. Raises OSError."""
    known = {token: id for id, token in tokens(spool).items() if is_id(id)}
    newest = max(map(int, known.values()), default=0)
    for token in known.keys() & set(gone):
        directory = spool / "jobs" / known[token]
        if int(known[token]) != newest and (directory / "end.json").exists():
            os.unlink(spool / "tokens" / token)
            _remove(directory)


def _next_directory(jobs: Path) -> Path:
    number = max((int(name) for name in os.listdir(jobs) if is_id(name) and int(name) < _LAST), default=0) + 1
    while True:
        directory = jobs / str(number)
        try:
            directory.mkdir(mode=0o700)
            directory.chmod(0o700)
            return directory
        except FileExistsError:
            number += 1


def is_id(name: str) -> bool:
    """Whether a job could be called so; anything else that lies about is not ours."""
    return name.isascii() and name.isdigit() and len(name) < 16


def write(path: Path, record: Record) -> None:
    """A record is there whole, or not at all. Raises OSError."""
    _write_bytes(path, json.dumps(record).encode())


def environment(directory: Path) -> dict[str, str]:
    """What a job was submitted with; this process's own if that isn't there. Raises OSError."""
    try:
        data = _read_bytes(directory / "environment")
    except (FileNotFoundError, Damaged):
        return dict(os.environ)
    pairs = (os.fsdecode(pair).partition("=") for pair in data.split(b"\0") if pair)
    return {name: value for name, _, value in pairs}


def forget_environment(directory: Path) -> None:
    """There are secrets in it, and it isn't needed any more."""
    with suppress(OSError):
        (directory / "environment").unlink(missing_ok=True)


def reserve(path: Path) -> None:
    """See to it that a record can be written there though the disk is full by then. Raises OSError."""
    handle = _open_new(path.with_suffix(".new"), 0o600)
    try:
        _write_all(handle, b" " * _RESERVED_BYTES)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_bytes(path: Path, data: bytes, mode: int = 0o600) -> None:
    temporary = path.with_suffix(".new")
    handle = _open_new(temporary, mode)
    try:
        _write_all(handle, data)
        os.ftruncate(handle, len(data))  # only now, so that what was reserved is still there to be written on
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(temporary, path)
    sync(path.parent)


def _open_new(path: Path, mode: int) -> int:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode)
    os.fchmod(handle, mode)
    return handle


def _write_all(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def read(path: Path) -> Record | None:
    """None where there is no record. Raises Damaged, and OSError where it can't be told."""
    try:
        record = json.loads(_read_bytes(path))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as problem:
        raise Damaged(str(path)) from problem
    if not isinstance(record, dict):
        raise Damaged(str(path))
    return record


def _read_bytes(path: Path) -> bytes:
    """Raises Damaged for what is no regular file, which nobody waits for, and OSError."""
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise Damaged(os.fspath(path))
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY), "rb") as file:
        return file.read(_MOST_BYTES)


def sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def hold(path: Path) -> int | None:
    """Take a lock, held until the handle is closed here and wherever it was passed on; None if another has it. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        os.close(handle)
        if isinstance(problem, BlockingIOError):
            return None
        raise
    return handle


def ask_to_end(directory: Path) -> None:
    """Raises OSError."""
    try:
        os.rename(directory / "cancel.new", directory / "cancel")
    except FileNotFoundError:
        (directory / "cancel").touch(mode=0o600)


def unended(spool: Path) -> Iterator[Path]:
    """The directories of jobs without an end, in the order of their submission. Raises OSError."""
    for name in sorted((name for name in os.listdir(spool / "jobs") if is_id(name)), key=int):
        if not (spool / "jobs" / name / "end.json").exists():
            yield spool / "jobs" / name


def is_full(problem: OSError) -> bool:
    return problem.errno in _FULL
