"""One command in a session of its own, its output bounded while it arrives."""

import anyio
import asyncssh
import msgspec

from runexpd.hosts.base import HostUnreachable


class Ended(msgspec.Struct, frozen=True):
    """A command that ended, and said how: minus the signal's number where one ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class TooMuch(HostUnreachable):
    """Raised when a command, or a login shell before it, wrote more than it may: nobody reads on."""


class _Session(asyncssh.SSHClientSession[bytes]):
    def __init__(self, most_bytes: int) -> None:
        self._room = most_bytes
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self.streams: dict[int | None, bytearray] = {
            None: bytearray(),
            asyncssh.EXTENDED_DATA_STDERR: bytearray(),
        }
        self.is_full = False
        self.ended = anyio.Event()

    def connection_made(self, chan: asyncssh.SSHClientChannel[bytes]) -> None:
        self._channel = chan

    def data_received(self, data: bytes, datatype: int | None) -> None:
        self._room -= len(data)
        if self._room >= 0:
            self.streams[datatype] += data
        elif not self.is_full and self._channel is not None:
            self.is_full = True
            self._channel.abort()
            self.ended.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def run(
    connection: asyncssh.SSHClientConnection, command: str, stdin: bytes, what: str, most_bytes: int
) -> Ended | None:
    """None where it isn't known how it ended. Raises TooMuch, and what asyncssh raises."""
    session = _Session(most_bytes)
    channel, _ = await connection.create_session(lambda: session, command, encoding=None)
    try:
        if stdin:
            channel.write(stdin)
        channel.write_eof()
        await session.ended.wait()
    finally:
        channel.close()
    if session.is_full:
        raise TooMuch(f"{what}: more than {most_bytes} bytes of output, so nobody read on")
    exit_code = channel.get_returncode()
    return None if exit_code is None else Ended(exit_code, *map(bytes, session.streams.values()))
