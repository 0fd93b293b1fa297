"""The room for sessions on a link's connection: few at a time, and no more than the server has room for, which is learned."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar, cast

import anyio
import asyncssh

from runexpd.hosts.ssh_link import SshLink

S = TypeVar("S", bound=asyncssh.SSHClientSession[Any])
Channel = asyncssh.SSHClientChannel[bytes]


class Room:
    def __init__(self, link: SshLink) -> None:
        self._link = link
        self._places = anyio.CapacityLimiter(link.sessions)
        self._connection: asyncssh.SSHClientConnection | None = None

    @asynccontextmanager
    async def session(self, make: Callable[[], S], command: str) -> AsyncIterator[tuple[Channel, S]]:
        """A session, and its channel, on which `command` was begun. Raises HostUnreachable, and what asyncssh raises."""
        while True:
            # Asked before as well as after: behind a full house, a dead link should be known at once.
            await self._link.connection()
            async with self._places:
                connection = await self._current()
                try:
                    opened = await connection.create_session(make, command, encoding=None)
                except asyncssh.ChannelOpenError:
                    if not self._take_less(connection):
                        raise
                    continue
                yield cast(tuple[Channel, S], opened)
                return

    async def _current(self) -> asyncssh.SSHClientConnection:
        connection = await self._link.connection()
        if connection is not self._connection:
            self._connection, self._places.total_tokens = connection, self._link.sessions
        return connection

    def _take_less(self, connection: asyncssh.SSHClientConnection) -> bool:
        """Whether to wait for another session's end is of any help.

        A server that has no room for a single one keeps what was given up and still hangs: logged in to anew, it has.
        """
        others = self._places.borrowed_tokens - 1
        if others < 1 or connection.is_closed():
            connection.close()
            return False
        self._places.total_tokens = min(others, self._places.total_tokens)
        return True
