"""The directories that are ours alone: made private, and checked before anything is put into them."""

import errno
import os
import stat
from pathlib import Path

from loguru import logger

from runexp import paths, tending

_PRIVATE = paths.PRIVATE
_ELSEWHERE = "RUNEXP_HOME=DIR keeps everything in another place"


class HomeRefused(Exception):
    """Raised when a directory of ours can't be had, or isn't safe: one line of what, and what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def prepare() -> None:
    """Make and check all of them. Raises HomeRefused."""
    for path in paths.directories():
        make_private(path)


def make_private(path: Path) -> None:
    """A directory of mode 0700 that belongs to us, whatever the umask. Raises HomeRefused."""
    try:
        paths.make_private(path)
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise _refusal(path, error) from error
    try:
        _check(path, handle)
    except OSError as error:
        raise _refusal(path, error) from error
    finally:
        os.close(handle)


def _check(path: Path, handle: int) -> None:
    link, fact = path.lstat(), os.fstat(handle)
    mode, typed = stat.S_IMODE(fact.st_mode), tending.typed(str(path))
    if stat.S_ISLNK(link.st_mode) and link.st_uid not in (0, os.getuid()):
        raise HomeRefused(f"{path} is a link that belongs to another user", f"remove it: rm {typed}")
    if fact.st_uid != os.getuid():
        hint = f"sudo chown -R {os.getuid()} {typed}, if it is yours to take; {_ELSEWHERE}"
        raise HomeRefused(f"{path} belongs to another user (uid {fact.st_uid})", hint)
    if mode & 0o022:
        what = f"{path} can be written by others (mode {mode:04o}), who could swap what is in it"
        raise HomeRefused(what, f"look who has been there, then: chmod 700 {typed}")
    if mode & _PRIVATE != _PRIVATE:
        raise HomeRefused(f"{path} is read-only (mode {mode:04o})", f"chmod 700 {typed}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise HomeRefused(f"{path} can't be written: its file system is read-only", _ELSEWHERE)
    if mode & 0o077:
        os.fchmod(handle, _PRIVATE)
        logger.info("{} was readable by others; its mode is 0700 now", path)


def _refusal(path: Path, error: OSError) -> HomeRefused:
    at = error.filename or path
    match error.errno:
        case errno.ENOTDIR:
            at = _in_the_way(path)
            typed = tending.typed(str(at))
            return HomeRefused(f"{at} is no directory, and should be one", f"mv {typed} {typed}.old")
        case errno.ENOSPC | errno.EDQUOT:
            return HomeRefused(f"no space is left to make {at}", f"make room, or: {_ELSEWHERE}")
        case errno.EROFS:
            return HomeRefused(f"{at} can't be made: its file system is read-only", _ELSEWHERE)
        case errno.EACCES | errno.EPERM:
            parent = tending.typed(os.path.dirname(at))
            return HomeRefused(f"no permission for {at}", f"see whose it is: ls -ld {parent}; {_ELSEWHERE}")
        case errno.ENOENT if os.path.islink(path):
            return HomeRefused(
                f"{path} is a link to nothing", f"mend it, or remove it: rm {tending.typed(str(path))}"
            )
        case _:
            return HomeRefused(f"{at} can't be had: {error.strerror or error}", _ELSEWHERE)


def _in_the_way(path: Path) -> Path:
    """The outermost part of a path that is there and no directory."""
    levels = (*reversed(path.parents), path)
    return next((level for level in levels if level.exists() and not level.is_dir()), path)
