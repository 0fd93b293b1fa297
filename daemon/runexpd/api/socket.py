"""The Unix socket: who may come in, and frames in and out. What is said is the handlers' affair."""

import os
import socket
import stat
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec
from anyio.abc import SocketAttribute, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream
from loguru import logger

from runexp import __version__
from runexp.wire import framing, requests
from runexp.wire.refusals import Code, Refused
from runexpd.api import asking, logging_in, looking_over, showing
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import ClusterUnreachable
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import FileMissing, FileRefused, HostUnreachable

#: struct ucred of unix(7): pid, uid, gid.
_UCRED = struct.Struct("3i")

_ANSWERS: dict[type[Any], Callable[[Context, Any], Awaitable[requests.Reply]]] = {
    requests.Run: asking.run,
    requests.PlanAsk: asking.show_plan,
    requests.Retry: asking.retry,
    requests.Cancel: asking.cancel,
    requests.Ls: showing.ls,
    requests.Status: showing.status,
    requests.ReportAsk: showing.show_report,
    requests.Info: showing.info,
    requests.Doctor: looking_over.doctor,
}
_STREAMS: dict[type[Any], Callable[[Context, Any], AsyncIterator[requests.Reply]]] = {
    requests.Follow: showing.follow,
    requests.Logs: showing.logs,
}


class SocketRefused(Exception):
    """Raised when the socket can't be made safely."""


async def serve(
    path: Path, context: Context, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Answer clients until cancelled. The caller holds the ledger, so an old socket file is nobody's. Raises SocketRefused."""
    _make_room(path)
    mask = os.umask(0o177)
    try:
        listener = await anyio.create_unix_listener(path, mode=0o600)
    except OSError as error:
        raise SocketRefused(f"no socket at {path}: {error.strerror or error}") from error
    finally:
        os.umask(mask)
    try:
        async with listener:
            task_status.started()
            await listener.serve(lambda client: _guarded(client, context))
    finally:
        _clear(path)


def _make_room(path: Path) -> None:
    if len(os.fsencode(path)) > 107:
        raise SocketRefused(f"the socket's path is longer than the 107 bytes a system allows: {path}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fact = path.parent.lstat()
    if fact.st_uid != os.getuid() or fact.st_mode & 0o022:
        raise SocketRefused(f"{path.parent} must belong to you, and be writable by nobody else")
    if path.exists():
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SocketRefused(f"{path} is there already, and is no socket")
        path.unlink()


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)


async def _guarded(client: SocketStream, context: Context) -> None:
    """A client's fault, or ours with a client, is never the daemon's end."""
    async with client:
        try:
            if _peer_uid(client) == os.getuid():
                await _converse(client, context)
            else:
                logger.warning("a client of another user was turned away")
        except (
            anyio.BrokenResourceError,
            anyio.ClosedResourceError,
            anyio.EndOfStream,
            anyio.IncompleteRead,
        ):
            pass
        except anyio.DelimiterNotFound:
            await _send(client, Refused(code=Code.BAD_REQUEST, what="a line that is no request"))
        except Exception:
            logger.exception("a request failed")


def _peer_uid(client: SocketStream) -> int:
    raw: socket.socket = client.extra(SocketAttribute.raw_socket)
    credentials = raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])


async def _converse(client: SocketStream, context: Context) -> None:
    lines = BufferedByteReceiveStream(client)
    await client.send(framing.pack(framing.Hello(framing.PROTOCOL, __version__)))
    try:
        hello = framing.unpack_hello(await _line(lines))
        if hello.protocol != framing.PROTOCOL:
            return await _send(client, _other_version(hello))
        request = framing.unpack_request(await _line(lines))
    except msgspec.MsgspecError as error:
        return await _send(client, Refused(code=Code.BAD_REQUEST, what=f"not a request: {error}"))
    if isinstance(request, requests.Login):
        # The one conversation in which the client speaks more than once: hanging up shows when it is to answer.
        return await _guard(client, _log_in(client, lines, context, request))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, lines, tasks.cancel_scope)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # it hung up
            await _guard(client, _answer(client, context, request))
        tasks.cancel_scope.cancel()


async def _line(lines: BufferedByteReceiveStream) -> bytes:
    return await lines.receive_until(b"\n", framing.MAX_LINE_BYTES)


async def _answer(client: SocketStream, context: Context, request: requests.Request) -> None:
    if stream := _STREAMS.get(type(request)):
        async for reply in stream(context, request):
            await _send(client, reply)
    elif answer := _ANSWERS.get(type(request)):
        await _send(client, await answer(context, request))
    else:
        raise Refusal(Code.BAD_REQUEST, f"{type(request).__name__} begins no conversation")


async def _log_in(
    client: SocketStream, lines: BufferedByteReceiveStream, context: Context, request: requests.Login
) -> None:
    async def say(reply: requests.Reply) -> None:
        await _send(client, reply)

    async def hear() -> requests.Request:
        try:
            return framing.unpack_request(await _line(lines))
        except msgspec.MsgspecError:
            return requests.Answers(answers=None)

    await logging_in.login(context, request, say, hear)


async def _guard(client: SocketStream, work: Awaitable[None]) -> None:
    """Whatever goes wrong becomes a refusal, except that there is nobody left to be told."""
    try:
        await work
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, anyio.IncompleteRead):
        raise
    except Exception as error:
        await _send(client, _refused(error))


def _refused(error: Exception) -> Refused:
    match error:
        case Refusal():
            return error.refused
        case BadExperiment():
            return Refused(code=Code.BAD_EXPERIMENT, what=error.what, where=error.where, hint=error.hint)
        case FileMissing() | FileRefused():
            return Refused(code=Code.BAD_EXPERIMENT, what=error.what)
        case HostUnreachable() | ClusterUnreachable():
            hint = "nothing was changed; try again when it answers"
            return Refused(code=Code.UNREACHABLE, what=error.what, hint=hint)
        case _:
            logger.opt(exception=error).error("a request failed")
            what = f"a fault of the daemon's: {type(error).__name__}: {error}"
            return Refused(code=Code.INTERNAL, what=what, hint="the daemon's journal has the details")


async def _until_gone(lines: BufferedByteReceiveStream, scope: anyio.CancelScope) -> None:
    """A client that hangs up frees what its request holds. Reading on is also how one notices."""
    try:
        while True:
            await lines.receive()
    except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
        scope.cancel()


async def _send(client: SocketStream, reply: requests.Reply) -> None:
    await client.send(framing.pack(reply))


def _other_version(hello: framing.Hello) -> Refused:
    what = (
        f"this client speaks protocol {hello.protocol}, the daemon {framing.PROTOCOL} (runexp {__version__})"
    )
    return Refused(code=Code.VERSION, what=what, hint="restart the daemon: systemctl --user restart runexpd")
