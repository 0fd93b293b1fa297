"""The room for sessions on a link's connection: few at a time, and no more than the server has room for, which is learned.

To open one takes two round trips. What is sent to each is the same, up to the script on its input: so a few are kept open
ahead of time, and whoever has a script has its answer a single round trip later. Whoever finds none takes the next that opens,
which somebody else's need may have begun before.
"""

from collections.abc import Awaitable, Callable
from typing import Generic, Protocol

import anyio
from anyio.abc import TaskGroup

from runexpd.hosts import faults
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.dial import C
from runexpd.hosts.ssh_link import SshLink

#: Sessions that wait for a script; and how many of them are for those who are in a hurry.
_READY = 4
LEFT = 2
#: A server that is there opens one at once.
_OPEN_SECONDS = 30.0
#: sshd counts a session that has just been closed for a moment longer: pauses until it is asked again.
_PAUSES_SECONDS = (0.02, 0.1, 0.5)
#: A session may be known to be gone before its connection is.
_LOST_SECONDS = 0.5


class NoRoom(HostUnreachable):
    """Raised when the server opens no session: nothing was begun."""


class Session(Protocol):
    """One in which a shell waits for a script on its input."""

    @property
    def is_over(self) -> bool: ...

    async def run(self, script: bytes, begin: bytes, most_bytes: int, what: str) -> tuple[bytes, bytes]:
        """Both streams from `begin` on, once they have ended. Raises NoRoom, TooMuch, and what its program raises."""
        ...

    async def end(self) -> None:
        """Also where somebody waits for it."""
        ...


class _Taker:
    """Somebody with a script who waits for a session. `leaving`: see Room.run; who leaves none comes first."""

    def __init__(self, leaving: int) -> None:
        self.leaving = leaving
        self.is_served = anyio.Event()
        self.session: Session | None = None
        self.error: Exception = NoRoom("no session to be had")

    def serve(self, session: Session | None) -> None:
        self.session = session
        self.is_served.set()


class Room(Generic[C]):
    def __init__(self, link: SshLink[C], tasks: TaskGroup, begin: Callable[[C], Awaitable[Session]]) -> None:
        """`begin` opens a session. Raises NoRoom."""
        self._link = link
        self._tasks = tasks
        self._begin = begin
        self._places = anyio.CapacityLimiter(link.sessions)
        self._connection: C | None = None
        self._ready: list[Session] = []
        #: For each of those who wait one is being begun, and some for nobody yet.
        self._beginning = 0
        self._takers: list[_Taker] = []
        self._is_over = False

    async def run(
        self, script: bytes, begin: bytes, most_bytes: int, what: str, leaving: int = 0
    ) -> tuple[bytes, bytes]:
        """As Session.run, when there is room. Raises HostUnreachable, and what its program raises.

        `leaving`: so many of those that are open are left to others.
        """

        async def once(connection: C) -> tuple[bytes, bytes]:
            session = self._take(leaving) or await self._next(connection, leaving)
            self._prepare(connection)
            return await session.run(script, begin, most_bytes, what)

        while True:
            # Asked before as well as after: behind a full house, a dead link should be known at once.
            await self._link.connection()
            async with self._places:
                connection = await self._current()
                try:
                    stdout, stderr = await self._tried(once, connection)
                except NoRoom:
                    if not self._take_less(connection):
                        raise
                    continue
                finally:
                    self._prepare(connection)
            if not stdout.startswith(begin) and await self._is_lost(connection):
                raise HostUnreachable(f"{what}: {self._link.why_down()}")
            return stdout, stderr

    async def _tried(
        self, once: Callable[[C], Awaitable[tuple[bytes, bytes]]], connection: C
    ) -> tuple[bytes, bytes]:
        """Again, where nothing else is open. Raises what it raises."""
        for pause in _PAUSES_SECONDS:
            try:
                return await once(connection)
            except NoRoom:
                if self._others or connection.is_closed():
                    raise
            await anyio.sleep(pause)
        return await once(connection)

    @property
    def held(self) -> int:
        """Sessions that are open, those that wait for a script included."""
        return self._in_use + self._waiting

    @property
    def _in_use(self) -> int:
        return int(self._places.borrowed_tokens)

    @property
    def _others(self) -> int:
        """Sessions that are open besides the one that somebody has a place for."""
        return self._in_use - 1 + len(self._ready)

    @property
    def _waiting(self) -> int:
        """For somebody with a script, now or soon."""
        return len(self._ready) + self._beginning - len(self._takers)

    async def end(self) -> None:
        """Of what waits for a script nobody will need any, now or later."""
        self._is_over = True
        await self._let_go()

    async def _let_go(self) -> None:
        while self._ready:
            await self._ready.pop().end()

    async def _current(self) -> C:
        connection = await self._link.connection()
        if connection is not self._connection:
            await self._let_go()
            self._connection, self._places.total_tokens = connection, self._link.sessions
        return connection

    def _take(self, leaving: int) -> Session | None:
        if self._in_use + self._waiting > self._places.total_tokens:
            leaving = 0  # there is no room for one of its own
        while len(self._ready) > leaving:
            session = self._ready.pop(0)
            if not session.is_over:
                return session
        return None

    async def _next(self, connection: C, leaving: int) -> Session:
        """The first that opens. Raises NoRoom, and what its program raises."""
        taker = _Taker(leaving)
        self._takers.append(taker)
        if self._beginning < len(self._takers):
            self._start(connection)
        self._prepare(connection)
        try:
            await taker.is_served.wait()
        except BaseException:
            self._leave(taker)
            raise
        if taker.session is None:
            raise taker.error
        return taker.session

    def _leave(self, taker: _Taker) -> None:
        """Whoever is given up needs none."""
        if taker in self._takers:
            self._takers.remove(taker)
        elif taker.session is not None:
            self._ready.append(taker.session)

    def _prepare(self, connection: C) -> None:
        """One more, where there is room for it beside those that are in use."""
        is_room = self._in_use + self._waiting < self._places.total_tokens
        if self._waiting < _READY and is_room and not connection.is_closed():
            self._start(connection)

    def _start(self, connection: C) -> None:
        self._beginning += 1
        self._tasks.start_soon(self._open, connection)

    async def _open(self, connection: C) -> None:
        error: Exception | None = None
        try:
            with anyio.fail_after(_OPEN_SECONDS):
                session = await self._begin(connection)
        except Exception as failed:
            error = faults.of_link(failed)
            if isinstance(error, NoRoom) and connection is self._connection:
                self._learn(self._in_use - len(self._takers) + len(self._ready))
        else:
            await self._give(session, connection)
        finally:
            self._beginning -= 1
            self._tell(error)

    async def _give(self, session: Session, connection: C) -> None:
        if connection is not self._connection or self._is_over:
            await session.end()
        elif self._takers:
            first = min(self._takers, key=lambda taker: taker.leaving)
            self._takers.remove(first)
            first.serve(session)
        else:
            self._ready.append(session)

    def _tell(self, error: Exception | None) -> None:
        """Those for whom none is being begun any more."""
        while len(self._takers) > self._beginning:
            taker = self._takers.pop()
            taker.error = error or taker.error
            taker.serve(None)

    def _take_less(self, connection: C) -> bool:
        """Whether to wait for another session's end is of any help.

        A server that has no room for a single one keeps what was given up and still hangs: logged in to anew, it has.
        """
        if not self._others or connection.is_closed():
            connection.close()
            return False
        self._learn(self._others)
        return True

    def _learn(self, others: int) -> None:
        """The server had room for no more than these."""
        if others > 0:
            self._places.total_tokens = min(others, self._places.total_tokens)

    async def _is_lost(self, connection: C) -> bool:
        changed = self._link.changed()
        if not connection.is_closed():
            with anyio.move_on_after(_LOST_SECONDS):
                await changed.wait()
        return connection.is_closed()
