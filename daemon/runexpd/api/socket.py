"""The Unix socket: who may come in, and how many at a time."""

import errno
import os
import resource
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
from anyio.abc import TaskGroup, TaskStatus
from loguru import logger

from runexp import __version__
from runexp.wire import framing
from runexp.wire.refusals import Code, Refused
from runexpd.api import activation, conversation
from runexpd.api.context import Context
from runexpd.api.line import HungUp, Line

#: struct ucred of unix(7): pid, uid, gid.
_UCRED = struct.Struct("3i")

#: So many are served at a time. More are let in, and heard, and told when no place gets free; the rest wait in the system's queue.
MAX_CLIENTS, MAX_WAITING = 256, 512
PLACE_SECONDS = 2.5
#: Who has said nothing for so long goes when another one comes, and there is no room.
SILENT_SECONDS = 1.0
#: More would only be a burden to children, some of which close every descriptor that they may have.
MAX_DESCRIPTORS = 65536
_PAUSE_SECONDS = 0.5
#: Clients that wait to be let in; the system may allow fewer.
_QUEUE = 4096
#: What passes when others let go of something.
_LACKS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
#: The client's own affair: it left before it was let in.
_LEFT = {errno.ECONNABORTED, errno.EPROTO, errno.EINTR}


class SocketRefused(Exception):
    """Raised when the socket can't be made safely."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def raise_descriptor_limit() -> None:
    """As many open files as the system lets us have: connections, sessions and jobs are many, and the usual 1024 are few."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Door:
    """Who is inside."""

    def __init__(self, context: Context) -> None:
        self.context = context
        #: Clients may hold a quarter of the open files that we may have: the rest is for the work.
        allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        room = MAX_CLIENTS + MAX_WAITING
        room = min(room, max(2, allowed // 4)) if allowed > 0 else room
        self.most = min(MAX_CLIENTS, max(1, room * 2 // 3))
        self.room = anyio.Semaphore(room)
        self.places = anyio.Semaphore(self.most)
        #: Those who have asked for nothing yet, and since when, the longest first.
        self._silent: dict[anyio.CancelScope, float] = {}

    @contextmanager
    def silent(self) -> Iterator[anyio.CancelScope]:
        """While nothing is said. It is cancelled when there is no room for others."""
        with anyio.CancelScope() as scope:
            self._silent[scope] = anyio.current_time()
            try:
                yield scope
            finally:
                del self._silent[scope]

    async def make_room(self) -> None:
        """For one more."""
        while True:
            with anyio.move_on_after(self._send_away()):
                return await self.room.acquire()

    def _send_away(self) -> float:
        """One who has said nothing for long, if there is no room; how many seconds until the next may go."""
        longest = next(iter(self._silent), None)
        if longest is None or self.room.value:
            return SILENT_SECONDS
        left = self._silent[longest] + SILENT_SECONDS - anyio.current_time()
        if left <= 0:
            longest.cancel()
        return max(left, _PAUSE_SECONDS / 10)


async def serve(
    path: Path, context: Context, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    """Answer clients until cancelled. Raises SocketRefused."""
    if (given := activation.socket()) is not None:
        await _answer(given, context, task_status)
        return
    listener, own = await anyio.to_thread.run_sync(_listening, path)
    try:
        await _answer(listener, context, task_status)
    finally:
        with anyio.move_on_after(_PAUSE_SECONDS, shield=True):
            alone = anyio.CapacityLimiter(1)  # all other threads may hang
            await anyio.to_thread.run_sync(_clear, path, own, abandon_on_cancel=True, limiter=alone)


async def _answer(listener: socket.socket, context: Context, task_status: TaskStatus[None]) -> None:
    with listener:
        async with anyio.create_task_group() as clients:
            task_status.started()
            await _let_in(listener, clients, _Door(context))


def _listening(path: Path) -> tuple[socket.socket, os.stat_result]:
    """The socket, and which file it is."""
    _make_room(path)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(os.fspath(path))
        os.chmod(path, 0o600)  # nobody comes before it listens
        listener.listen(_QUEUE)
        listener.setblocking(False)
        return listener, path.lstat()
    except OSError as error:
        listener.close()
        raise SocketRefused(f"no socket at {path}: {error.strerror or error}") from error


def _make_room(path: Path) -> None:
    if len(os.fsencode(path)) > 107:
        what = f"the socket's path is longer than the 107 bytes a system allows: {path}"
        raise SocketRefused(what, "RUNEXP_HOME=DIR with a shorter one")
    if not os.path.lexists(path):
        return
    if not stat.S_ISSOCK(path.lstat().st_mode):
        raise SocketRefused(f"{path} is there already, and is no socket", "move it away")
    if _is_answered(path):
        raise SocketRefused(
            f"another daemon answers at {path}", "stop that one first, or use RUNEXP_HOME=DIR"
        )
    path.unlink()


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        try:
            client.connect(os.fspath(path))
        except BlockingIOError:  # its queue is full, so it has one
            return True
        except OSError:
            return False
    return True


def _clear(path: Path, own: os.stat_result) -> None:
    """Ours, not that of a daemon which came after us."""
    with suppress(OSError):
        if os.path.samestat(path.lstat(), own):
            path.unlink()


async def _let_in(listener: socket.socket, clients: TaskGroup, door: _Door) -> None:
    while True:
        await anyio.wait_readable(listener)
        await door.make_room()
        clients.start_soon(_attended, await _next(listener), door)


async def _next(listener: socket.socket) -> socket.socket:
    """The next client. What lacks for it is waited for, and told once."""
    is_told = False
    while True:
        await anyio.wait_readable(listener)
        try:
            client, _ = listener.accept()
            client.setblocking(False)
            return client
        except BlockingIOError:
            pass
        except OSError as error:
            if error.errno not in _LACKS | _LEFT:
                raise
            if error.errno in _LACKS:
                if not is_told:
                    logger.warning("clients have to wait: {}", error)
                is_told = True
                await anyio.sleep(_PAUSE_SECONDS)


async def _attended(client: socket.socket, door: _Door) -> None:
    """A client's fault, or ours with a client, is never the daemon's end."""
    try:
        with client:
            if _peer_uid(client) == os.getuid():
                await _placed(Line(client), door)
            else:
                logger.warning("a client of another user was turned away")
    except HungUp:
        pass
    except Exception:
        logger.exception("a request failed")
    finally:
        door.room.release()


async def _placed(client: Line, door: _Door) -> None:
    """Who says nothing takes no place."""
    await client.send(framing.Hello(framing.PROTOCOL, __version__))
    request = None
    with door.silent() as sent_away:
        request = await conversation.heard(client)
    if sent_away.cancelled_caught:
        what = f"no request came within {SILENT_SECONDS:.0f} s, and others wait to be let in"
        return await client.send(Refused(code=Code.BUSY, what=what))
    if request is None:
        return None
    with anyio.move_on_after(PLACE_SECONDS) as waited:
        await door.places.acquire()
    if waited.cancelled_caught:
        what = f"runexpd has {door.most} connections at a time, and all are taken"
        hint = "detach some (runexp attach, runexp logs -f), or try again"
        return await client.send(Refused(code=Code.BUSY, what=what, hint=hint))
    try:
        await conversation.hold(client, door.context, request)
    finally:
        door.places.release()


def _peer_uid(client: socket.socket) -> int:
    credentials = client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])
