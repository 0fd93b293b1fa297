"""A session of the daemon's own SSH: what is written in it is bounded while it arrives, and begins where it is known to be ours."""

import anyio
import asyncssh

from runexpd.hosts import envelope
from runexpd.hosts.shell import TooMuch
from runexpd.hosts.ssh_room import NoRoom
from runexpd.hosts.stream import Streams


class Session(asyncssh.SSHClientSession[bytes]):
    """A runexpd.hosts.ssh_room.Session."""

    def __init__(self) -> None:
        self._streams = Streams()
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._ended = anyio.Event()

    @property
    def is_over(self) -> bool:
        return self._ended.is_set()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._streams.take(data, is_error=datatype is not None)
        if self._streams.is_full and self._channel is not None:
            self._channel.abort()
            self._ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()

    async def run(self, script: bytes, begin: bytes, most_bytes: int, what: str) -> tuple[bytes, bytes]:
        assert self._channel is not None
        self._streams.expect(begin, most_bytes)
        try:
            self._channel.write(script)
            self._channel.write_eof()
            await self._ended.wait()
        finally:
            self._channel.close()
        if self._streams.is_full:
            raise TooMuch(what)
        return self._streams.both

    async def end(self) -> None:
        if self._channel is not None:
            self._channel.close()


async def begin(connection: asyncssh.SSHClientConnection) -> Session:
    """Raises NoRoom, and what asyncssh raises."""
    try:
        session = Session()
        await connection.create_session(lambda: session, envelope.COMMAND, encoding=None)
    except asyncssh.ChannelOpenError as error:
        raise NoRoom(f"no session to be had: {error.reason}") from error
    return session
