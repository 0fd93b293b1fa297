"""Distance: a TCP port on loopback that leads to another one, as far away as you like.

What comes is passed on half a round trip later, in order. Nothing waits for what is on its way, so bandwidth is loopback's.
Opening a connection takes a round trip, as it does on a network. Nothing is lost: that is another test's matter.
"""

import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

import anyio
from anyio.abc import ByteStream, SocketStream
from anyio.from_thread import start_blocking_portal
from anyio.streams.memory import MemoryObjectReceiveStream

_Piece = tuple[float, bytes]


@dataclass(frozen=True)
class Distance:
    """Between whoever connects and `port`."""

    port: int
    rtt_seconds: float

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[int]:
        """The port to connect to, while the context lasts."""
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        async with listener, anyio.create_task_group() as tasks:
            tasks.start_soon(listener.serve, self._connect)
            own: int = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
            yield own
            tasks.cancel_scope.cancel()

    async def _connect(self, near: SocketStream) -> None:
        """Whichever end breaks, or isn't there, the other one is hung up on."""
        async with near:
            await anyio.sleep(self.rtt_seconds)
            with suppress(OSError):
                async with await anyio.connect_tcp("127.0.0.1", self.port) as far:
                    await self._connected(near, far)

    async def _connected(self, near: ByteStream, far: ByteStream) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._carry, near, far)
                tasks.start_soon(self._carry, far, near)
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass

    async def _carry(self, source: ByteStream, sink: ByteStream) -> None:
        put, under_way = anyio.create_memory_object_stream[_Piece](math.inf)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._arrive, under_way, sink)
            with put:
                async for piece in source:
                    put.send_nowait((anyio.current_time() + self.rtt_seconds / 2, piece))

    async def _arrive(self, under_way: MemoryObjectReceiveStream[_Piece], sink: ByteStream) -> None:
        with under_way:
            async for due, piece in under_way:
                await anyio.sleep_until(due)
                await sink.send(piece)
        await anyio.sleep(self.rtt_seconds / 2)
        await sink.send_eof()


@contextmanager
def distance(port: int, rtt_seconds: float) -> Iterator[int]:
    """For whoever has no event loop: a port that leads to `port`."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(Distance(port, rtt_seconds).listening()) as own,
    ):
        yield own
