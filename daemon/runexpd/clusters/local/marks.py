"""A mark in a directory that is trained into: whose job does, or did. Standard library only: a keeper holds it.

Daemons of other homes and other machines meet here, and so does one that reaches a directory by two paths. It stays there when
the job is over: whoever comes next finds that out. Its lines, as clusters/slurm/marks.sh has them, too: a token, the daemon's
place, the mark's own path, `local` or `slurm`, where a local job's record is, and a Slurm job's id. No Slurm is asked from here, not
even where this machine has one: which of them has the job nobody knows, and one that doesn't know it may be another. So such a job
counts until a person says that it is over.

What evaluates gets no mark: each evaluation writes a log of its own name beside those of others, so that two of the same spend the
time twice, and lose nothing. Where the newest log is another's that is not finished yet the verdict is unclear, and comes when it is.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

NAME = ".runexp"
#: Two of the longest paths, and some words.
_MOST_BYTES = 9999
#: From a mark to its job's record, at most.
_ENTERED_SECONDS = 60.0
#: Whoever looks whether it is held holds it for a moment.
_TRIES, _PAUSE_SECONDS = 20, 0.01
_WHAT_TO_DO = (
    "wait for its end, end it there, or, if it is gone for good, remove {}; "
    "`runexp run` then takes up what lies there"
)
_ASK_SLURM = (
    "or was, for this machine can't tell whether a Slurm job is over. Ask the cluster that has it (`sacct -j {}`), and once "
    "it is, remove {}; `runexp run` then takes up what lies there"
)


class Taken(Exception):
    """Raised when another job trains there."""


class Unsure(Exception):
    """Raised when one may be about to."""


class Mark(NamedTuple):
    token: str
    #: HOST:DIRECTORY.
    daemon: str
    #: As who made it calls it: it may have been copied since.
    path: str
    kind: str
    record: str
    #: Of a Slurm job.
    id: str = ""


def take(mark: Mark) -> bool:
    """Put it where it says; False where that can't be done. Raises Taken and Unsure."""
    if (found := check(mark)) is not None:
        _remove(found, mark)
    return _made(mark)


def check(mark: Mark) -> Mark | None:
    """The one that is there. Changes nothing. Raises Taken and Unsure, where no job can begin there now."""
    try:
        with _opened(mark.path) as handle:
            found = _read(handle) if handle is not None else None
            if handle is not None and found is not None and _is_anothers(found, mark):
                _check(handle, found, mark)
    except OSError as problem:
        raise Unsure(f"{mark.path} can't be read: {problem.strerror or problem}") from None
    return found


def whose(mark: Mark) -> str:
    """Who keeps it from being put there, in words; empty: nobody."""
    try:
        check(mark)
    except (Taken, Unsure) as why:
        return str(why)
    return ""


def hold(path: str, token: str) -> int | None:
    """The mark of a job, held until the handle is closed; None where it can't be, or is another's by now."""
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        for _ in range(_TRIES):
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if (found := _read(handle)) is not None and found.token == token:
                    return handle
                break
            time.sleep(_PAUSE_SECONDS)
        os.close(handle)
    return None


def _made(mark: Mark) -> bool:
    lines = "".join(f"{line}\n" for line in mark[:-1])
    with suppress(OSError):
        handle = os.open(mark.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        with open(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(lines)
    with _opened(mark.path) as there:
        if there is not None and (found := _read(there)) is not None and found.token != mark.token:
            raise Unsure(_words(found, mark, "somebody else was quicker"))
        return there is not None


@contextmanager
def _opened(path: str) -> Iterator[int | None]:
    """None where there is no regular file that can be read."""
    handle = None
    try:
        with suppress(OSError):
            handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        is_regular = handle is not None and stat.S_ISREG(os.fstat(handle).st_mode)
        yield handle if is_regular else None
    finally:
        if handle is not None:
            os.close(handle)


def _read(handle: int) -> Mark:
    """What lacks in it is empty."""
    lines = os.pread(handle, _MOST_BYTES, 0).decode("utf-8", "surrogateescape").split("\n")
    return Mark(*(lines + [""] * len(Mark._fields))[: len(Mark._fields)])


def _is_anothers(found: Mark, mark: Mark) -> bool:
    """Not of the same experiment of the same ledger, which knows what it does; nor one that was made elsewhere, and copied."""
    if found.token.partition("-")[0] == mark.token.partition("-")[0]:
        return False
    with suppress(OSError, ValueError):
        return os.path.samefile(found.path, mark.path)
    return True


def _check(handle: int, found: Mark, mark: Mark) -> None:
    """Raises Taken and Unsure."""
    if found.kind == "slurm":
        raise Taken(_words(found, mark, _ASK_SLURM.format(found.id or "...", mark.path)))
    if _is_held(handle) or (found.kind == "local" and _is_under_way(found.record)):
        raise Taken(_words(found, mark, _WHAT_TO_DO.format(mark.path)))
    if _is_fresh(handle) and not os.path.lexists(found.record):
        raise Unsure(_words(found, mark, "it has only just begun"))


def _is_held(handle: int) -> bool:
    """By a keeper, wherever on this file system it runs."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    fcntl.flock(handle, fcntl.LOCK_UN)
    return False


def _is_under_way(record: str) -> bool:
    with suppress(ValueError):
        return os.path.isdir(record) and not os.path.exists(f"{record}/end.json")
    return False


def _is_fresh(handle: int) -> bool:
    return abs(time.time() - os.fstat(handle).st_mtime) < _ENTERED_SECONDS


def _remove(found: Mark, mark: Mark) -> None:
    """That one and no other: of all who want to only one moves it away. Raises Unsure."""
    moved = f"{mark.path}.{mark.token}"
    with suppress(OSError):
        os.rename(mark.path, moved)
        with _opened(moved) as handle:
            now = _read(handle) if handle is not None else found
        if now.token != found.token:
            os.rename(moved, mark.path)
            raise Unsure(_words(now, mark, "somebody else was quicker"))
        os.unlink(moved)


def _words(found: Mark, mark: Mark, more: str) -> str:
    place = os.path.dirname(mark.path)
    owner = "another experiment's" if found.daemon == mark.daemon else f"another daemon's, {found.daemon}"
    return f"{place} is being trained into by job {found.id or found.token} of {owner}: {more}"
