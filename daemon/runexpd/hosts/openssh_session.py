"""A session by an `ssh` of its own: what is written in it is bounded while it arrives, and begins where it is known to be ours.

By asyncio's own means: once it is given up its pipes are closed, which the master connection may hold open for longer.
"""

import asyncio
from typing import cast

import anyio

from runexpd.hosts import envelope
from runexpd.hosts.openssh_master import Master
from runexpd.hosts.shell import TooMuch
from runexpd.hosts.ssh_room import NoRoom
from runexpd.hosts.stream import Streams

_STDIN, _STDERR = 0, 2
#: From when an `ssh` is killed until it is gone.
_END_SECONDS = 5.0
#: What ssh says where the server has no room for another session.
_NO_ROOM = (b"session request failed", b"Session open refused", b"no more sessions")


class Session(asyncio.SubprocessProtocol):
    """A runexpd.hosts.ssh_room.Session."""

    def __init__(self) -> None:
        self._streams = Streams()
        self._transport: asyncio.SubprocessTransport | None = None
        self._ended = asyncio.Event()

    @property
    def is_over(self) -> bool:
        return self._ended.is_set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.SubprocessTransport, transport)

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._streams.take(data, is_error=fd == _STDERR)
        if self._streams.is_full:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()

    async def run(self, script: bytes, begin: bytes, most_bytes: int, what: str) -> tuple[bytes, bytes]:
        assert self._transport is not None
        self._streams.expect(begin, most_bytes)
        try:
            stdin = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(_STDIN))
            stdin.write(script)
            stdin.write_eof()
            await self._ended.wait()
        finally:
            await self.end()
        if self._streams.is_full:
            raise TooMuch(what)
        stdout, stderr = self._streams.both
        if not stdout.startswith(begin) and any(words in stderr for words in _NO_ROOM):
            raise NoRoom(f"{what}: no session to be had")
        return stdout, stderr

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def end(self) -> None:
        self.close()
        with anyio.move_on_after(_END_SECONDS, shield=True):
            await self._ended.wait()


async def begin(master: Master) -> Session:
    """Raises OSError."""
    loop = asyncio.get_running_loop()
    argv = [*master.session(), envelope.COMMAND]
    # Broken off in between, it would leave its process to nobody.
    with anyio.CancelScope(shield=True):
        _, session = await loop.subprocess_exec(Session, *argv, start_new_session=True)
    return session
