"""What the rest of the daemon may ask of a machine. Foreign exceptions are mapped to these three here, and only here."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

import msgspec

from runexp import text


class HostError(Exception):
    """Something asked of a host did not work. `what` says so in one line that can be shown and stored."""

    def __init__(self, what: str) -> None:
        self.what = text.printable(what)
        super().__init__(self.what)


class FileMissing(HostError):
    """Raised when a path does not exist. A fact about the host, not about the link to it."""


class FileRefused(HostError):
    """Raised when the host answers that it won't: no permission, not a directory, disk full."""


class HostUnreachable(HostError):
    """Raised when no answer came. What was asked may have been done, or not: nothing follows from it."""


class Kind(StrEnum):
    """What an entry is, links followed. Only files are ever opened: a FIFO or a device would hang whoever does."""

    FILE = "file"
    DIRECTORY = "directory"
    #: A FIFO, a socket, a device, a link to nothing.
    OTHER = "other"


class FileFact(msgspec.Struct, frozen=True):
    """A directory entry."""

    #: Bytes that aren't UTF-8 are in it as lone surrogates (PEP 383): it opens as it is, and is made printable to be shown.
    path: str
    size_bytes: int
    #: Seconds since 1970, as the host's file system has it.
    modified_at: float
    kind: Kind

    @property
    def is_dir(self) -> bool:
        return self.kind is Kind.DIRECTORY


#: The most that one read is ever given; whoever asks for more gets so much.
MOST_READ_BYTES = 64 * 1024 * 1024


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one operation may take."""

    #: Of an operation on files, waiting for its turn included.
    files_timeout_seconds: float = 60.0
    #: Of a listing or a tree: more are refused.
    entries: int = 200_000
    #: What a command writes, both streams together: one that writes more is ended.
    output_bytes: int = 64 * 1024 * 1024


DEFAULT_LIMITS = Limits()


_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]{0,255}")


class ListDir(msgspec.Struct, frozen=True, tag=True):
    """The entries of a directory? Answered by a Listing; an empty one where there is no such directory."""

    path: str


class StatPath(msgspec.Struct, frozen=True, tag=True):
    """What is at a path? Answered by Found, or Missing."""

    path: str


class ReadPart(msgspec.Struct, frozen=True, tag=True):
    """Bytes of a file from `offset`, at most `size`? A negative offset counts from the end. Answered by Part, or Missing."""

    path: str
    offset: int = 0
    size: int = MOST_READ_BYTES


class Tree(msgspec.Struct, frozen=True, tag=True):
    """All entries below a directory, at most `depth` levels down? Answered as ListDir. Links are listed, not walked into.

    `holding`: only if there is a file of this name in it: else there may be far more in it than anybody wants to know.
    """

    path: str
    depth: int
    holding: str = ""

    def __post_init__(self) -> None:
        """Raises ValueError for a name that a shell could take for something else."""
        if not _PLAIN_NAME.fullmatch(self.holding):
            raise ValueError(f"no plain name: {self.holding!r}")


class Locate(msgspec.Struct, frozen=True, tag=True):
    """Where does an absolute path lead, links resolved? Answered by Place, or Missing."""

    path: str


class Listing(msgspec.Struct, frozen=True, tag=True):
    #: Sorted by path.
    entries: tuple[FileFact, ...]


class Found(msgspec.Struct, frozen=True, tag=True):
    fact: FileFact


class Part(msgspec.Struct, frozen=True, tag=True):
    #: Of the file, as it was right before it was read.
    fact: FileFact
    data: bytes


class Place(msgspec.Struct, frozen=True, tag=True):
    path: str


class Missing(msgspec.Struct, frozen=True, tag=True):
    """There is nothing at the path."""


class Withheld(msgspec.Struct, frozen=True, tag=True):
    """The host won't: no permission, not a regular file."""

    why: str


Ask = ListDir | Tree | StatPath | ReadPart | Locate
Answer = Listing | Found | Part | Place | Missing | Withheld


class Ran(msgspec.Struct, frozen=True):
    """A command that ended, and said how."""

    exit_code: int
    stdout: str
    stderr: str


class Files(Protocol):
    """The reading half.

    All paths are absolute. Every method raises FileRefused and HostUnreachable; those that raise FileMissing say so. More
    entries than Limits.entries are refused.
    """

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a regular file from `offset`, at most `size`, and never more than MOST_READ_BYTES.

        A negative offset counts from the end. Raises FileMissing; FileRefused also for what is no regular file.
        """
        ...

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """An answer each, in order: everything that a question needs, asked at one moment.

        Refusals are answers here (Withheld); raises HostUnreachable alone.
        """
        ...

    async def glance(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """As `fetch`, for what is only shown: nobody else waits for it."""
        ...

    async def stat(self, path: str) -> FileFact | None:
        """The entry, following links, or None where there is none."""
        ...

    async def list(self, path: str) -> Sequence[FileFact]:
        """The entries of a directory, sorted by path; empty where the directory does not exist."""
        ...

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        """All entries below a directory, at most `depth` levels down (1: as `list`), sorted by path.

        Links to directories are listed, not followed.
        """
        ...


class Host(Files, Protocol):
    """A machine: files to read and write, and commands to run."""

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """Run a command to its end. Nothing of `argv` is ever seen by a shell unquoted.

        Raises HostUnreachable where no exit code came back (lost link, time-out, endless output): it may have run.
        Raises FileRefused where `argv` can't be given to any command.
        """
        ...

    async def read_apart(self, path: str, offset: int, size: int) -> Part:
        """As `read`, for what is large and may wait: no question that comes at the same moment waits for it.

        With the file as it was right before. Raises FileMissing.
        """
        ...

    async def resolve(self, path: str) -> str:
        """The absolute path, `~`, `~user` and links resolved. Raises FileMissing."""
        ...

    async def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, making it if it isn't there; on disk when this returns. A link is refused."""
        ...

    async def replace(self, path: str, data: bytes) -> None:
        """Write a whole file: the old or the new content is there, never a part. A link is refused."""
        ...
