"""The room for sessions on a link's connection: few at a time, and no more than the server has room for, which is learned.

To open one takes two round trips. What is sent to each is the same, up to the script on its input: so a few are kept open
ahead of time, and whoever has a script has its answer a single round trip later.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol

import anyio
import asyncssh
from anyio.abc import TaskGroup

from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.dial import C
from runexpd.hosts.ssh_link import SshLink

#: Sessions that wait for a script.
_READY = 3


class NoRoom(HostUnreachable):
    """Raised when the server opens no session: nothing was begun."""


class Session(Protocol):
    """One in which a shell waits for a script on its input."""

    @property
    def is_over(self) -> bool: ...

    async def run(self, script: bytes, begin: bytes, most_bytes: int, what: str) -> tuple[bytes, bytes]:
        """Both streams from `begin` on, once they have ended. Raises NoRoom, TooMuch, and what its program raises."""
        ...

    async def end(self) -> None:
        """Also where somebody waits for it."""
        ...


class Room(Generic[C]):
    def __init__(self, link: SshLink[C], tasks: TaskGroup, begin: Callable[[C], Awaitable[Session]]) -> None:
        """`begin` opens a session. Raises NoRoom."""
        self._link = link
        self._tasks = tasks
        self._begin = begin
        self._places = anyio.CapacityLimiter(link.sessions)
        self._connection: C | None = None
        self._ready: list[Session] = []
        self._beginning = 0
        self._is_over = False

    async def run(self, script: bytes, begin: bytes, most_bytes: int, what: str) -> tuple[bytes, bytes]:
        """As Session.run, when there is room. Raises HostUnreachable, and what its program raises."""
        while True:
            # Asked before as well as after: behind a full house, a dead link should be known at once.
            await self._link.connection()
            async with self._places:
                connection = await self._current()
                try:
                    session = self._take() or await self._begin(connection)
                    self._prepare(connection)
                    return await session.run(script, begin, most_bytes, what)
                except NoRoom:
                    if not self._take_less(connection):
                        raise
                finally:
                    self._prepare(connection)

    @property
    def held(self) -> int:
        """Sessions that are open, those that wait for a script included."""
        return int(self._places.borrowed_tokens) + len(self._ready) + self._beginning

    async def end(self) -> None:
        """Of what waits for a script nobody will need any, now or later."""
        self._is_over = True
        await self._let_go()

    async def _let_go(self) -> None:
        while self._ready:
            await self._ready.pop().end()

    async def _current(self) -> C:
        connection = await self._link.connection()
        if connection is not self._connection:
            await self._let_go()
            self._connection, self._places.total_tokens = connection, self._link.sessions
        return connection

    def _take(self) -> Session | None:
        while self._ready:
            session = self._ready.pop(0)
            if not session.is_over:
                return session
        return None

    def _prepare(self, connection: C) -> None:
        """One more, where there is room for it beside those that are in use."""
        waiting = len(self._ready) + self._beginning
        in_use = int(self._places.borrowed_tokens)
        if waiting < _READY and in_use + waiting < self._places.total_tokens and not connection.is_closed():
            self._beginning += 1
            self._tasks.start_soon(self._begin_ahead, connection)

    async def _begin_ahead(self, connection: C) -> None:
        try:
            with suppress(HostUnreachable, asyncssh.Error, OSError):
                session = await self._begin(connection)
                if connection is self._connection and not self._is_over:
                    self._ready.append(session)
                else:
                    await session.end()
        finally:
            self._beginning -= 1

    def _take_less(self, connection: C) -> bool:
        """Whether to wait for another session's end is of any help.

        A server that has no room for a single one keeps what was given up and still hangs: logged in to anew, it has.
        """
        others = self._places.borrowed_tokens - 1 + len(self._ready)
        if others < 1 or connection.is_closed():
            connection.close()
            return False
        self._places.total_tokens = min(others, self._places.total_tokens)
        return True
