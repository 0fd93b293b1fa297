"""A cluster and its host in memory, and a ledger whose disk is full when a test says so: what tests of the shell start from."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.lowlevel

from runexp.wire.jobs import JobSpec
from runexp.wire.views import Check
from runexpd.clusters.base import Accepted, Answer, Found, JobReport, Known, Submission
from runexpd.hosts import base as hosts
from runexpd.hosts.base import (
    Ask,
    FileFact,
    FileMissing,
    HostUnreachable,
    Kind,
    ListDir,
    Listing,
    Missing,
    Part,
    Ran,
    ReadPart,
    StatPath,
    Withheld,
)
from runexpd.ledger.errors import LedgerUnwritable
from runexpd.ledger.store import Ledger, Row


class MemoryHost:
    """A runexpd.hosts.base.Host of files in a dict."""

    def __init__(self, files: Mapping[str, bytes] | None = None) -> None:
        self.files = dict(files or {})
        #: What was asked together, a list a round.
        self.rounds: list[Sequence[Ask]] = []
        #: Set: nothing is answered, and why.
        self.unreachable = ""
        #: Answers to looks wait for it.
        self.open = anyio.Event()
        self.open.set()

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        self._reach()
        if path not in self.files:
            raise FileMissing(f"{path}: no such file")
        start = offset if offset >= 0 else max(0, len(self.files[path]) + offset)
        return self.files[path][start : None if size is None else start + size]

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[hosts.Answer]:
        self._reach()
        self.rounds.append(asks)
        await self.open.wait()
        return [await self._answer(ask) for ask in asks]

    async def read_apart(self, path: str, offset: int, size: int) -> hosts.Part:
        data = await self.read(path, offset, size)
        return hosts.Part(FileFact(path, len(self.files[path]), 0.0, Kind.FILE), data)

    async def glance(self, asks: Sequence[Ask]) -> Sequence[hosts.Answer]:
        return await self.fetch(asks)

    async def stat(self, path: str) -> FileFact | None:
        self._reach()
        if path in self.files:
            return FileFact(path, len(self.files[path]), 0.0, Kind.FILE)
        return FileFact(path, 0, 0.0, Kind.DIRECTORY) if self._below(path) else None

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        names = sorted({"/".join(parts[:depth]) for parts in self._below(path)})
        return [fact for name in names if (fact := await self.stat(f"{path}/{name}"))]

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        return Ran(127, "", "no commands here")

    async def resolve(self, path: str) -> str:
        return path

    async def append(self, path: str, data: bytes) -> None:
        self._reach()
        self.files[path] = self.files.get(path, b"") + data

    async def replace(self, path: str, data: bytes) -> None:
        self._reach()
        self.files[path] = data

    async def list(self, path: str) -> Sequence[FileFact]:
        return await self.tree(path, 1)

    def _reach(self) -> None:
        if self.unreachable:
            raise HostUnreachable(self.unreachable)

    def _below(self, path: str) -> Sequence[Sequence[str]]:
        return [
            file.removeprefix(f"{path}/").split("/") for file in self.files if file.startswith(f"{path}/")
        ]

    async def _answer(self, ask: Ask) -> hosts.Answer:
        if not ask.path.startswith("/"):
            return Withheld("the path is not absolute")
        if isinstance(ask, ListDir):
            return Listing(tuple(await self.list(ask.path)))
        fact = await self.stat(ask.path)
        if fact is None:
            return Missing()
        if isinstance(ask, StatPath):
            return hosts.Found(fact)
        if isinstance(ask, ReadPart):
            return Part(fact, await self.read(ask.path, ask.offset, ask.size))
        raise NotImplementedError("no tool asks for that")


class FakeCluster:
    """A runexpd.clusters.base.Cluster that accepts everything, until a test sets one of its answers."""

    def __init__(self, name: str = "local") -> None:
        self.name = name
        self.memory = MemoryHost()
        self.host: hosts.Host = self.memory
        self.queries = 0
        #: What each call was about, by token.
        self.submitted: list[tuple[str, ...]] = []
        self.resolved: list[tuple[str, ...]] = []
        self.cancelled: list[tuple[str, ...]] = []
        self.forgotten: set[str] = set()
        self.asked: list[tuple[str, ...]] = []
        #: Submissions, and resolutions, wait for it.
        self.submitting, self.resolving = anyio.Event(), anyio.Event()
        self.submitting.set()
        self.resolving.set()
        #: Each may raise; a submission that is None gets no answer at all.
        self.on_submit: Callable[[str], Answer | None] = accepted
        self.on_resolve: Callable[[str], Answer] = accepted
        self.on_query: Callable[[str], JobReport | None] = lambda token: None
        self.on_cancel: Callable[[str], None] = lambda token: None

    async def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        self.submitted.append(tuple(submission.token for submission in batch))
        await self.submitting.wait()
        for submission in batch:
            await anyio.lowlevel.checkpoint()
            if (answer := self.on_submit(submission.token)) is not None:
                yield {submission.token: answer}

    async def resolve(self, batch: Sequence[Submission]) -> Mapping[str, Answer]:
        self.resolved.append(tuple(submission.token for submission in batch))
        await self.resolving.wait()
        return {submission.token: self.on_resolve(submission.token) for submission in batch}

    async def find(self, jobs: Sequence[JobSpec], ours: Collection[str]) -> Mapping[str, Found]:
        return {}

    async def taken(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        return {}

    async def writing(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        return {}

    async def query(self, jobs: Sequence[Known]) -> Sequence[JobReport]:
        self.queries += 1
        self.asked.append(tuple(known.token for known in jobs))
        return [report for known in jobs if (report := self.on_query(known.token)) is not None]

    async def node_names(self, nodes: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {node: [node] for node in nodes}

    async def examine(self, max_submit: int) -> Sequence[Check]:
        return ()

    async def kept(self) -> Sequence[str]:
        return [token for batch in self.submitted for token in batch if token not in self.forgotten]

    async def forget(self, tokens: Collection[str]) -> None:
        self.forgotten |= set(tokens)

    async def cancel(self, jobs: Sequence[Known]) -> None:
        self.cancelled.append(tuple(known.token for known in jobs))
        for known in jobs:
            self.on_cancel(known.token)


def accepted(token: str) -> Answer:
    """By default: the job's id is the token's last part."""
    return Accepted(token.rpartition("-")[2])


class TroubledLedger(Ledger):
    """A ledger that counts its commits; its disk is full, or it is damaged, as long as a test says so."""

    def __init__(self, path: Path, migrations: Sequence[str] | None = None) -> None:
        #: How many events each commit held.
        self.commits: list[int] = []
        super().__init__(path, migrations)

    #: Set: raised by whatever would write.
    trouble: Exception | None = None
    #: How many writes the trouble lasts.
    lasts: float = float("inf")

    def append(self, rows: Sequence[Row]) -> None:
        self._write()
        super().append(rows)
        self.commits.append(len(rows))

    def check(self, rows: Sequence[Row]) -> None:
        self._write()
        super().check(rows)

    def probe(self) -> None:
        self._write()
        super().probe()

    def _write(self) -> None:
        if self.trouble is None:
            return
        self.lasts -= 1
        if self.lasts >= 0:
            raise self.trouble
        self.trouble = None

    def fill_up(self, writes: float = float("inf")) -> None:
        """Nothing more is taken, for so many writes."""
        self.trouble, self.lasts = (
            LedgerUnwritable("the ledger can't be written: disk full", "make room"),
            writes,
        )
