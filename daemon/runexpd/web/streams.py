"""Server-sent events: what happens, as it happens. A browser that reads slowly, or not at all, holds up itself alone.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from runexp.text import printable_lines
from runexp.wire import framing, requests
from runexpd.api import conversation
from runexpd.web.answers import said
from runexpd.web.asking import Problem, glance
from runexpd.web.desk import Desk

#: A stream without a word dies on its way through proxies and tunnels; and a browser that hears none knows that it is cut off.
PING_SECONDS = 15.0
#: Of an output, to begin with.
TAIL_BYTES = 64 * 1024
#: Streams at a time: each is a follower of the ledger.
MOST_STREAMS = 64
#: A list of all experiments is not looked at more often than this.
GATHER_SECONDS = 0.5

Said = tuple[str, Any, int | None]
"""The kind of an event, what it says, and its number where it has one."""


class Stream(Response):
    """Until the browser is gone, the page ends, or there is nothing more to say."""

    media_type = "text/event-stream"

    def __init__(self, desk: Desk, says: AsyncGenerator[Said, None]) -> None:
        super().__init__(None, 200)
        del self.headers["content-length"]
        self.headers["cache-control"] = "no-store"
        self.headers["x-accel-buffering"] = "no"
        self._desk = desk
        self._says = says

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with anyio.create_task_group() as tasks:
            for end in (partial(_gone, receive), self._desk.closing.wait):
                tasks.start_soon(_then_cancel, end, tasks.cancel_scope)
            tasks.start_soon(self._say_all, send, tasks.cancel_scope)
        with anyio.CancelScope(shield=True):
            await self._says.aclose()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _say_all(self, send: Send, scope: anyio.CancelScope) -> None:
        turn = anyio.Lock()

        async def say(body: bytes) -> None:
            async with turn:
                await send({"type": "http.response.body", "body": body, "more_body": True})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_ping, say)
            try:
                async for event in self._says:
                    await say(packed(*event))
            except Exception as error:
                await say(packed("refused", conversation.refused(error), None))
            tasks.cancel_scope.cancel()
        scope.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _then_cancel(end: Any, scope: anyio.CancelScope) -> None:
    await end()
    scope.cancel()


async def _ping(say: Any) -> None:
    await say(b"retry: 2000\n\n")
    while True:
        await anyio.sleep(PING_SECONDS)
        await say(packed("ping", {}, None))


def packed(kind: str, data: Any, id: int | None) -> bytes:
    """JSON has no line ends of its own, so a message is one line whatever it says."""
    number = f"id: {id}\n".encode() if id is not None else b""
    return number + f"event: {kind}\ndata: ".encode() + msgspec.json.encode(data) + b"\n\n"


async def of_experiment(desk: Desk, id: str, after: int) -> AsyncGenerator[Said, None]:
    """`seen`: an event of the ledger; `changed`: it stands otherwise, look again; `as_of`: as old as that."""
    asked = requests.Follow(experiment=id, after=after)
    async with aclosing(_streamed(desk, asked)) as replies:
        async for reply in replies:
            match reply:
                case requests.Seen(envelope=envelope):
                    yield "seen", envelope, envelope.seq
                case requests.Live():
                    yield "live", {}, None
                case requests.AsOf(at=at):
                    yield "as_of", {"at": at}, None
                case _:
                    yield "changed", {}, None


async def of_all(desk: Desk, after: int) -> AsyncGenerator[Said, None]:
    """`changed`: something happened somewhere, look again."""
    loop, ledger = desk.context.loop, desk.context.ledger
    await loop.begun.wait()
    yield "live", {}, None
    while True:
        rung = loop.bell.take()
        if ledger.last_seq != after:
            after = ledger.last_seq
            yield "changed", {}, after
            await anyio.sleep(GATHER_SECONDS)
        else:
            await rung.wait()


async def of_output(desk: Desk, id: str, job: str | None) -> AsyncGenerator[Said, None]:
    """`chunk`: text as it comes; `end`: there will be no more."""
    asked = requests.Logs(experiment=id, job=job, follow=True, tail_bytes=TAIL_BYTES)
    async with aclosing(_streamed(desk, asked)) as replies:
        async for reply in replies:
            match reply:
                case requests.Chunk(text=text):
                    yield "chunk", {"text": "\r".join(map(printable_lines, text.split("\r")))}, None
                case requests.LogsEnd(path=path):
                    yield "end", {"path": path}, None


async def _streamed(
    desk: Desk, asked: requests.Request
) -> AsyncGenerator[requests.Reply | framing.Packed, None]:
    await desk.context.loop.begun.wait()
    replies: AsyncIterator[requests.Reply | framing.Packed] = conversation.stream(desk.context, asked)
    async for reply in replies:
        yield reply


class Streams:
    """The addresses of the streams, and how many there are at a time."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._open = 0

    async def all(self, request: Request) -> Response:
        """`changed` when something happened to any experiment; `after`: the last number that is known."""
        return self._stream(of_all(self._desk, _cursor(request) or 0))

    async def experiment(self, request: Request) -> Response:
        """`seen`, an event in its envelope; `changed`, look again; `as_of`, as old as that; and `ping`.

        `live`: all of the past was told; `reset`: `after` is no number of this ledger.
        """
        id = request.path_params["id"]
        try:
            known = await glance(self._desk, id)
        except Problem as problem:
            return said(problem.refused, problem.status)
        after = _cursor(request)
        if after is None or after > self._desk.context.ledger.last_seq:
            return self._stream(_anew(self._desk, id, known.seq))
        return self._stream(of_experiment(self._desk, id, after))

    async def output(self, request: Request) -> Response:
        """`chunk`, text of the output of the job `id` as it grows; and `end`."""
        id, job = request.path_params["id"], request.query_params.get("id")
        return self._stream(of_output(self._desk, id, job))

    def _stream(self, says: AsyncGenerator[Said, None]) -> Response:
        if self._open >= MOST_STREAMS:
            return said({"what": f"{MOST_STREAMS} pages are open", "hint": "close some"}, 503)
        return Stream(self._desk, self._counted(says))

    async def _counted(self, says: AsyncGenerator[Said, None]) -> AsyncGenerator[Said, None]:
        self._open += 1
        try:
            async with aclosing(says):
                async for event in says:
                    yield event
        finally:
            self._open -= 1


#: By address.
STREAMS: dict[str, Callable[[Streams, Request], Awaitable[Response]]] = {
    "/api/events": Streams.all,
    "/api/experiments/{id}/events": Streams.experiment,
    "/api/experiments/{id}/output": Streams.output,
}


def _cursor(request: Request) -> int | None:
    """Where the browser left off, or where its page was made; None where that is no number."""
    told = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 17 else None


async def _anew(desk: Desk, id: str, seq: int) -> AsyncGenerator[Said, None]:
    """That number is none of this ledger's: what follows begins here."""
    yield "reset", {"seq": seq}, seq
    async with aclosing(of_experiment(desk, id, seq)) as says:
        async for event in says:
            yield event
