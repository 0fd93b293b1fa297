"""Files of this machine, by blocking functions that are to be called in a thread. Every OSError is mapped here, and only here.

Only regular files are opened, and nothing is waited for: what a FIFO or a device would do to its reader happens to nobody.
"""

import errno
import os
import stat as modes
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import assert_never

from runexpd.hosts import paths
from runexpd.hosts.base import (
    MOST_READ_BYTES,
    Answer,
    Ask,
    FileFact,
    FileMissing,
    FileRefused,
    Found,
    HostUnreachable,
    Kind,
    ListDir,
    Listing,
    Locate,
    Missing,
    Part,
    Place,
    ReadPart,
    StatPath,
    Tree,
    Withheld,
)

#: There can be nothing at such a path.
_NOTHING_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})
#: Not the file's fault: of a network file system that is away, or of a process that has run out of something.
_NO_ANSWER = frozenset(
    {
        *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS),
        *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.ESHUTDOWN, errno.EREMOTEIO),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH, errno.ECONNREFUSED),
    }
)
_CHUNK_BYTES = 1024 * 1024
#: Further on than any file goes: what is asked for there need not be asked of the system, which takes no such number.
_FARTHEST = 2**62


def stat(path: str) -> FileFact | None:
    try:
        with _answers(path):
            return _fact(path, os.stat(path))
    except FileMissing:
        return None


def read_part(path: str, offset: int, size: int) -> Part:
    """Raises FileMissing, as do all that don't say otherwise."""
    with _answers(path):
        _check_regular(path, os.stat(path))
        with _opened(path, os.O_RDONLY) as (handle, found):
            start = offset if offset >= 0 else max(0, found.st_size + offset)
            return Part(_fact(path, found), _read(handle, start, min(size, MOST_READ_BYTES)))


def tree(path: str, depth: int, most: int) -> list[FileFact]:
    """Empty where there is no such directory."""
    found: list[FileFact] = []
    level = [path]
    for _ in range(depth):
        below: list[str] = []
        for directory in level:
            for fact, is_link in _entries(directory):
                found.append(fact)
                if len(found) > most:
                    raise paths.too_many(path, most)
                if fact.is_dir and not is_link:
                    below.append(fact.path)
        level = below
    return sorted(found, key=lambda fact: fact.path)


def fetch(asks: Sequence[Ask], most: int) -> list[Answer]:
    return [_answer(ask, most) for ask in asks]


def resolve(path: str) -> str:
    with _answers(path):
        expanded = os.path.expanduser(path)
        if expanded.startswith("~"):
            raise FileMissing(f"{path}: there is no such user")
        return os.path.realpath(expanded, strict=True)


def append(path: str, data: bytes) -> None:
    with _writes(path):
        _check_writable(path)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
        with _opened(path, flags) as (handle, _):
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)


def replace(path: str, data: bytes) -> None:
    """The old file's mode stays; a new one gets what the umask gives."""
    with _writes(path):
        old = _check_writable(path)
        mode = modes.S_IMODE(old.st_mode) if old else 0o666 & ~_umask()
        handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".runexp-")
        try:
            with open(handle, "wb") as file:
                file.write(data)
                os.fchmod(handle, mode)
                file.flush()
                os.fsync(handle)
            os.replace(temporary, path)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            raise


def mapped(path: str, error: OSError) -> FileMissing | FileRefused | HostUnreachable:
    """An error of the system's as one of the three of a host."""
    if error.errno in _NOTHING_THERE:
        return FileMissing(f"{path}: no such file or directory")
    why = f"{path}: {error.strerror or error}"
    return HostUnreachable(why) if error.errno in _NO_ANSWER else FileRefused(why)


def _answer(ask: Ask, most: int) -> Answer:
    try:
        match ask:
            case ListDir(path):
                return Listing(tuple(tree(path, 1, most)))
            case Tree(path, depth, holding):
                if holding and not os.path.isfile(os.path.join(path, holding)):
                    return Listing(())
                return Listing(tuple(tree(path, depth, most)))
            case Locate(path):
                return Place(resolve(path))
            case StatPath(path):
                fact = stat(path)
                return Found(fact) if fact else Missing()
            case ReadPart(path, offset, size):
                return read_part(path, offset, size)
            case _:
                assert_never(ask)
    except FileMissing:
        return Missing()
    except FileRefused as error:
        return Withheld(error.what)


@contextmanager
def _answers(path: str) -> Iterator[None]:
    paths.check(path)
    try:
        yield
    except OSError as error:
        raise mapped(path, error) from None


@contextmanager
def _writes(path: str) -> Iterator[None]:
    """As `_answers`, where what is missing is a directory: a refusal, not a missing file."""
    try:
        with _answers(path):
            yield
    except FileMissing:
        raise FileRefused(f"{path}: its directory does not exist") from None


@contextmanager
def _opened(path: str, flags: int) -> Iterator[tuple[int, os.stat_result]]:
    handle = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    try:
        # Once more: it may have become something else since it was looked at.
        found = os.fstat(handle)
        _check_regular(path, found)
        yield handle, found
    finally:
        os.close(handle)


def _check_regular(path: str, found: os.stat_result) -> None:
    if not modes.S_ISREG(found.st_mode):
        raise paths.irregular(path)


def _check_writable(path: str) -> os.stat_result | None:
    """What is there, if anything is."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return None
    if modes.S_ISLNK(found.st_mode):
        raise paths.is_link(path)
    _check_regular(path, found)
    return found


def _read(handle: int, start: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and start < _FARTHEST:
        chunk = os.pread(handle, min(_CHUNK_BYTES, size - len(found)), start + len(found))
        if not chunk:
            break
        found += chunk
    return bytes(found)


def _entries(path: str) -> Iterator[tuple[FileFact, bool]]:
    """The entries, links followed, and whether each is a link; none where there is no such directory."""
    with suppress(FileMissing), _answers(path):
        if (there := stat(path)) and not there.is_dir:
            raise FileRefused(f"{path}: not a directory")
        with os.scandir(path) as entries:
            for entry in entries:
                fact = _entry(entry)
                if fact is not None:
                    yield fact, entry.is_symlink()


def _entry(entry: os.DirEntry[str]) -> FileFact | None:
    """None: it is gone again."""
    try:
        return _fact(entry.path, entry.stat())
    except OSError:
        if not entry.is_symlink():
            return stat(entry.path)
    # A link to nothing, in a circle, or to where one may not look.
    with suppress(FileNotFoundError):
        return _fact(entry.path, entry.stat(follow_symlinks=False))
    return None


def _fact(path: str, found: os.stat_result) -> FileFact:
    # Whole seconds, as a shell's tools have them: the same file is to have the same facts however it was seen.
    return FileFact(path, found.st_size, float(found.st_mtime_ns // 10**9), _kind(found.st_mode))


def _kind(mode: int) -> Kind:
    if modes.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if modes.S_ISDIR(mode) else Kind.OTHER


def _umask() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o077
