"""One file after the other, piece by piece: from where the last try stopped, until size and hash are right."""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from runexp import connection
from runexp.connection import Lost, NoDaemon, Refusal
from runexp.fetching import places, record
from runexp.wire.files import FileAsk, FileEnd, Piece, RemoteFile
from runexp.wire.refusals import Code

#: A cluster or a daemon that is away is waited for so long, without a single piece.
PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 1.0
#: A file that changes while it is brought is brought again, so often.
_TRIES = 3
_CHUNK_BYTES = 1024 * 1024
#: What is wrong with the place of one file, and of no other.
_OF_ITS_OWN = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.EILSEQ, errno.EINVAL}
)
#: Try again: these are no answer of the file's.
_AWAY = frozenset({Code.UNREACHABLE, Code.BUSY})


class Changed(Exception):
    """Raised when a file isn't any more what it was when it was listed."""


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a file."""

    path: str
    #: Where it is here; empty: nowhere.
    here: str = ""
    size_bytes: int = 0
    #: In hexadecimal digits; empty: it was verified by its size alone.
    sha256: str = ""
    #: It was here already.
    was_here: bool = False
    #: Why it isn't here.
    problem: str = ""


#: Told of so many bytes more of the file; negative where it begins anew.
Progress = Callable[[int], None]


class Bringing:
    """Into one directory."""

    def __init__(self, experiment: str, root: Path, bytes_per_second: int = 0) -> None:
        self._experiment = experiment
        self._root = root
        self._bytes_per_second = bytes_per_second
        root.mkdir(parents=True, exist_ok=True)
        self._record = record.Record(root)

    def is_here(self, file: RemoteFile) -> bool:
        """Whether it need not be brought."""
        try:
            where = places.relative(file.below, file.path)
        except places.NoPlace:
            return False
        return self._record.has(where, file, self._root / where)

    def bring(self, file: RemoteFile, progress: Progress) -> Brought:
        """Raises OSError where it can't be written, and what a connection raises once it was waited for in vain."""
        try:
            where = places.relative(file.below, file.path)
            target = places.prepared(self._root, where)
            if self._record.has(where, file, target):
                progress(file.size_bytes)
                return _brought(file, target, self._record.sha256(where), was_here=True)
            for _ in range(_TRIES):
                try:
                    return self._whole(file, where, target, progress)
                except Changed as change:
                    file = _as_now(file, change)
            raise places.NoPlace("it changed while it was brought, again and again: fetch it later")
        except places.NoPlace as error:
            return Brought(path=file.path, problem=str(error))
        except Refusal as refusal:
            return Brought(path=file.path, problem=refusal.refused.what)
        except OSError as error:
            if error.errno not in _OF_ITS_OWN:
                raise
            return Brought(path=file.path, problem=f"can't be written here: {error.strerror}")

    def _whole(self, file: RemoteFile, where: Path, target: Path, progress: Progress) -> Brought:
        """Raises Changed."""
        part = places.part(target)
        if not self._record.begun(where, file):
            part.unlink(missing_ok=True)
        with _opened(part) as handle:
            hashed = _hashed(handle)
            progress(handle.tell())
            end = self._rest(file, handle, hashed, progress)
            handle.flush()
            os.fsync(handle.fileno())
            here = handle.tell()
        digest = hashed.hexdigest()
        if here != file.size_bytes or (end.sha256 and end.sha256 != digest):
            part.unlink(missing_ok=True)
            progress(-here)
            raise Changed(end)
        os.utime(part, (end.modified_at, end.modified_at))
        os.replace(part, target)
        self._record.done(where, file, end.sha256, target)
        return _brought(file, target, end.sha256)

    def _rest(
        self, file: RemoteFile, handle: BinaryIO, hashed: "hashlib._Hash", progress: Progress
    ) -> FileEnd:
        """Until its end is there, through breaks of whatever kind. Raises Changed."""
        heard_at = time.monotonic()
        while True:
            try:
                for reply in self._asked(file.path, handle.tell()):
                    heard_at = time.monotonic()
                    if _is_other(file, reply):
                        progress(-handle.tell())
                        raise Changed(reply)
                    if isinstance(reply, FileEnd):
                        return reply
                    handle.write(reply.data)
                    hashed.update(reply.data)
                    progress(len(reply.data))
            except Refusal as refusal:
                if refusal.refused.code not in _AWAY or time.monotonic() - heard_at > PATIENCE_SECONDS:
                    raise
            except (Lost, NoDaemon):
                if time.monotonic() - heard_at > PATIENCE_SECONDS:
                    raise
            time.sleep(_PAUSE_SECONDS)

    def _asked(self, path: str, offset: int) -> Iterator[Piece | FileEnd]:
        asked = FileAsk(
            experiment=self._experiment, path=path, offset=offset, bytes_per_second=self._bytes_per_second
        )
        for reply in connection.stream(asked, connection.say_nothing):
            if isinstance(reply, Piece | FileEnd):
                yield reply


def _is_other(file: RemoteFile, reply: Piece | FileEnd) -> bool:
    return (reply.size_bytes, reply.modified_at) != (file.size_bytes, file.modified_at)


def _as_now(file: RemoteFile, change: Changed) -> RemoteFile:
    now = change.args[0]
    return msgspec.structs.replace(file, size_bytes=now.size_bytes, modified_at=now.modified_at)


def _brought(file: RemoteFile, target: Path, sha256: str, *, was_here: bool = False) -> Brought:
    return Brought(
        path=file.path, here=str(target), size_bytes=file.size_bytes, sha256=sha256, was_here=was_here
    )


def _opened(part: Path) -> BinaryIO:
    """To go on at its end. A link is not followed."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(part, flags, 0o666), "r+b")


def _hashed(handle: BinaryIO) -> "hashlib._Hash":
    """Of what is there; the place is then its end."""
    hashed = hashlib.sha256()
    while chunk := handle.read(_CHUNK_BYTES):
        hashed.update(chunk)
    return hashed
