"""A host in memory, with faults that a test puts in and takes out again."""

from collections.abc import Sequence
from posixpath import dirname

import anyio
import anyio.lowlevel

from runexpd.hosts.base import (
    Answer,
    Ask,
    FileFact,
    FileMissing,
    FileRefused,
    HostUnreachable,
    Kind,
    Part,
    Ran,
)


class MemoryHost:
    """A runexpd.hosts.base.Host. Its directories are those of `dirs`, and `links` by path lead to others."""

    def __init__(self, *dirs: str) -> None:
        self.dirs = {"/", *dirs}
        self.files: dict[str, bytes] = {}
        self.links: dict[str, str] = {}
        #: Nobody gets an answer.
        self.unreachable = False
        #: Paths, and what is below them, of which nobody gets an answer until the event is set.
        self.hanging: dict[str, anyio.Event] = {}
        #: Paths that can't be written, and why.
        self.refusing: dict[str, str] = {}
        #: The link breaks in the next write, after so many bytes.
        self.cut: int | None = None
        #: Paths that were written, in order.
        self.written: list[str] = []
        #: What was asked of which path, in order.
        self.asked: list[tuple[str, str]] = []
        #: How many wait for an answer, and how many did at most.
        self.waiting = 0
        self.most_waiting = 0

    def text(self, path: str) -> str:
        return self.files.get(path, b"").decode()

    async def stat(self, path: str) -> FileFact | None:
        await self._ask("stat", path)
        if path in self.dirs:
            return FileFact(path, 0, 0.0, Kind.DIRECTORY)
        data = self.files.get(path)
        return None if data is None else FileFact(path, len(data), 0.0, Kind.FILE)

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        await self._ask("read", path)
        if path not in self.files:
            raise FileMissing(f"{path}: no such file or directory")
        data = self.files[path][offset:]
        return data if size is None else data[:size]

    async def read_apart(self, path: str, offset: int, size: int) -> Part:
        raise NotImplementedError

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        raise NotImplementedError

    async def glance(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        return await self.fetch(asks)

    async def list(self, path: str) -> Sequence[FileFact]:
        raise NotImplementedError

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        raise NotImplementedError

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        raise NotImplementedError

    async def resolve(self, path: str) -> str:
        await self._ask("resolve", path)
        place = self.links.get(path, path)
        if place not in self.dirs:
            raise FileMissing(f"{path}: no such file or directory")
        return place

    async def append(self, path: str, data: bytes) -> None:
        await self._ask("append", path)
        self._write(path, data)

    async def replace(self, path: str, data: bytes) -> None:
        raise NotImplementedError

    def _write(self, path: str, data: bytes) -> None:
        if path in self.links:
            raise FileRefused(f"{path}: is a link, and is not followed")
        if path in self.refusing:
            raise FileRefused(f"{path}: {self.refusing[path]}")
        if self.links.get(dirname(path), dirname(path)) not in self.dirs:
            raise FileRefused(f"{path}: its directory does not exist")
        cut, self.cut = self.cut, None
        self.files[path] = self.files.get(path, b"") + data[:cut]
        self.written.append(path)
        if cut is not None:
            raise HostUnreachable("the link broke")

    async def _ask(self, what: str, path: str) -> None:
        self.asked.append((what, path))
        self.waiting += 1
        self.most_waiting = max(self.waiting, self.most_waiting)
        try:
            await anyio.lowlevel.checkpoint()
            for hung, free in list(self.hanging.items()):
                if path == hung or path.startswith(hung + "/"):
                    await free.wait()
        finally:
            self.waiting -= 1
        if self.unreachable:
            raise HostUnreachable("no link to it")
