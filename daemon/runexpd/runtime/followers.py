"""Followers of the ledger: each goes its own way, in its own task, with its own failures.

A bell is a bare hint; who has news is read from the ledger. A follower has a task only while it has something to do: one
whose experiment is over, and that has done all, is forgotten. What goes wrong with one is its own affair: it is said once, and
tried again ever more seldom.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from loguru import logger

from runexpd.ledger import desk, following
from runexpd.ledger.store import Ledger
from runexpd.runtime.bell import Bell
from runexpd.runtime.patience import pauses

#: Until what could not be done is tried again: first, and in the end.
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 120.0
#: The same for what only a person can change, and hardly does; news of it is looked at at once.
FIRST_SELDOM_SECONDS, LONGEST_SELDOM_SECONDS = 300.0, 3600.0
#: A look without a ring: a bell that was missed must not matter.
LOOK_SECONDS = 60.0


class NotYet(Exception):
    """Raised by a follower that can't go on for now.

    `what` is said in the daemon's log, once; empty: it need not be. Once `until` is set, there is no need to wait any longer.
    `is_seldom`: it is hardly worth another try before there is news.
    """

    def __init__(self, what: str = "", until: anyio.Event | None = None, *, is_seldom: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.until = until
        self.is_seldom = is_seldom


class Follower(Protocol):
    """Of one experiment. Remembers by itself how far it came."""

    @property
    def experiment(self) -> str:
        """Its id."""
        ...

    @property
    def is_over(self) -> bool:
        """Whether it may be forgotten until there is news."""
        ...

    async def catch_up(self) -> Sequence["Follower"]:
        """Do all there is to do; or return others that take a part of it over from here on, and be asked once more.

        Raises NotYet; whatever else it raises is a fault of ours, and tried again all the same.
        """
        ...


class Followers:
    def __init__(
        self,
        ledger: Ledger,
        bell: Bell,
        behind: Callable[[], Sequence[str]],
        begin: Callable[[str], Follower],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """`behind` asks the ledger, once, who isn't done from an earlier life; `begin` makes an experiment's follower."""
        self._ledger = ledger
        self._bell = bell
        self._behind = behind
        self._begin = begin
        self._sleep = sleep
        #: Up to which event it is known who has news; None before the first look.
        self._seq: int | None = None
        #: By experiment.
        self._followers: dict[str, list[Follower]] = {}
        #: Those with a task, and of them those to which something new has happened since it looked.
        self._busy: set[Follower] = set()
        self._rung: set[Follower] = set()
        #: Set when there is news for one that waits for nothing else.
        self._news: dict[Follower, anyio.Event] = {}
        #: What the last try of each ended with, where it didn't end well.
        self._troubles: dict[Follower, NotYet] = {}

    async def run(self) -> None:
        """Follow the ledger until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                ring = self._bell.take()
                self._wake(tasks, await self._with_news())
                with anyio.move_on_after(LOOK_SECONDS):
                    await ring.wait()

    async def finish(self) -> None:
        """Try everything that is left to do once, now, all at the same time. Not beside `run`."""
        async with anyio.create_task_group() as tasks:
            for follower in {*self._busy, *await self._with_news()}:
                tasks.start_soon(self._finish, follower)

    async def _finish(self, follower: Follower) -> None:
        left = [follower]
        while left:
            left += await self._catch_up(left.pop())

    async def _with_news(self) -> list[Follower]:
        try:
            ids = await self._experiments()
        except Exception as error:
            logger.opt(exception=error).error("the ledger can't be followed just now")
            return []
        for id in ids:
            self._followers.setdefault(id, [self._begin(id)])
        return [follower for id in ids for follower in self._followers[id]]

    async def _experiments(self) -> list[str]:
        """Those with news since the last look; at the first one, those that lack something."""
        after, upto = self._seq, self._ledger.last_seq
        if after == upto:
            return []
        if after is None:
            ids = list(await desk.ask(self._behind))
        else:
            ids = list(await desk.ask(lambda: following.news(self._ledger, after)))
        self._seq = upto
        return ids

    def _wake(self, tasks: TaskGroup, followers: Iterable[Follower]) -> None:
        for follower in followers:
            self._rung.add(follower)
            if follower in self._news:
                self._news[follower].set()
            if follower not in self._busy:
                self._busy.add(follower)
                tasks.start_soon(self._follow, tasks, follower)

    async def _follow(self, tasks: TaskGroup, follower: Follower) -> None:
        waits, seldom = _pauses()
        while follower in self._rung:
            self._rung.discard(follower)
            self._wake(tasks, await self._catch_up(follower))
            if (trouble := self._troubles.get(follower)) is None:
                waits, seldom = _pauses()
            else:
                is_seldom = trouble.is_seldom and follower not in self._rung  # news may have come meanwhile
                self._rung.add(follower)
                await self._wait(follower, next(seldom if is_seldom else waits), trouble)
        self._busy.discard(follower)
        group = self._followers[follower.experiment]
        if all(each.is_over and each not in self._busy for each in group):
            del self._followers[follower.experiment]

    async def _catch_up(self, follower: Follower) -> list[Follower]:
        """As far as it can; its trouble is noted, or gone. Returns who is to go on at once."""
        try:
            parts = await follower.catch_up()
        except NotYet as trouble:
            self._note(follower, trouble)
            return []
        except Exception as error:
            self._note(follower, NotYet(f"a follower of {follower.experiment} failed: {error!r}"), error)
            return []
        self._troubles.pop(follower, None)
        self._followers[follower.experiment] += parts
        return [*parts, follower] if parts else []

    def _note(self, follower: Follower, trouble: NotYet, error: Exception | None = None) -> None:
        before = self._troubles.get(follower)
        self._troubles[follower] = trouble
        if trouble.what and (before is None or before.what != trouble.what):
            said = logger.opt(exception=error)
            (said.error if error else said.warning)("{}", trouble.what)

    async def _wait(self, follower: Follower, seconds: float, trouble: NotYet) -> None:
        async def until(is_over: anyio.Event) -> None:
            await is_over.wait()
            tasks.cancel_scope.cancel()

        over = self._news.setdefault(follower, anyio.Event()) if trouble.is_seldom else trouble.until
        async with anyio.create_task_group() as tasks:
            if over is not None:
                tasks.start_soon(until, over)
            await self._sleep(seconds)
            tasks.cancel_scope.cancel()
        self._news.pop(follower, None)


def _pauses() -> tuple[Iterator[float], Iterator[float]]:
    """The usual ones, and the seldom ones."""
    usual = pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
    return usual, pauses(FIRST_SELDOM_SECONDS, LONGEST_SELDOM_SECONDS)
