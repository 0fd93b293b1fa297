"""A mark in a directory that is trained into: whose job does, or did. Standard library only: a keeper holds it.

Daemons of other homes and other machines meet here, and so does one that reaches a directory by two paths. It stays there when
the job is over: whoever comes next finds that out. Its lines, as clusters/slurm/marks.sh has them, too: a token, the daemon's
place, the mark's own path, `local` or `slurm`, where it is (a local job's record, a Slurm job's cluster, which earlier ones left
empty), and a Slurm job's id, with `;CLUSTER` where sbatch said so. No Slurm is asked from here, not even where this machine has one:
it may be another, which doesn't know the job, or knows its id as another's. So such a job counts until a person says that it is over.

What evaluates gets no mark: each evaluation writes a log of its own name beside those of others, so that two of the same spend the
time twice, and lose nothing. Where the newest log is another's that is not finished yet the verdict is unclear, and comes when it is.
"""

import fcntl
import math
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

NAME = ".runexp"
#: To be: who makes it is the only one who may change the mark, as long as it is there.
_NEXT = ".next"
#: Beginnings of names, in a directory that is trained into, of what we put there.
_OURS = (NAME, "aside-")
#: Below it, where a training's files are looked for; submit.sh has it, too.
_DEEPEST = 2
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
#: Not put off: when it is looked at again that job may be over, and what it made would be trained over.
_QUICKER = "it was quicker. Wait for its end; `runexp run` then takes up what lies there"
_OVER = "and it is over. `runexp run` takes up what lies there, and where that is no good `runexp retry` makes it anew"
_ASK_SLURM = (
    "or was, for this machine can't tell whether a Slurm job is over. Ask the cluster {} (`sacct -j {}`), and once "
    "it is, remove {}; `runexp run` then takes up what lies there"
)
_CAN_NOT = "{} can't be {}: {}. Ask whose it is (`ls -l`) what trains there, and once nothing does, remove it"


class Taken(Exception):
    """Raised when another job trains there."""


class Untold(Taken):
    """Raised when one may, and nobody here can tell."""


class Unsure(Exception):
    """Raised when one may be about to."""


class Mark(NamedTuple):
    token: str
    #: HOST:DIRECTORY.
    daemon: str
    #: As who made it calls it: it may have been copied since.
    path: str
    kind: str
    #: A local job's record, or a Slurm job's cluster.
    where: str
    #: Of a Slurm job.
    id: str = ""


def take(mark: Mark, looked_at: float = math.inf) -> bool:
    """Put it where it says; False where that can't be done. Raises Taken and Unsure.

    `looked_at`: when somebody looked what lies there, in seconds since 1970. What another's job has made since is looked at before
    it is trained over.
    """
    try:
        found = check(mark)
        if found is not None and _is_anothers(found, mark) and _is_made_since(mark, looked_at):
            raise Taken(_words(found, mark, _OVER, "was"))
        return _made(mark) if found is None else _replaced(found, mark)
    except OSError as problem:
        raise _can_not("read", mark, problem) from None


def check(mark: Mark) -> Mark | None:
    """The one that is there. Changes nothing. Raises Taken and Unsure, where no job can begin there now."""
    try:
        with _opened(mark.path) as handle:
            found = _read(handle) if handle is not None else None
            if handle is not None and found is not None and _is_anothers(found, mark):
                _check(handle, found, mark)
    except OSError as problem:
        raise _can_not("read", mark, problem) from None
    return found


def _can_not(be: str, mark: Mark, problem: OSError) -> Unsure:
    return Unsure(_CAN_NOT.format(mark.path, be, problem.strerror or problem))


def whose(mark: Mark) -> str:
    """Who keeps it from being put there, in words; empty: nobody."""
    try:
        check(mark)
    except (Taken, Unsure) as why:
        return str(why)
    return ""


def writing(mark: Mark) -> str:
    """Whose job certainly trains there, in words; empty: nobody's, or it can't be told."""
    try:
        check(mark)
    except (Untold, Unsure):
        return ""
    except Taken as why:
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
    """Where there was none. Raises Taken and OSError."""
    _written(mark.path, mark)
    with _opened(mark.path) as there:
        if there is not None and (found := _read(there)) is not None and found.token != mark.token:
            raise Taken(_words(found, mark, _QUICKER))
        return there is not None


def _replaced(found: Mark, mark: Mark) -> bool:
    """The one that was found has given way, as it was. Raises Taken, Unsure and OSError."""
    following = mark.path + _NEXT
    if not _written(following, mark):
        if not os.path.lexists(following) and not os.access(os.path.dirname(mark.path), os.W_OK):
            return False
        more = f"somebody else is taking its place; if nobody is, and {following} stays, remove that"
        raise Taken(_words(found, mark, more))
    try:
        with _opened(mark.path) as handle:
            if handle is None or _read(handle) != found:
                raise Taken(_words(found, mark, _QUICKER))
        _move(following, mark)
    except (Taken, Unsure, OSError):
        os.unlink(following)
        raise
    return True


def _move(following: str, mark: Mark) -> None:
    try:
        os.rename(following, mark.path)
    except OSError as problem:  # others' files in a sticky directory
        raise _can_not("replaced", mark, problem) from None


def _written(path: str, mark: Mark) -> bool:
    """Whole, where there was nothing: only one of all who want to makes it."""
    lines = "".join(f"{line}\n" for line in mark[:-1])
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except OSError:
        return False
    try:
        with open(handle, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(lines)
    except OSError:
        os.unlink(path)
        return False
    return True


@contextmanager
def _opened(path: str) -> Iterator[int | None]:
    """None where there is no regular file. Raises OSError where one can't be read."""
    handle = None
    try:
        handle = _handle(path)
        is_regular = handle is not None and stat.S_ISREG(os.fstat(handle).st_mode)
        yield handle if is_regular else None
    finally:
        if handle is not None:
            os.close(handle)


def _handle(path: str) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        if os.path.isfile(path):
            raise
    return None


def _read(handle: int) -> Mark:
    """What lacks in it is empty."""
    lines = os.pread(handle, _MOST_BYTES, 0).decode("utf-8", "surrogateescape").split("\n")
    return Mark(*(lines + [""] * len(Mark._fields))[: len(Mark._fields)])


def _is_anothers(found: Mark, mark: Mark) -> bool:
    """Not of the same experiment of the same ledger, which knows what it does; nor one that was made elsewhere, and copied.

    A ledger that was put back in another home has the same experiments, and doesn't know what the first does since. (On Slurm both
    find each other's jobs in the queue.)
    """
    if (_experiment(found), found.daemon) == (_experiment(mark), mark.daemon):
        return False
    with suppress(OSError, ValueError):
        return os.path.samefile(found.path, mark.path)
    return True


def _experiment(mark: Mark) -> str:
    return mark.token.partition("-")[0]


def _check(handle: int, found: Mark, mark: Mark) -> None:
    """Raises Taken and Unsure."""
    if found.kind == "slurm":
        id, _, other = found.id.partition(";")
        cluster = other or found.where or "that has it"
        raise Untold(_words(found, mark, _ASK_SLURM.format(cluster, id or "...", mark.path)))
    if _is_held(handle) or (found.kind == "local" and _is_under_way(found.where)):
        raise Taken(_words(found, mark, _WHAT_TO_DO.format(mark.path)))
    if _is_fresh(handle) and not os.path.lexists(found.where):
        raise Taken(_words(found, mark, _QUICKER))


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


def _is_made_since(mark: Mark, at: float) -> bool:
    """Files tell, those of epochs' directories, too. Directories don't: we make some for outputs, and take away from them what we
    move aside (hosts/aside.py)."""
    return any(os.lstat(path).st_mtime > at for path in _files(os.path.dirname(mark.path)))


def _files(top: str) -> Iterator[str]:
    for dir, dirs, files in os.walk(top):
        is_deep = len(Path(dir).relative_to(top).parts) >= _DEEPEST
        dirs[:] = [] if is_deep else [name for name in dirs if not name.startswith(_OURS)]
        yield from (os.path.join(dir, name) for name in files if not name.startswith(_OURS))


def _words(found: Mark, mark: Mark, more: str, how: str = "is being") -> str:
    place = os.path.dirname(mark.path)
    owner = "another experiment's" if found.daemon == mark.daemon else f"another daemon's, {found.daemon}"
    return f"{place} {how} trained into by job {found.id.partition(';')[0] or found.token} of {owner}: {more}"
