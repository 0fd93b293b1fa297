"""Writes the run logs: projections of the ledger, each block once, in order, also after a crash or a lost link.

The ledger remembers, for each log, up to which event it is written and how long the file was then. A write that a crash cut
short shows as a file longer than that: whatever of the next text stands there already is not written again. A file that is
shorter was deleted or cut by somebody: it is written anew, from the first event, but for what is left of it.

One follower an experiment: it folds the past for itself, a page at a time, and keeps nothing of what is written; once it has
caught up, what it folded is what the loop holds, and held once. A log that the host refuses gets a follower of its own, and the
others go on.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

import anyio
import anyio.to_thread
from loguru import logger

from runexp.text import printable
from runexp.wire.events import ExperimentAdded
from runexpd.core.state import Experiment
from runexpd.hosts.base import FileMissing, FileRefused, Host, HostUnreachable
from runexpd.ledger import codec, desk, following
from runexpd.ledger.errors import LedgerUnwritable
from runexpd.ledger.store import Ledger, LogPosition
from runexpd.runtime import logfile
from runexpd.runtime.bell import Bell
from runexpd.runtime.followers import Followers, NotYet
from runexpd.runtime.loglanes import Lane
from runexpd.runtime.logtexts import Folded, Past, Text, Typed, folded

PAGE_EVENTS = 500
#: A host says by itself, sooner, that no answer came.
_WRITE_SECONDS = 300.0
#: Experiments whose past is read at a time.
_READ_AT_ONCE = 4


class Hosts(Protocol):
    """The host that an experiment's cluster keeps its files on; None where it is no longer configured."""

    def __call__(self, cluster: str) -> Host | None: ...


class Live(Protocol):
    """An experiment as the loop holds it; None where it doesn't."""

    def __call__(self, experiment: str) -> Experiment | None: ...


class Logbook:
    def __init__(
        self,
        ledger: Ledger,
        bell: Bell,
        hosts: Hosts,
        typed: Typed,
        live: Live,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        """`typed` says what names an experiment on a command line; it is asked in any thread."""
        means = _Means(ledger, hosts, typed, live)
        self._followers = Followers(
            ledger, bell, lambda: following.unwritten(ledger), lambda id: _RunLogs(id, means), sleep
        )

    async def run(self) -> None:
        """Follow the ledger until cancelled."""
        await self._followers.run()

    async def finish(self) -> None:
        """Write what can be written now: before the daemon stops."""
        await self._followers.finish()


@dataclass(frozen=True)
class _Means:
    """What all run logs share."""

    ledger: Ledger
    hosts: Hosts
    typed: Typed
    live: Live
    lanes: defaultdict[str, Lane] = field(default_factory=lambda: defaultdict(Lane))
    reading: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(_READ_AT_ONCE))
    folding: anyio.CapacityLimiter = field(default_factory=lambda: anyio.CapacityLimiter(1))


class _Anew(Exception):
    """Raised when a log was shortened or removed."""


class BlockUnmade(Exception):
    """Raised when no block can be made of an event: a fault of ours."""


class _RunLogs:
    """The run logs of one experiment, or only the one at `only`. A Follower."""

    def __init__(self, experiment: str, means: _Means, only: str | None = None) -> None:
        self.experiment = experiment
        self._means = means
        self._only = only
        #: Paths that others have taken over.
        self._left: set[str] = set()
        self._positions: dict[str, LogPosition] | None = None
        self._past = Past()
        #: Made, and not written yet, by path.
        self._texts: dict[str, Text] = {}
        #: Logs whose place was looked at.
        self._checked: set[str] = set()
        self._failed = only is not None
        self._left_alone = False

    @property
    def is_over(self) -> bool:
        known = self._past.experiment
        return not self._left_alone and not self._texts and known is not None and known.outcome is not None

    async def catch_up(self) -> Sequence["_RunLogs"]:
        """See Follower. Raises NotYet, and BlockUnmade."""
        try:
            if self._past.experiment is None:
                await self._find_place()
            while self._texts or await self._read_on():
                path = next(iter(self._texts))
                if not await self._write(path):
                    return [_RunLogs(self.experiment, self._means, only=path)]
            await self._settle()
            self._share()
        except LedgerUnwritable:
            raise NotYet from None  # the loop has said so
        return ()

    async def _find_place(self) -> None:
        """Raises NotYet while the experiment's directory isn't there: of what was deleted long ago no past is read."""
        first = await desk.ask(lambda: following.page(self._means.ledger, self.experiment, 0, 1))
        added = None
        with suppress(codec.Undecodable):  # it is said where the past is read
            added = codec.decode(bytes(first[0].event)) if first else None
        if not isinstance(added, ExperimentAdded) or (host := self._means.hosts(added.cluster)) is None:
            return
        lane = self._means.lanes[added.cluster]
        try:
            async with lane.turn(self._failed):
                with anyio.fail_after(_WRITE_SECONDS):
                    there = await host.stat(added.dir)
        except (HostUnreachable, TimeoutError) as error:
            self._failed = True
            raise lane.silent(str(error) or f"{added.dir} hangs") from None
        except FileRefused:
            return
        if self._failed and self._only is None:
            self._failed = False
            lane.is_back()
        if there is None:
            self._failed = True
            raise NotYet(is_seldom=True)

    async def _read_on(self) -> bool:
        """Fold until there is something to write; False: all is written."""
        async with self._means.reading:
            while not self._left_alone and not self._texts:
                positions = await self._known_positions()
                if not (folded := await self._next_page(positions)):
                    return False
                if folded.past.seq == self._past.seq:
                    self._stuck(folded)
                await self._note_owed(path for path in folded.texts if path not in positions)
                self._past, self._texts = folded.past, folded.texts
        return bool(self._texts)

    async def _known_positions(self) -> dict[str, LogPosition]:
        if self._positions is None:
            self._positions = await desk.ask(
                lambda: following.log_positions(self._means.ledger, self.experiment)
            )
        return self._positions

    async def _next_page(self, positions: dict[str, LogPosition]) -> Folded | None:
        past, ledger, id = self._past, self._means.ledger, self.experiment
        page = await desk.ask(lambda: following.page(ledger, id, past.seq, PAGE_EVENTS))
        if not page:
            return None
        written = {path: position.seq for path, position in positions.items()}

        def is_owed(path: str, seq: int) -> bool:
            return self._is_mine(path) and written.get(path, 0) < seq

        return await anyio.to_thread.run_sync(
            folded, past, page, is_owed, self._means.typed, self._means.live(id), limiter=self._means.folding
        )

    def _stuck(self, folded: Folded) -> None:
        """The next event leads nowhere. Raises BlockUnmade."""
        if folded.unmade is not None:
            raise BlockUnmade(
                f"a block of {self.experiment} can't be made, after event {self._past.seq}"
            ) from folded.unmade
        self._left_alone = True
        why = printable(f"its past can't be read: {folded.impossible!r}")
        logger.error("the run logs of experiment {} are left as they are: {}", self.experiment, why)

    def _is_mine(self, path: str) -> bool:
        return path == self._only if self._only is not None else path not in self._left

    async def _write(self, path: str) -> bool:
        """Whether it was written; False: another one is to take it over. Raises NotYet."""
        known = self._past.experiment
        assert known is not None
        host, lane = self._means.hosts(known.cluster), self._means.lanes[known.cluster]
        if host is None:
            self._left_alone, self._past, self._texts = True, Past(), {}
            return True
        try:
            async with lane.turn(self._failed):
                with anyio.fail_after(_WRITE_SECONDS):
                    await self._complete(host, known, path)
        except (HostUnreachable, TimeoutError) as error:
            self._failed = True
            raise lane.silent(str(error) or f"{path} hangs") from None
        except (FileMissing, FileRefused) as error:
            return await self._refused(path, error)
        except _Anew:
            self._past, self._texts = Past(), {}
            return True
        if self._failed:
            self._failed = False
            lane.is_back()
        del self._texts[path]
        return True

    async def _complete(self, host: Host, known: Experiment, path: str) -> None:
        """Raises _Anew, and what the host raises."""
        text = self._texts[path]
        if path not in self._checked:
            await logfile.check_place(host, path, known.dir)
            self._checked.add(path)
        size = await logfile.size_bytes(host, path)
        position = (await self._known_positions()).get(path)
        if position is None or not position.is_begun:
            # What stands there is somebody else's, an earlier ledger's perhaps: ours comes after it.
            position = await self._set_position(path, LogPosition(0, size))
        if size < position.size_bytes:
            logger.warning("{} was shortened or removed: written anew", path)
            await self._set_position(path, LogPosition(0, 0))  # what is left of ours is found there again
            raise _Anew
        end = await logfile.complete(host, path, position.size_bytes, size, text.data)
        await self._set_position(path, LogPosition(text.seq, end))

    async def _refused(self, path: str, error: FileMissing | FileRefused) -> bool:
        self._failed = True
        if self._only is not None:
            raise NotYet(f"{path} can't be written, tried again: {error.what}")
        self._left.add(path)
        del self._texts[path]
        return False

    async def _note_owed(self, paths: Iterable[str]) -> None:
        """Before any of them is written: so that a ledger of which nobody knows the rest knows that they are owed."""
        for path in list(paths):
            await self._set_position(path, LogPosition())

    async def _set_position(self, path: str, position: LogPosition) -> LogPosition:
        """Raises LedgerUnwritable."""
        await desk.ask(lambda: self._means.ledger.set_log_position(self.experiment, path, position))
        (await self._known_positions())[path] = position
        return position

    def _share(self) -> None:
        live = self._means.live(self.experiment)
        if live is not None and live.seq == self._past.seq:
            self._past = Past(live, live.seq)

    async def _settle(self) -> None:
        """All of an experiment that is over is written: so that nobody need look again."""
        if not self.is_over:
            return
        for path, position in list((await self._known_positions()).items()):
            if self._is_mine(path) and position.seq < self._past.seq:
                await self._set_position(path, LogPosition(self._past.seq, position.size_bytes))
