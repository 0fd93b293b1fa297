"""One client: what it wants, the handler for it, and the answers. What is said is the handlers' affair."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import anyio
import msgspec
from loguru import logger

from runexp import __version__, tending
from runexp.text import on_one_line
from runexp.wire import framing, requests
from runexp.wire.completing import Directories
from runexp.wire.files import FileAsk, FilesAsk
from runexp.wire.notices import Notices
from runexp.wire.outputs import Logs
from runexp.wire.refusals import Code, Refused
from runexp.wire.reloading import Reload
from runexp.wire.settings import Set
from runexp.wire.upkeep import Archive, Discard, Leftovers, Remove, Unarchive
from runexpd.api import (
    asking,
    bringing,
    clusters,
    completing,
    logging_in,
    looking_over,
    opening,
    outputs,
    recipes,
    reloading,
    setting,
    showing,
    telling,
    upkeep,
)
from runexpd.api.context import Context
from runexpd.api.line import HungUp, Line, TooLong
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import ClusterUnreachable
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import FileMissing, FileRefused, HostUnreachable
from runexpd.ledger.errors import LedgerError
from runexpd.runtime.loop import NotTaken
from runexpd.runtime.shelf import Removed

_ANSWERS: dict[type[Any], Callable[[Context, Any], Awaitable[requests.Reply]]] = {
    requests.Run: asking.run,
    requests.PlanAsk: asking.show_plan,
    requests.Retry: asking.retry,
    requests.Rerun: asking.rerun,
    requests.Accept: asking.accept,
    requests.Cancel: asking.cancel,
    requests.Ls: showing.ls,
    requests.Status: showing.status,
    requests.ReportAsk: showing.show_report,
    requests.Metrics: showing.curves,
    requests.Show: recipes.show,
    requests.Info: showing.info,
    Reload: reloading.reload,
    Set: setting.set,
    Archive: upkeep.archive,
    Unarchive: upkeep.unarchive,
    Remove: upkeep.remove,
    Leftovers: upkeep.leftovers,
    Discard: upkeep.discard,
    requests.Clusters: clusters.clusters,
    requests.PageAsk: opening.open_page,
    requests.Doctor: looking_over.doctor,
    Directories: completing.directories,
    Notices: telling.notices,
    FilesAsk: bringing.files,
}
_STREAMS: dict[type[Any], Callable[[Context, Any], AsyncIterator[requests.Reply | framing.Packed]]] = {
    requests.Follow: showing.follow,
    Logs: outputs.logs,
    FileAsk: bringing.file,
}

#: Requests are small; a line that is longer is none.
MAX_REQUEST_BYTES = 1_000_000
#: To say hello and what is wanted.
REQUEST_SECONDS = 60.0
#: What a line that is no message makes a decoder raise; msgspec's own errors are ValueErrors.
_UNREADABLE = (ValueError, RecursionError)


async def heard(client: Line) -> requests.Request | None:
    """What the client asks for; None where it is no request, which is told. Raises HungUp."""
    try:
        with anyio.fail_after(REQUEST_SECONDS):
            return await _asked(client)
    except Refusal as refusal:
        await client.send(refusal.refused)
    except TimeoutError:
        what = f"no request came within {REQUEST_SECONDS:.0f} s"
        await client.send(Refused(code=Code.BAD_REQUEST, what=what))
    return None


async def hold(client: Line, context: Context, request: requests.Request) -> None:
    """Answer it. Raises HungUp."""
    if isinstance(request, requests.Login):
        # The one conversation in which the client speaks more than once: hanging up shows when it is to answer.
        return await _guard(client, _log_in(client, context, request))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_until_gone, client, tasks.cancel_scope)
        with suppress(HungUp):
            await _guard(client, _answer(client, context, request))
        tasks.cancel_scope.cancel()


async def _until_gone(client: Line, scope: anyio.CancelScope) -> None:
    """A client that hangs up frees what its request holds, and so does one that won't stop talking."""
    await client.until_gone(MAX_REQUEST_BYTES)
    scope.cancel()


async def _asked(client: Line) -> requests.Request:
    """What the client wants, after its hello. Raises Refusal."""
    try:
        hello = framing.unpack_hello(await client.hear(MAX_REQUEST_BYTES))
        if hello.protocol != framing.PROTOCOL:
            raise _other_version(hello)
        request = framing.unpack_request(await client.hear(MAX_REQUEST_BYTES))
    except _UNREADABLE as error:
        raise Refusal(Code.BAD_REQUEST, on_one_line(f"not a request: {error}")) from None
    except TooLong:
        what = f"not a request: a line of more than {MAX_REQUEST_BYTES} bytes"
        raise Refusal(Code.BAD_REQUEST, what) from None
    if _holds_nul(msgspec.to_builtins(request)):
        raise Refusal(Code.BAD_REQUEST, "not a request: no name or path has a NUL in it")
    return request


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(map(_holds_nul, value.values()))
    return isinstance(value, list | tuple) and any(map(_holds_nul, value))


async def _answer(client: Line, context: Context, request: requests.Request) -> None:
    if not isinstance(request, requests.Info):
        await context.loop.begun.wait()
    if type(request) in _STREAMS:
        async for reply in stream(context, request):
            await client.send(reply)
    else:
        await client.send(await answer(context, request))


async def answer(context: Context, request: requests.Request) -> requests.Reply:
    """What is said to a request that has one reply. Raises what `refused` puts into words."""
    if (answering := _ANSWERS.get(type(request))) is None:
        raise Refusal(Code.BAD_REQUEST, f"{type(request).__name__} begins no conversation")
    with context.shelf.held():
        return await answering(context, request)


def stream(context: Context, request: requests.Request) -> AsyncIterator[requests.Reply | framing.Packed]:
    """What is said to one that has many. Raises as `answer`, and KeyError where it has not."""
    return _STREAMS[type(request)](context, request)


async def _log_in(client: Line, context: Context, request: requests.Login) -> None:
    async def say(reply: requests.Reply) -> None:
        await client.send(reply)

    async def hear() -> requests.Request:
        try:
            return framing.unpack_request(await client.hear(MAX_REQUEST_BYTES))
        except (*_UNREADABLE, TooLong):
            return requests.Answers(answers=None)

    await logging_in.login(context, request, say, hear)


async def _guard(client: Line, work: Awaitable[None]) -> None:
    """Whatever goes wrong becomes a refusal, except that there is nobody left to be told."""
    try:
        await work
    except HungUp:
        raise
    except Exception as error:
        await client.send(refused(error))


def refused(error: Exception) -> Refused:
    """What went wrong with a request, for whoever asked."""
    return _printable(_refused(_alone(error)))


def _alone(error: Exception) -> Exception:
    """Out of the groups that task groups put a single error into."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _printable(refused: Refused) -> Refused:
    """Errors quote names from files, and what servers said."""
    what, where, hint = map(on_one_line, (refused.what, refused.where, refused.hint))
    return Refused(code=refused.code, what=what, where=where, hint=hint)


def _refused(error: Exception) -> Refused:
    match error:
        case Refusal():
            return error.refused
        case BadExperiment():
            return Refused(code=Code.BAD_EXPERIMENT, what=error.what, where=error.where, hint=error.hint)
        case FileMissing() | FileRefused():
            hint = "look what lies there, on the machine where it is: ls -ld"
            return Refused(code=Code.BAD_EXPERIMENT, what=error.what, hint=hint)
        case Removed():
            return Refused(code=Code.UNKNOWN, what=error.what, hint=error.hint)
        case NotTaken() | LedgerError():
            return Refused(code=Code.INTERNAL, what=error.what, hint=error.hint)
        case HostUnreachable() | ClusterUnreachable():
            hint = "nothing was changed; try again when it answers"
            return Refused(code=Code.UNREACHABLE, what=error.what, hint=hint)
        case _:
            logger.opt(exception=error).error("a request failed")
            what = f"a fault of the daemon's: {type(error).__name__}: {error}"
            return Refused(code=Code.INTERNAL, what=what, hint="the daemon's journal has the details")


def _other_version(hello: framing.Hello) -> Refusal:
    what = (
        f"this client speaks protocol {hello.protocol}, the daemon {framing.PROTOCOL} (runexp {__version__})"
    )
    return Refusal(Code.VERSION, what, hint=tending.restart())
