"""One command in a session of its own: what it writes is bounded while it arrives, and begins where it is known to be its own."""

import anyio
import asyncssh

from runexpd.hosts.shell import TooMuch
from runexpd.hosts.ssh_room import NoRoom
from runexpd.hosts.stream import Stream


class Session(asyncssh.SSHClientSession[bytes]):
    """`most_bytes`: of both streams together, from `begin` on."""

    def __init__(self, begin: bytes, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._stdout, self._stderr = Stream(begin), Stream(begin)
        self.is_full = False
        self.ended = anyio.Event()

    @property
    def streams(self) -> tuple[bytes, bytes]:
        return bytes(self._stdout.data), bytes(self._stderr.data)

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        (self._stdout if datatype is None else self._stderr).take(data)
        if len(self._stdout.data) + len(self._stderr.data) > self._most_bytes and self._channel is not None:
            self.is_full = True
            self._channel.abort()
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def run(
    connection: asyncssh.SSHClientConnection, session: Session, command: str, script: bytes, what: str
) -> tuple[bytes, bytes]:
    """Both streams, once they have ended. Raises NoRoom, TooMuch, and what asyncssh raises."""
    try:
        channel, _ = await connection.create_session(lambda: session, command, encoding=None)
    except asyncssh.ChannelOpenError as error:
        raise NoRoom(f"{what}: no session to be had: {error.reason}") from error
    try:
        channel.write(script)
        channel.write_eof()
        await session.ended.wait()
    finally:
        channel.close()
    if session.is_full:
        raise TooMuch(what)
    return session.streams
