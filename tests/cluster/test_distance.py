"""The proxy that stands for distance."""

import time
from collections.abc import AsyncIterator

import anyio
import pytest
from anyio.abc import SocketStream

from fakes.distance import Distance, distance

RTT_SECONDS = 0.2


async def echo(client: SocketStream) -> None:
    async with client:
        async for piece in client:
            await client.send(piece)


@pytest.fixture
async def far() -> AsyncIterator[int]:
    """The port of an echo, far away."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, echo)
        port = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
        async with Distance(port, RTT_SECONDS).listening() as own:
            yield own
        tasks.cancel_scope.cancel()


async def test_an_answer_takes_a_round_trip_and_the_first_one_two(far: int) -> None:
    began = time.monotonic()
    async with await anyio.connect_tcp("127.0.0.1", far) as client:
        await client.send(b"x")
        assert await client.receive() == b"x"
        assert 2 * RTT_SECONDS <= time.monotonic() - began < 3 * RTT_SECONDS
        again = time.monotonic()
        await client.send(b"y")
        assert await client.receive() == b"y"
        assert RTT_SECONDS <= time.monotonic() - again < 2 * RTT_SECONDS


async def test_much_arrives_in_order_and_as_soon_as_little(far: int) -> None:
    sent = b"".join(number.to_bytes(4) for number in range(1_000_000))
    received = bytearray()
    began = time.monotonic()
    async with await anyio.connect_tcp("127.0.0.1", far) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.send, sent)
        while len(received) < len(sent):
            received += await client.receive()
    assert bytes(received) == sent
    assert time.monotonic() - began < 2 * RTT_SECONDS + 2


async def test_an_end_arrives_after_all_that_was_said(far: int) -> None:
    async with await anyio.connect_tcp("127.0.0.1", far) as client:
        await client.send(b"last words")
        await client.send_eof()
        assert [piece async for piece in client] == [b"last words"]


async def test_where_nobody_listens_it_hangs_up() -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        nobody = listener.listeners[0].extra(anyio.abc.SocketAttribute.local_port)
    async with (
        Distance(nobody, 0.0).listening() as own,
        await anyio.connect_tcp("127.0.0.1", own) as client,
    ):
        with anyio.fail_after(5), pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
            await client.receive()


def test_it_can_be_had_without_an_event_loop() -> None:
    with distance(1, 0.0) as own:
        assert own != 1
