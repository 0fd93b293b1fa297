"""One command in a session of its own: what it writes is bounded while it arrives, and begins where it is known to be its own."""

import anyio
import asyncssh

from runexpd.hosts.shell import TooMuch

#: Of what isn't ours: for a message that says what was there instead.
_KEPT_BYTES = 4096


class _Stream:
    """Drops what stands before `begin`, however much it is: a banner is nobody's answer."""

    def __init__(self, begin: bytes) -> None:
        self._begin = begin
        self._has_begun = False
        self.data = bytearray()

    def take(self, data: bytes) -> None:
        self.data += data
        if not self._has_begun:
            at = self.data.find(self._begin)
            self._has_begun = at >= 0
            del self.data[: at if self._has_begun else max(0, len(self.data) - _KEPT_BYTES)]


class Session(asyncssh.SSHClientSession[bytes]):
    """`most_bytes`: of both streams together, from `begin` on."""

    def __init__(self, begin: bytes, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._channel: asyncssh.SSHClientChannel[bytes] | None = None
        self._stdout, self._stderr = _Stream(begin), _Stream(begin)
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


#: A channel, and its session.
Opened = tuple[asyncssh.SSHClientChannel[bytes], Session]


async def finished(opened: Opened, script: bytes, what: str) -> Session:
    """Once its streams have ended. Raises TooMuch, and what asyncssh raises."""
    channel, session = opened
    try:
        channel.write(script)
        channel.write_eof()
        await session.ended.wait()
    finally:
        channel.close()
    if session.is_full:
        raise TooMuch(what)
    return session
