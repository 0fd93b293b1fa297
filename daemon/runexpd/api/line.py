"""A client's connection: messages out, lines in, both of them waited for by its own task only."""

import socket

import anyio

from runexp.wire import framing, requests


class HungUp(Exception):
    """Raised when there is nobody left to talk to."""


class TooLong(Exception):
    """Raised when a line doesn't end where it must."""


class Line:
    """Over a connected socket that doesn't block, and that its maker closes."""

    def __init__(self, client: socket.socket) -> None:
        self._client = client
        self._read = bytearray()

    async def send(self, message: framing.Hello | requests.Reply | framing.Packed) -> None:
        """Waits for as long as the client doesn't read. Raises HungUp."""
        left = memoryview(message if isinstance(message, framing.Packed) else framing.pack(message))
        while left:
            try:
                left = left[self._client.send(left) :]
                await anyio.lowlevel.checkpoint()
            except BlockingIOError:
                await anyio.wait_writable(self._client)
            except OSError as error:
                raise HungUp from error

    async def hear(self, max_bytes: int) -> bytes:
        """The next line, without its end. Raises HungUp, also amid a line, and TooLong."""
        searched = 0
        while (end := self._read.find(b"\n", searched)) < 0:
            searched = len(self._read)
            if searched > max_bytes:
                raise TooLong
            self._read += await self._receive()
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line

    async def until_gone(self, max_bytes: int) -> None:
        """Until the client hangs up, or has said more than that, which nobody wants to hear."""
        try:
            while max_bytes > 0:
                max_bytes -= len(await self._receive())
        except HungUp:
            pass

    async def _receive(self) -> bytes:
        while True:
            await anyio.wait_readable(self._client)
            try:
                data = self._client.recv(65536)
            except BlockingIOError:
                continue
            except OSError as error:
                raise HungUp from error
            if not data:
                raise HungUp
            return data
