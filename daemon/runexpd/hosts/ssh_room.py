"""The room for sessions on a link's connection: few at a time, and no more than the server has room for, which is learned."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import anyio

from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.dial import C
from runexpd.hosts.ssh_link import SshLink

T = TypeVar("T")


class NoRoom(HostUnreachable):
    """Raised when the server opens no session: nothing was begun."""


class Room(Generic[C]):
    def __init__(self, link: SshLink[C]) -> None:
        self._link = link
        self._places = anyio.CapacityLimiter(link.sessions)
        self._connection: C | None = None

    async def run(self, work: Callable[[C], Awaitable[T]]) -> T:
        """`work` in a session of the connection's. Raises HostUnreachable, and what `work` raises."""
        while True:
            # Asked before as well as after: behind a full house, a dead link should be known at once.
            await self._link.connection()
            async with self._places:
                connection = await self._current()
                try:
                    return await work(connection)
                except NoRoom:
                    if not self._take_less(connection):
                        raise

    async def _current(self) -> C:
        connection = await self._link.connection()
        if connection is not self._connection:
            self._connection, self._places.total_tokens = connection, self._link.sessions
        return connection

    def _take_less(self, connection: C) -> bool:
        """Whether to wait for another session's end is of any help.

        A server that has no room for a single one keeps what was given up and still hangs: logged in to anew, it has.
        """
        others = self._places.borrowed_tokens - 1
        if others < 1 or connection.is_closed():
            connection.close()
            return False
        self._places.total_tokens = min(others, self._places.total_tokens)
        return True
