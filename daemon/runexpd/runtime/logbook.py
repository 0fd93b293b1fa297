"""Writes the run logs: projections of the ledger, each block once, in order, also after a crash or a lost link.

The ledger remembers, for each log, up to which event it is written and how long the file was then. A write that a crash cut
short shows as a file longer than that: whatever of the next text stands there already is not written again. A file that is
shorter was deleted or cut by somebody: it is written anew, from the first event.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

import anyio
import anyio.to_thread
import msgspec
from loguru import logger

from runexp.wire.events import Recorded
from runexpd.core.apply import apply
from runexpd.core.state import Experiment, State
from runexpd.experiments import logblocks
from runexpd.hosts.base import FileMissing, FileRefused, Host, HostUnreachable
from runexpd.ledger.store import Ledger, LogPosition
from runexpd.runtime.bell import Bell

#: Until a log that could not be written is tried again.
RETRY_SECONDS = 5.0


class Entry(msgspec.Struct, frozen=True):
    """The text that one event adds to one log."""

    seq: int
    path: str
    text: str


class Hosts(Protocol):
    """The host that an experiment's cluster keeps its files on; None where it is no longer configured."""

    def __call__(self, cluster: str) -> Host | None: ...


class Logbook:
    def __init__(self, ledger: Ledger, bell: Bell, hosts: Hosts) -> None:
        self._ledger = ledger
        self._bell = bell
        self._hosts = hosts
        #: The ledger folded as far as `_pending` has been made, which is behind the loop's own state.
        self._state = State()
        self._seq = 0
        #: By experiment; every entry so far of those that aren't over and written.
        self._entries: dict[str, list[Entry]] = {}
        #: Logs whose host won't take them, which is said once.
        self._refused: set[str] = set()

    async def run(self) -> None:
        """Follow the ledger until cancelled."""
        while True:
            news = self._bell.take()
            self._read()
            if await self._write_all():
                await news.wait()
            else:
                with anyio.move_on_after(RETRY_SECONDS):
                    await news.wait()

    async def finish(self) -> None:
        """Write what can be written now: before the daemon stops."""
        self._read()
        await self._write_all()

    def _read(self) -> None:
        for recorded in self._ledger.since(self._seq):
            before = self._state.experiments.get(recorded.experiment)
            self._state = apply(self._state, recorded)
            self._seq = recorded.seq
            if before is not None:
                after = self._state.experiments[recorded.experiment]
                self._entries.setdefault(after.id, []).extend(entries(before, recorded, after))

    async def _write_all(self) -> bool:
        """Whether all logs are up to date. A cluster that gives no answer holds up no other's."""
        by_cluster = defaultdict[str, list[str]](list)
        for id in self._entries:
            by_cluster[self._state.experiments[id].cluster].append(id)
        behind: list[str] = []

        async def write(cluster: str, ids: Sequence[str]) -> None:
            host = self._hosts(cluster)
            if host is not None and not await self._write_those(host, ids):
                behind.append(cluster)

        async with anyio.create_task_group() as tasks:
            for cluster, ids in by_cluster.items():
                tasks.start_soon(write, cluster, ids)
        return not behind

    async def _write_those(self, host: Host, ids: Sequence[str]) -> bool:
        done = True
        for id in ids:
            so_far = list(self._entries[id])
            for path in dict.fromkeys(entry.path for entry in so_far):
                written = await self._write(host, id, path, [e for e in so_far if e.path == path])
                done = done and written
        return done

    async def _write(self, host: Host, id: str, path: str, all_entries: Sequence[Entry]) -> bool:
        try:
            await self._catch_up(host, id, path, all_entries)
        except HostUnreachable as error:
            logger.debug("{} not written, tried again: {}", path, error.what)
            return False
        except (FileMissing, FileRefused) as error:
            if path not in self._refused:
                logger.warning("{} can't be written, tried again: {}", path, error.what)
            self._refused.add(path)
            return False
        self._refused.discard(path)
        return True

    async def _catch_up(self, host: Host, id: str, path: str, all_entries: Sequence[Entry]) -> None:
        position = self._ledger.log_position(id, path)
        if position is not None and position.seq >= all_entries[-1].seq:
            return
        fact = await host.stat(path)
        size = fact.size_bytes if fact else 0
        if position is None:
            # What stands there is somebody else's, an earlier ledger's perhaps: ours comes after it.
            position = LogPosition(seq=0, size_bytes=size)
            self._ledger.set_log_position(id, path, position)
        if size < position.size_bytes:
            logger.warning("{} was shortened or removed: written anew", path)
            position = LogPosition(seq=0, size_bytes=size)
        text = "".join(entry.text for entry in all_entries if entry.seq > position.seq).encode()
        there = await host.read(path, position.size_bytes) if size > position.size_bytes else b""
        missing = still_missing(text, there)
        if missing:
            await host.append(path, missing)
        size = position.size_bytes + len(there) + len(missing)
        self._ledger.set_log_position(id, path, LogPosition(seq=all_entries[-1].seq, size_bytes=size))


def still_missing(text: bytes, there: bytes) -> bytes:
    """What of `text` is to be appended to a file that ends in `there`, where `there` may begin with a part of `text`."""
    if there.startswith(text):
        return b""
    if text.startswith(there):
        return text[len(there) :]
    return text


def entries(before: Experiment, recorded: Recorded, after: Experiment) -> Iterable[Entry]:
    for log, text in logblocks.text_of(before, recorded, after, _stamp):
        yield Entry(recorded.seq, after.logs[log], text)


def _stamp(at: float) -> str:
    """In the workstation's own time zone, as a person reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
