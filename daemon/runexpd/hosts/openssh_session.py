"""One command by an `ssh` of its own: what it writes is bounded while it arrives, and begins where it is known to be its own.

By asyncio's own means: once it is given up its pipes are closed, which the master connection may hold open for longer.
"""

import asyncio
from collections.abc import Sequence
from typing import cast

from runexpd.hosts.shell import TooMuch
from runexpd.hosts.stream import Stream

_STDIN, _STDOUT = 0, 1


class Session(asyncio.SubprocessProtocol):
    """`most_bytes`: of both streams together, from `begin` on."""

    def __init__(self, begin: bytes, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._transport: asyncio.SubprocessTransport | None = None
        self._stdout, self._stderr = Stream(begin), Stream(begin)
        self.is_full = False
        self.ended = asyncio.Event()

    @property
    def streams(self) -> tuple[bytes, bytes]:
        return bytes(self._stdout.data), bytes(self._stderr.data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self._stdout if fd == _STDOUT else self._stderr).take(data)
        if len(self._stdout.data) + len(self._stderr.data) > self._most_bytes and self._transport is not None:
            self.is_full = True
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


async def run(argv: Sequence[str], script: bytes, session: Session, what: str) -> tuple[bytes, bytes]:
    """Both streams, once they have ended. Raises TooMuch and OSError."""
    loop = asyncio.get_running_loop()
    transport, _ = await loop.subprocess_exec(lambda: session, *argv, start_new_session=True)
    try:
        stdin = cast(asyncio.WriteTransport, transport.get_pipe_transport(_STDIN))
        stdin.write(script)
        stdin.write_eof()
        await session.ended.wait()
    finally:
        transport.close()
    if session.is_full:
        raise TooMuch(what)
    return session.streams
