"""The door: hostile bytes, too many clients, too few descriptors, and what may lie where the socket belongs."""

import errno
import os
import random
import resource
import socket as sockets
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream
from loguru import logger

from runexp import __version__
from runexp.wire import framing, requests
from runexp.wire.refusals import Code, Refused
from runexpd.api import conversation, socket
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal

LIMIT_SECONDS = 30
HELLO = framing.pack(framing.Hello(framing.PROTOCOL, __version__))
LS = framing.pack(requests.Ls())
ANSWERS: dict[Any, Any] = conversation._ANSWERS
STREAMS: dict[Any, Any] = conversation._STREAMS
ANSWER = requests.LsReply(experiments=())
HUNG_UP = (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)


def context() -> Context:
    """Of a daemon that has begun. Handlers of the tests ask for nothing more."""
    begun = anyio.Event()
    begun.set()
    return cast(
        Context, SimpleNamespace(loop=SimpleNamespace(begun=begun), shelf=SimpleNamespace(held=nullcontext))
    )


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A socket's place, and a daemon that answers `Ls`."""

    async def ls(context: Context, asked: requests.Ls) -> requests.LsReply:
        return ANSWER

    monkeypatch.setitem(ANSWERS, requests.Ls, ls)
    return tmp_path / "runexpd.sock"


@pytest.fixture
def said() -> Any:
    """What the daemon logs, a line each."""
    lines: list[str] = []
    handler = logger.add(lambda message: lines.append(str(message)), format="{message}")
    yield lines
    logger.remove(handler)


@asynccontextmanager
async def served(path: Path) -> AsyncIterator[None]:
    with anyio.fail_after(LIMIT_SECONDS):
        async with anyio.create_task_group() as tasks:
            await tasks.start(socket.serve, path, context())
            yield
            tasks.cancel_scope.cancel()


async def everything(client: SocketStream) -> list[requests.Reply]:
    """What the daemon says after its hello, until it hangs up."""
    data = b""
    with suppress(*HUNG_UP):
        while True:
            data += await client.receive()
    hello, *replies = data.splitlines()
    assert framing.unpack_hello(hello).protocol == framing.PROTOCOL
    return [framing.unpack_reply(line) for line in replies]


async def told(path: Path, *data: bytes) -> list[requests.Reply]:
    """The answers to a client that says this."""
    async with await anyio.connect_unix(path) as client:
        with suppress(*HUNG_UP):  # it may have had enough
            for part in data:
                await client.send(part)
        return await everything(client)


async def is_served(path: Path) -> bool:
    return await told(path, HELLO, LS) == [ANSWER]


BRACKETS = b"[" * 100_000
HOSTILE = {
    "nothing of a line": b"\n",
    "bytes": random.Random(8).randbytes(5000) + b"\n",
    "NULs": b"\0" * 1000 + b"\n",
    "not UTF-8": b'{"type":"Status","experiment":"\xff\xfe"}\n',
    "half a character": b'{"type":"Status","experiment":"\\ud800"}\n',
    "a NUL in a name": b'{"type":"Status","experiment":"a\\u0000b"}\n',
    "a NUL in a list": b'{"type":"Cancel","experiment":"a","jobs":["\\u0000"]}\n',
    "brackets": BRACKETS + b"\n",
    "brackets in a field that nobody knows": b'{"type":"Ls","x":' + BRACKETS + b"\n",
    "a number without end": b'{"type":"Follow","experiment":"e","after":' + b"9" * 100_000 + b"}\n",
    "an unknown request": b'{"type":"Levitate"}\n',
    "another type": b'{"type":"Run","dir":7}\n',
    "not for a beginning": framing.pack(requests.Answers(answers=())),
    "a long line": b"x" * (3 * conversation.MAX_REQUEST_BYTES) + b"\n",
    "a line without end": b"x" * (64 * 1024 * 1024),
}


@pytest.mark.parametrize("said_first", [b"", HELLO], ids=["as hello", "as request"])
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_is_no_request_is_refused_in_a_line_and_nobody_else_notices(
    path: Path, said_first: bytes, hostile: bytes, said: list[str]
) -> None:
    async with served(path):
        [refused] = await told(path, said_first, hostile)
        assert isinstance(refused, Refused)
        assert refused.code is Code.BAD_REQUEST
        assert refused.what.isprintable()
        assert await is_served(path)
    assert said == []


async def test_half_a_line_and_then_nothing_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "REQUEST_SECONDS", 0.05)
    async with served(path):
        for half in (b"", HELLO[:5], HELLO, HELLO + LS[:5]):
            [refused] = await told(path, half)
            assert isinstance(refused, Refused)
            assert "no request came" in refused.what
        assert await is_served(path)


async def test_a_client_that_leaves_in_the_middle_is_nobodys_trouble(path: Path, said: list[str]) -> None:
    async with served(path):
        for part in (b"", HELLO[:5], HELLO, HELLO + LS[:5], HELLO + LS):
            async with await anyio.connect_unix(path) as client:
                await client.send(part)
        assert await is_served(path)
    assert said == []


FOLLOW = framing.pack(requests.Follow(experiment="e", after=0))


async def test_a_client_that_does_not_read_holds_up_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent, over = [0], anyio.Event()

    async def flood(context: Context, asked: requests.Follow) -> AsyncIterator[requests.Reply]:
        try:
            while True:
                yield requests.Chunk(text="x" * 100_000)
                sent[0] += 1
        finally:
            over.set()

    monkeypatch.setitem(STREAMS, requests.Follow, flood)
    async with served(path):
        async with await anyio.connect_unix(path) as client:
            await client.send(HELLO + FOLLOW)
            while not sent[0]:
                assert await is_served(path)
            for _ in range(20):
                assert await is_served(path)
            assert sent[0] < 100  # what a pipe holds, and no more
        await over.wait()
        assert await is_served(path)


async def test_a_client_that_does_not_stop_talking_is_let_go(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence(context: Context, asked: requests.Follow) -> AsyncIterator[requests.Reply]:
        yield requests.Live()
        await anyio.sleep_forever()

    monkeypatch.setitem(STREAMS, requests.Follow, silence)
    async with served(path):
        assert await told(path, HELLO + FOLLOW, b"x" * (2 * conversation.MAX_REQUEST_BYTES)) == [
            requests.Live()
        ]
        assert await is_served(path)


Raised = Callable[[], Exception]


@pytest.mark.parametrize(
    ("raised", "code", "what"),
    [
        (lambda: RuntimeError("a\x1b[2J\nb \ud800\u202e"), Code.INTERNAL, "a b \\ud800\\u202e"),
        (lambda: Refusal(Code.UNKNOWN, "no\x07thing  here"), Code.UNKNOWN, "no\\x07thing  here"),
        (lambda: ExceptionGroup("", [Refusal(Code.UNKNOWN, "nothing")]), Code.UNKNOWN, "nothing"),
        (lambda: RecursionError("deep"), Code.INTERNAL, "RecursionError: deep"),
        (lambda: OSError(errno.ENOSPC, "No space left"), Code.INTERNAL, "No space left"),
    ],
)
async def test_what_a_handler_raises_is_told_in_a_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, raised: Raised, code: Code, what: str
) -> None:
    async def fail(context: Context, asked: requests.Info) -> requests.Reply:
        raise raised()

    monkeypatch.setitem(ANSWERS, requests.Info, fail)
    async with served(path):
        [refused] = await told(path, HELLO, framing.pack(requests.Info()))
    assert isinstance(refused, Refused)
    assert refused.code is code
    assert what in refused.what


async def test_an_answer_that_cannot_be_sent_is_a_fault_that_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(context: Context, asked: requests.Info) -> requests.Reply:
        return requests.Chunk(text="\ud800")

    monkeypatch.setitem(ANSWERS, requests.Info, broken)
    async with served(path):
        [refused] = await told(path, HELLO, framing.pack(requests.Info()))
    assert isinstance(refused, Refused)
    assert refused.code is Code.INTERNAL


Accept = Callable[[sockets.socket], tuple[sockets.socket, Any]]


async def test_without_descriptors_clients_wait_and_it_is_said_once(
    path: Path, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    monkeypatch.setattr(socket, "_PAUSE_SECONDS", 0.001)
    numbers = [errno.EMFILE] * 5 + [errno.ECONNABORTED, errno.ENFILE, errno.ENOMEM]
    accept: Accept = sockets.socket.accept

    def failing(listener: sockets.socket) -> tuple[sockets.socket, Any]:
        if numbers:
            raise OSError(numbers[0], os.strerror(numbers.pop(0)))
        return accept(listener)

    monkeypatch.setattr(sockets.socket, "accept", failing)
    async with served(path):
        assert await is_served(path)
        assert await is_served(path)
    assert numbers == []
    assert [line.strip() for line in said] == ["clients have to wait: [Errno 24] Too many open files"]


async def test_many_clients_at_once_are_all_answered(path: Path) -> None:
    count = socket.MAX_CLIENTS + socket.MAX_WAITING + 80
    answered = []

    async def one() -> None:
        answered.append(await is_served(path))

    async with served(path), anyio.create_task_group() as clients:
        for _ in range(count):
            clients.start_soon(one)
    assert answered == [True] * count


async def test_one_too_many_is_told_so_and_a_place_that_gets_free_is_given(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(context: Context, asked: requests.Info) -> requests.Reply:
        begun.append(asked)
        await anyio.sleep_forever()
        raise AssertionError

    begun: list[requests.Info] = []
    monkeypatch.setitem(ANSWERS, requests.Info, never)
    monkeypatch.setattr(socket, "MAX_CLIENTS", 3)
    monkeypatch.setattr(socket, "PLACE_SECONDS", 0.05)
    async with served(path):
        waiting = [await greeted(path, HELLO, framing.pack(requests.Info())) for _ in range(3)]
        while len(begun) < 3:
            await anyio.lowlevel.checkpoint()
        [refused] = await told(path, HELLO, LS)
        assert isinstance(refused, Refused)
        assert "all are taken" in refused.what
        await waiting[0].aclose()
        while not await is_served(path):
            pass
        for client in waiting:
            await client.aclose()


async def test_who_says_nothing_takes_no_place(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "MAX_CLIENTS", 1)
    monkeypatch.setattr(socket, "PLACE_SECONDS", 0.05)
    async with served(path):
        idle = [await greeted(path) for _ in range(20)]
        assert await is_served(path)
        for client in idle:
            await client.aclose()


async def test_who_says_nothing_for_long_makes_room_for_those_who_come(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "MAX_CLIENTS", 2)
    monkeypatch.setattr(socket, "MAX_WAITING", 1)
    monkeypatch.setattr(socket, "SILENT_SECONDS", 0.05)
    async with served(path):
        idle = [await anyio.connect_unix(path) for _ in range(20)]
        assert await is_served(path)
        [refused] = await everything(idle[0])
        assert isinstance(refused, Refused)
        assert refused.code is Code.BUSY
        for client in idle:
            await client.aclose()


@pytest.mark.parametrize("allowed", [8, 64, 1024, 65536])
def test_clients_hold_a_quarter_of_what_may_be_open(monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    door = socket._Door(context())
    assert 1 <= door.places.value < door.room.value <= max(2, allowed // 4)


async def greeted(path: Path, *data: bytes) -> SocketStream:
    """A client that says this, and no more."""
    client = await anyio.connect_unix(path)
    for part in data:
        await client.send(part)
    await BufferedByteReceiveStream(client).receive_until(b"\n", 1000)
    return client


async def test_the_socket_is_private_whatever_the_umask_which_stays(path: Path) -> None:
    before = os.umask(0)
    try:
        async with served(path):
            assert stat.S_IMODE((await anyio.Path(path).stat()).st_mode) == 0o600
            assert os.umask(0) == 0
    finally:
        os.umask(before)
    assert not await anyio.Path(path).exists()


def lay_file(path: Path) -> None:
    path.touch()


def lay_link(path: Path) -> None:
    path.symlink_to(path.parent / "nowhere")


@pytest.mark.parametrize("lay", [lay_file, lay_link, Path.mkdir])
async def test_what_is_no_socket_is_left_alone(path: Path, lay: Callable[[Path], None]) -> None:
    await anyio.to_thread.run_sync(lay, path)
    with pytest.raises(socket.SocketRefused, match="is no socket"):
        await socket.serve(path, context())
    assert await anyio.Path(path).lstat()


async def test_a_socket_that_a_dead_daemon_left_is_replaced(path: Path) -> None:
    with sockets.socket(sockets.AF_UNIX) as left_over:
        left_over.bind(str(path))
    async with served(path):
        assert await is_served(path)


async def test_a_socket_that_is_answered_is_not_taken_away(path: Path) -> None:
    async with served(path):
        with pytest.raises(socket.SocketRefused, match="another daemon"):
            await socket.serve(path, context())
        assert await is_served(path)


async def test_the_socket_of_a_later_daemon_is_left_to_it(path: Path) -> None:
    async with served(path):
        await anyio.Path(path).unlink()
        await anyio.Path(path).touch()
    assert await anyio.Path(path).exists()


async def test_a_path_that_no_system_takes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(socket.SocketRefused, match="107 bytes"):
        await socket.serve(tmp_path / ("x" * 108), context())


def test_the_limit_of_open_files_is_raised() -> None:
    script = (
        "import resource; from runexpd.api import socket;"
        "hard = min(4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard)); socket.raise_descriptor_limit();"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
