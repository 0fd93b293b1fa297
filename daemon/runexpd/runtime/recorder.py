"""Keeps what runs do at each step: what looks bring goes into the metrics' file, in a thread of its own, one thing at a time.

Whatever goes wrong with that file is said once and costs nothing else: what could not be kept is read again.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec
from loguru import logger

from runexp.wire import metrics
from runexp.wire.metrics import Curves
from runexpd.core.when.lengths import Pace
from runexpd.metrics.store import DAMAGED, Brought, Owner, Store
from runexpd.runtime import clock
from runexpd.runtime.placing import Place, placed
from runexpd.tools.curves import Mark, Read

T = TypeVar("T")
#: Of each kind, the newest.
MOST_LENGTHS = 20
_PLACES: msgspec.json.Decoder[dict[str, Place]] = msgspec.json.Decoder(dict[str, Place])


class Recorder:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = anyio.CapacityLimiter(1)
        #: Of attempts that are read just now, by token and path.
        self._places: dict[str, dict[str, Place]] = {}
        #: When each was last looked at, in seconds since it began.
        self._looked: dict[str, float] = {}
        self._is_troubled = False
        self._lengths: dict[str, tuple[float, ...]] = {}

    async def marks(self, token: str) -> Mapping[str, Mark]:
        """How far its files are read, by path."""
        if token not in self._places:
            kept = await self.ask(partial(self._store.marks, token), None)
            self._places[token] = _decoded(kept)
        return {path: place.mark for path, place in self._places[token].items()}

    async def note(self, owner: Owner, reads: Sequence[Read]) -> list[Brought]:
        """Keep what a look brought; returns it by series."""
        token = owner.token
        await self.marks(token)
        places, brought = dict(self._places[token]), []
        for read in reads:
            known = places.get(read.mark.path)
            since = known.seconds if known and known.mark.points else self._looked.get(token, 0.0)
            found, places[read.mark.path] = placed(read, since, owner.began_at)
            brought += found
        self._looked[token] = max(0.0, clock.now() - owner.began_at) if owner.began_at is not None else 0.0
        if places == self._places[token]:
            return brought
        if await self.ask(partial(self._keep, owner, places, brought), False):
            self._places[token] = places
        return brought

    def _keep(self, owner: Owner, places: dict[str, Place], brought: Sequence[Brought]) -> bool:
        self._store.add(owner, msgspec.json.encode(places), brought)
        return True

    async def pace(self, token: str) -> Pace | None:
        """Of its steps that were seen, in this life of the daemon's or an earlier one."""
        ends = await self.ask(lambda: self._store.ends(token, (metrics.LOSS, metrics.SAMPLES)), None)
        if ends is None:
            return None
        first, last = ends
        return Pace(first.step, first.seconds, last.step, last.seconds)

    def forget(self, token: str) -> None:
        """It is not looked at for now."""
        self._places.pop(token, None)
        self._looked.pop(token, None)

    async def finish(self, token: str, kind: str, tail_kind: str, seconds: float | None) -> None:
        """All of its files was read; how long it ran, where that tells of others of its kind, and that after its last step."""
        pace = await self.pace(token) if seconds is not None else None
        durations = {} if seconds is None else {kind: seconds}
        if pace is not None and seconds is not None:
            durations[tail_kind] = max(0.0, seconds - pace.last_seconds)
        await self.ask(lambda: self._store.finish(token, durations), None)
        for each, took in durations.items():
            self._lengths[each] = (took, *self.lengths(each))[:MOST_LENGTHS]
        self.forget(token)

    async def is_over(self, token: str) -> bool:
        return await self.ask(lambda: self._store.is_over(token), False)

    async def positions(self) -> dict[str, int]:
        return await self.ask(self._store.positions, {})

    async def set_position(self, experiment: str, seq: int) -> None:
        await self.ask(lambda: self._store.set_position(experiment, seq), None)

    async def open(self) -> None:
        """Read what is asked for at any moment."""
        self._lengths = await self.ask(partial(self._store.durations, MOST_LENGTHS), {})

    def lengths(self, kind: str) -> tuple[float, ...]:
        """How long the newest jobs of a kind ran, in seconds."""
        return self._lengths.get(kind, ())

    async def curves(
        self, id: str, name: str, jobs: Sequence[str], names: Sequence[str], after: int, points: int
    ) -> Curves:
        """As a client asks for them; empty where the file can't be read."""

        def read() -> Curves:
            mark = self._store.mark()
            series = self._store.series(id, jobs, names, after, points)
            return Curves(experiment=id, name=name, series=tuple(series), mark=mark)

        return await self.ask(read, Curves(experiment=id, name=name, series=()))

    async def ask(self, question: Callable[[], T], otherwise: T) -> T:
        """What the file answers."""
        try:
            answer = await anyio.to_thread.run_sync(question, limiter=self._turn)
        except DAMAGED as error:
            if not self._is_troubled:
                passes = isinstance(error, sqlite3.OperationalError)  # its disk is full, for instance
                hint = "" if passes else "; stop runexpd and move the file aside: it is made anew"
                logger.error("{} can't be used, so curves are missing: {}{}", self._store.path, error, hint)
            self._is_troubled = True
            return otherwise
        self._is_troubled = False
        return answer


def _decoded(kept: bytes | None) -> dict[str, Place]:
    try:
        return _PLACES.decode(kept) if kept else {}
    except msgspec.MsgspecError:
        return {}
