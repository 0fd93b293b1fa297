"""The samples' scores of evaluations: read from their logs when somebody asks, once, and kept beside the ledger.

Not when results are verified: most evaluations are never compared, and what is verified should be so soon, and small in the
ledger. What was read is a file an experiment, which may be deleted. As much is read at a time as there is patience for; who
asks again goes on where it stopped.
"""

import zlib
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

import anyio
import msgspec
from loguru import logger

from runexp.text import printable
from runexpd.core.job import Job
from runexpd.core.state import Experiment
from runexpd.hosts.base import Files, HostUnreachable
from runexpd.hosts.threads import aside
from runexpd.runtime import rounds
from runexpd.runtime.comparing import scored
from runexpd.runtime.digest import Lane
from runexpd.runtime.rounds import Fault, Pace
from runexpd.tools.base import Question, Samples, Sampling, Tool

#: For whoever asks; more is read when somebody asks again.
PATIENCE_SECONDS = 20.0
#: Logs that are read together, 3 MiB of the usual ones, and how often each may ask again.
TOGETHER = 100
READING = Pace(most_rounds=4, together=TOGETHER, seconds=60.0, alone_seconds=60.0, lane=Lane.READING)
#: Experiments whose samples are in memory.
_MOST_KEPT = 4


class Log(msgspec.Struct, frozen=True):
    """What was read of one log."""

    #: The log and the attempt that made it.
    stamp: str
    #: By which the keys of its samples are known: logs of the same samples share them.
    keys: bytes = b""
    #: As Samples.values, packed.
    values: dict[str, bytes] = {}
    #: Why there are none; empty where there are.
    why: str = ""


class Book(msgspec.Struct):
    """Of one experiment."""

    keys: dict[bytes, bytes] = {}
    logs: dict[str, Log] = {}

    def put(self, job: str, stamp: str, samples: Samples | str) -> None:
        if isinstance(samples, str):
            self.logs[job] = Log(stamp, why=samples)
            return
        name = blake2b(samples.keys, digest_size=16).digest()
        self.keys.setdefault(name, samples.keys)
        packed = {scorer: zlib.compress(values) for scorer, values in samples.values.items()}
        self.logs[job] = Log(stamp, name, packed)

    def samples(self, job: str) -> Samples:
        log = self.logs[job]
        unpacked = {scorer: zlib.decompress(values) for scorer, values in log.values.items()}
        return Samples(keys=self.keys[log.keys], values=unpacked)


class SampleBook:
    def __init__(self, directory: Path, tools: Mapping[str, Tool]) -> None:
        self._directory = directory
        self._tools = tools
        self._books: dict[str, Book] = {}

    async def read(self, e: Experiment, files: Files | None) -> tuple[Mapping[str, Samples], str]:
        """The samples by job, as far as they are known; and what is not, in a line that is empty where all is.

        `files`: of the experiment's cluster; None where there is none. Only one at a time may read an experiment.
        """
        jobs = {job.spec.id: job for job in scored(e) if isinstance(self._tools.get(job.spec.tool), Sampling)}
        book = await self._book(e.id)
        wanted = [job for id, job in jobs.items() if not _is_known(book, job)]
        trouble = await self._fill(e.id, book, wanted, files) if wanted else ""
        known = {id: job for id, job in jobs.items() if _is_known(book, job)}
        there = [id for id in known if not book.logs[id].why]
        samples = await aside(lambda: {id: book.samples(id) for id in there})
        return samples, _missing(book, known, len(jobs), trouble)

    async def _fill(self, id: str, book: Book, wanted: Sequence[Job], files: Files | None) -> str:
        """Why it came to no end; empty where it did, or where only the time is over."""
        if files is None:
            return "its cluster is no longer in the configuration"
        trouble, before = "", len(book.logs)
        with anyio.move_on_after(PATIENCE_SECONDS):
            try:
                for start in range(0, len(wanted), TOGETHER):
                    some = wanted[start : start + TOGETHER]
                    found = await read_logs(self._tools, files, some)
                    for job, samples in zip(some, found, strict=True):
                        book.put(job.spec.id, _stamp(job), samples)
            except HostUnreachable as error:
                trouble = printable(str(error))
        if len(book.logs) > before:
            await self._keep(id, book)
        return trouble

    async def _book(self, id: str) -> Book:
        if id not in self._books:
            self._books[id] = await aside(lambda: _opened(self._directory / f"{id}.samples"))
        self._books[id] = self._books.pop(id)
        while len(self._books) > _MOST_KEPT:
            del self._books[next(iter(self._books))]
        return self._books[id]

    async def _keep(self, id: str, book: Book) -> None:
        """Best effort: what isn't kept is read again."""
        try:
            await aside(lambda: _write(self._directory, f"{id}.samples", book))
        except OSError as error:
            logger.warning("samples of {} can't be kept: {}", id, error)


def _is_known(book: Book, job: Job) -> bool:
    log = book.logs.get(job.spec.id)
    return log is not None and log.stamp == _stamp(job)


def _stamp(job: Job) -> str:
    return f"{job.proof or ''} {job.artifacts[0] if job.artifacts else ''}"


def _missing(book: Book, known: Mapping[str, Job], all: int, trouble: str) -> str:
    """In a line."""
    parts = []
    if unread := all - len(known):
        why = f": {trouble}" if trouble else "; ask again, and more are"
        parts.append(f"the samples of {unread} of {all} logs are not read yet{why}")
    whys = [(id, book.logs[id].why) for id in known if book.logs[id].why]
    if whys:
        more = f", and of {len(whys) - 1} more" if len(whys) > 1 else ""
        parts.append(f"the samples of {whys[0][0]} can't be read: {whys[0][1]}{more}")
    return "; ".join(parts)


def _opened(path: Path) -> Book:
    """An empty one where there is none, or none that can be read."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Book)
    except (OSError, msgspec.MsgspecError):
        return Book()


def _write(directory: Path, name: str, book: Book) -> None:
    """Why some have none is asked again by whoever comes after."""
    lasting = Book(book.keys, {job: log for job, log in book.logs.items() if not log.why})
    directory.mkdir(mode=0o700, exist_ok=True)
    beside = directory / f".{name}"
    beside.touch(mode=0o600)
    beside.write_bytes(msgspec.msgpack.encode(lasting))
    beside.replace(directory / name)


async def read_logs(tools: Mapping[str, Tool], files: Files, jobs: Sequence[Job]) -> list[Samples | str]:
    """The samples of each job's results, or a line that says why not. Raises HostUnreachable."""
    asked = [(tools[job.spec.tool], job) for job in jobs]
    found = await rounds.put(_samples, asked, files.fetch, READING)
    return [each.what if isinstance(each, Fault) else each for each in found]


def _samples(about: tuple[Tool, Job]) -> Question[Samples | str]:
    tool, job = about
    assert isinstance(tool, Sampling)
    try:
        found = yield from tool.samples(job.spec, job.artifacts)
    except ValueError as why:
        return printable(str(why))
    if not isinstance(found, Samples):
        raise TypeError(f"samples were expected, not {type(found).__name__}")
    return found
