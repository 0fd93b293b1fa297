"""Blocking calls that may never come back, in threads of their own: whoever waits is let go in time.

A thread can't be killed. So those that were given up keep their place until they return, and when they have all places,
whoever comes is refused at once: threads never pile up. They are daemon threads, so that none keeps the process from ending
(anyio's own workers would). What only thinks comes back by itself, and needs none of that: see `aside`.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import anyio
import anyio.to_thread

from runexpd.hosts.base import HostUnreachable

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What it returns or raises, from a thread: it takes a while, though it only thinks, and the loop goes on meanwhile."""
    alone = anyio.CapacityLimiter(1)  # all other threads may hang
    return await anyio.to_thread.run_sync(work, limiter=alone)


class _Call:
    """One call; it holds a place until its thread has returned."""

    has_ended = False


class Threads:
    """At most `most` calls at a time. `hanging` is what is said when all of them hang, with `{count}` in it."""

    def __init__(self, most: int, hanging: str) -> None:
        self._most = most
        self._hanging = hanging
        self._places = anyio.CapacityLimiter(most)
        self._given_up: set[_Call] = set()

    @property
    def given_up(self) -> int:
        """How many calls go on that nobody waits for any more."""
        return len(self._given_up)

    async def run(self, what: str, work: Callable[[], T], timeout_seconds: float) -> T:
        """What `work` returns or raises. When cancelled, it returns at once, and the call goes on by itself.

        Raises HostUnreachable, with `what` in front, where there is no answer in time: it may be done later.
        """
        if self.given_up >= self._most:
            raise HostUnreachable(f"{what}: {self._hanging.format(count=self.given_up)}")
        call = _Call()
        with anyio.move_on_after(timeout_seconds):
            await self._places.acquire_on_behalf_of(call)
            try:
                outcome = await self._start(what, call, work)
            finally:
                if not call.has_ended:
                    self._given_up.add(call)
            return outcome()
        raise HostUnreachable(f"{what}: no answer in {timeout_seconds:g} s")

    async def _start(self, what: str, call: _Call, work: Callable[[], T]) -> Callable[[], T]:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Callable[[], T]] = loop.create_future()

        def end(outcome: Callable[[], T]) -> None:
            self._end(call)
            if not answer.cancelled():
                answer.set_result(outcome)

        def in_thread() -> None:
            outcome = _outcome(work)
            with suppress(RuntimeError):  # the loop is closed: nobody is there to be told
                loop.call_soon_threadsafe(end, outcome)

        try:
            threading.Thread(target=in_thread, name="runexpd blocking call", daemon=True).start()
        except RuntimeError as error:
            self._end(call)
            raise HostUnreachable(f"{what}: {error}") from error
        return await answer

    def _end(self, call: _Call) -> None:
        call.has_ended = True
        self._given_up.discard(call)
        self._places.release_on_behalf_of(call)


def _outcome(work: Callable[[], T]) -> Callable[[], T]:
    """What came of it, to be returned or raised where it was asked for."""
    try:
        result = work()
    except BaseException as error:
        raised = error

        def reraise() -> T:
            raise raised

        return reraise
    return lambda: result
