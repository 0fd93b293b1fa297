"""What was brought home, kept beside it: so that it isn't brought twice, and goes on where it stopped.

A line of JSON for each that was begun or is whole; the last one of a file counts.
"""

import contextlib
import os
from pathlib import Path

import msgspec

from runexp.wire.files import RemoteFile

NAME = ".runexp-fetch.jsonl"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was on the cluster when it was brought, or begun."""

    #: Here, below the directory.
    where: str
    #: On the cluster.
    path: str
    size_bytes: int
    modified_at: float
    #: Empty: the cluster could say none.
    sha256: str = ""
    is_whole: bool = False
    #: Of the file here, when it was written: one that somebody changed is brought again.
    here_ns: int = 0


class Record:
    """Of one directory. What can't be read of it costs time, nothing else."""

    def __init__(self, root: Path) -> None:
        self._path = root / NAME
        self._entries: dict[str, Entry] = {}
        with contextlib.suppress(OSError):
            for line in self._path.read_bytes().splitlines():
                with contextlib.suppress(ValueError, RecursionError):
                    entry = msgspec.json.decode(line, type=Entry)
                    self._entries[entry.where] = entry

    def has(self, where: Path, file: RemoteFile, target: Path) -> bool:
        """Whether it is here as it is there."""
        known = self._entries.get(str(where))
        if known is None or not known.is_whole or not _is_same(known, file):
            return False
        try:
            found = target.stat()
        except OSError:
            return False
        return found.st_size == file.size_bytes and found.st_mtime_ns == known.here_ns

    def begun(self, where: Path, file: RemoteFile) -> bool:
        """Whether what is here of it is the beginning of what is there; noted as such from here on."""
        known = self._entries.get(str(where))
        if known is not None and not known.is_whole and _is_same(known, file):
            return True
        self._put(
            Entry(where=str(where), path=file.path, size_bytes=file.size_bytes, modified_at=file.modified_at)
        )
        return False

    def done(self, where: Path, file: RemoteFile, sha256: str, target: Path) -> None:
        self._put(
            Entry(
                where=str(where),
                path=file.path,
                size_bytes=file.size_bytes,
                modified_at=file.modified_at,
                sha256=sha256,
                is_whole=True,
                here_ns=target.stat().st_mtime_ns,
            ),
        )

    def sha256(self, where: Path) -> str:
        known = self._entries.get(str(where))
        return known.sha256 if known else ""

    def _put(self, entry: Entry) -> None:
        self._entries[entry.where] = entry
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(self._path, flags, 0o666), "ab") as file:
            file.write(msgspec.json.encode(entry) + b"\n")


def _is_same(known: Entry, file: RemoteFile) -> bool:
    return (known.path, known.size_bytes, known.modified_at) == (file.path, file.size_bytes, file.modified_at)
