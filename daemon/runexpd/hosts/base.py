"""What the rest of the daemon may ask of a machine. Foreign exceptions are mapped to these three here, and only here."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class HostError(Exception):
    """Something asked of a host did not work."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class FileMissing(HostError):
    """Raised when a path does not exist. A fact about the host, not about the link to it."""


class FileRefused(HostError):
    """Raised when the host answers that it won't: no permission, not a directory, disk full."""


class HostUnreachable(HostError):
    """Raised when no answer came. What was asked may have been done, or not: nothing follows from it."""


class FileFact(msgspec.Struct, frozen=True):
    """A directory entry."""

    path: str
    size_bytes: int
    #: Seconds since 1970, as the host's file system has it.
    modified_at: float
    is_dir: bool


class Ran(msgspec.Struct, frozen=True):
    """A command that ended, and said how."""

    exit_code: int
    stdout: str
    stderr: str


class Files(Protocol):
    """The reading half, which tool modules get.

    All paths are absolute. Every method raises FileRefused and HostUnreachable; those that raise FileMissing say so.
    """

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file from `offset`, at most `size`. A negative offset counts from the end. Raises FileMissing."""
        ...

    async def stat(self, path: str) -> FileFact | None:
        """The entry, following links, or None where there is none."""
        ...

    async def list(self, path: str) -> Sequence[FileFact]:
        """The entries of a directory, sorted by path; empty where the directory does not exist."""
        ...

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        """All entries below a directory, at most `depth` levels down (1: as `list`), sorted by path.

        One round trip where the host can do it in one. Links to directories are listed, not followed.
        """
        ...


class Host(Files, Protocol):
    """A machine: files to read and write, and commands to run."""

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """Run a command to its end. Nothing of `argv` is ever seen by a shell unquoted.

        Raises HostUnreachable where no exit code came back (lost link, time-out): it may have run.
        """
        ...

    async def resolve(self, path: str) -> str:
        """The absolute path, `~` and links resolved. Raises FileMissing."""
        ...

    async def make_dirs(self, path: str) -> None:
        """Make a directory and its parents; there already is fine."""
        ...

    async def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, making it if it isn't there; on disk when this returns."""
        ...

    async def replace(self, path: str, data: bytes) -> None:
        """Write a whole file: the old or the new content is there, never a part."""
        ...
