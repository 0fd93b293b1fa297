"""The one lasting connection to a cluster: opened on demand, kept alive, opened again with ever longer pauses.

Never more than one login at a time, never two within the floor (sites ban those who log in too fast), and none at all
while a person is needed. Knows nothing of commands and files.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Generic

import anyio
import asyncssh
import msgspec

from runexpd.hosts import faults, login
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.dial import C, Dial
from runexpd.hosts.link import Answer, Connected, Connecting, Down, Idle, LoginNeeded, Refused, Status
from runexpd.hosts.ssh_target import SshTarget
from runexpd.hosts.threads import Threads

_CLOSE_SECONDS = 2.0


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How hard a head node may be leant on."""

    #: From one login to the next, at least.
    floor_seconds: float = 10.0
    #: The longest pause between two attempts; also the pause after a refusal.
    ceiling_seconds: float = 300.0
    #: A connection that lived shorter counts as a failed attempt.
    steady_seconds: float = 60.0
    #: How long a login may take, and one that a person types.
    login_seconds: float = 30.0
    person_seconds: float = 300.0
    keepalive: login.Keepalive = login.Keepalive()
    #: Sessions at a time at most. OpenSSH's servers allow 10 by default (MaxSessions); fewer, where they have room for fewer.
    sessions: int = 6


DEFAULT_PACE = Pace()


class SshLink(Generic[C]):
    """Hands out the connection. `keep` must be running for it to come up.

    Arguments: `dial` logs in, `now` tells the time in seconds, by a clock that nobody sets, `jitter` a number from 0 to 1 by chance,
    `sleep` waits.
    """

    def __init__(
        self,
        target: SshTarget,
        pace: Pace,
        dial: Dial[C],
        now: Callable[[], float],
        jitter: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.target = target
        self._pace = pace
        self._dial = dial
        self._now = now
        self._jitter = jitter
        self._sleep = sleep
        self._status: Status = Idle()
        self._changed = anyio.Event()
        self._wanted = anyio.Event()
        self._turn = anyio.Lock()
        self._threads = Threads(2, "{count} earlier attempts hang")
        self._connection: C | None = None
        self._failures = 0
        self._tried_at = float("-inf")
        self._trouble_since: float | None = None
        self._why_lost = "the connection was lost"

    @property
    def sessions(self) -> int:
        """How many are open at a time at most."""
        return self._pace.sessions

    @property
    def status(self) -> Status:
        return self._status

    def changed(self) -> anyio.Event:
        """The event that the next change of status sets: take it, then look."""
        return self._changed

    def trouble(self) -> str:
        """What hinders the link, in one line; empty when nothing does."""
        return describe(self.target.name, self._status, self._now())

    def why_down(self) -> str:
        """What ended the last connection, in words."""
        return self._why_lost

    async def keep(self) -> None:
        """Open the connection when it is asked for, until cancelled; then close it."""
        try:
            while True:
                await self._wanted.wait()
                await self._step()
        finally:
            await self._close()

    async def connection(self) -> C:
        """The live connection. Waits while a login is under way or due; does not wait for a later one.

        Raises HostUnreachable at once where the link is down, parked or refused, saying why and since when.
        """
        while True:
            if self._connection is not None and not self._connection.is_closed():
                return self._connection
            self._wanted.set()
            changed = self._changed
            if self._is_parked():
                raise HostUnreachable(self.trouble())
            await changed.wait()

    async def login(self, answer: Answer) -> None:
        """Log in now, with a person's answers where the server asks; the connection is then held.

        Waits out the floor. Raises HostUnreachable where it did not work.
        """
        await self._attempt(answer)
        if self._connection is None:
            raise HostUnreachable(self.trouble())

    async def _step(self) -> None:
        changed = self._changed
        match self._status:
            case Connected():
                self._wanted = anyio.Event()
            case LoginNeeded():
                await changed.wait()
            case Down(next_try_at=at) | Refused(next_try_at=at) if at > self._now():
                await self._sleep(at - self._now())
            case _:
                await self._attempt(None)

    async def _attempt(self, answer: Answer | None) -> None:
        async with self._turn:
            if self._connection is not None or (answer is None and self._is_parked()):
                return
            await self._sleep(max(0.0, self._tried_at + self._pace.floor_seconds - self._now()))
            self._tried_at = self._now()
            if answer is None:
                self._show(Connecting(self._tried_at))
            await self._log_in(answer)

    async def _log_in(self, answer: Answer | None) -> None:
        try:
            connection = await self._dial(
                self.target,
                threads=self._threads,
                on_lost=self._lost,
                seconds=self._pace.login_seconds if answer is None else self._pace.person_seconds,
                keepalive=self._pace.keepalive,
                answer=answer,
            )
        except login.LoginNeedsPerson as error:
            self._show(LoginNeeded(self._begun(), str(error)))
        except login.LoginRefused as error:
            until = self._now() + self._pace.ceiling_seconds
            self._show(Refused(self._begun(), error.why, error.hint, until))
        except Exception as error:
            self._fail(login.describe(faults.of_link(error)))
        else:
            self._take(connection)

    def _fail(self, why: str) -> None:
        self._failures += 1
        if isinstance(self._status, LoginNeeded):
            # A person's attempt that never got as far as a question leaves the link parked.
            self._show(LoginNeeded(self._begun(), why))
        else:
            self._show(Down(self._begun(), why, self._next_try_at()))

    def _take(self, connection: C) -> None:
        self._connection = connection
        self._trouble_since = None
        self._show(Connected(self._now()))
        if connection.is_closed():
            self._lost(connection, "closed right after the login")

    def _lost(self, connection: C, why: str) -> None:
        if connection is not self._connection:
            return
        self._connection, self._why_lost = None, why
        steady = self._now() - self._tried_at >= self._pace.steady_seconds
        self._failures = 0 if steady else self._failures + 1
        self._show(Down(self._begun(), why, self._next_try_at()))

    def _begun(self) -> float:
        """Since when there has been trouble: from the first of a row of failures."""
        if self._trouble_since is None:
            self._trouble_since = self._now()
        return self._trouble_since

    def _next_try_at(self) -> float:
        return self._tried_at + pause_seconds(self._pace, self._failures, self._jitter())

    def _is_parked(self) -> bool:
        match self._status:
            case LoginNeeded():
                return True
            case Down(next_try_at=at) | Refused(next_try_at=at):
                return at > self._now()
            case Idle() | Connecting() | Connected():
                return False

    def _show(self, status: Status) -> None:
        self._status = status
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.close()
        with anyio.move_on_after(_CLOSE_SECONDS, shield=True) as scope:
            await connection.wait_closed()
        if scope.cancelled_caught:
            connection.abort()


def pause_seconds(pace: Pace, failures: int, jitter: float) -> float:
    """From one login to the next after so many failures in a row: doubled each time, spread out by `jitter` (0 to 1)."""
    if failures == 0:
        return pace.floor_seconds
    doubled: float = pace.floor_seconds * 2.0 ** min(failures - 1, 30)
    return min(pace.ceiling_seconds, doubled) * (1 + jitter / 2)


def describe(name: str, status: Status, now: float) -> str:
    """What hinders the link to cluster `name`, in one line; empty where nothing does."""
    match status:
        case Idle() | Connecting() | Connected():
            return ""
        case Down(since, why, next_try_at):
            next_try = f"; next try in {next_try_at - now:.0f} s" if next_try_at > now else ""
            return f"{name}: no connection for {now - since:.0f} s: {why}{next_try}"
        case LoginNeeded(_, why):
            return f"{name}: login needed: {why}; log in with: runexp login {name}"
        case Refused(_, why, hint, _):
            return f"{name}: refused: {why}; {hint}; then: runexp login {name}"


@contextmanager
def unclear(what: str) -> Iterator[None]:
    """Whatever goes wrong with the link inside leaves open what was done: raises HostUnreachable for it."""
    try:
        yield
    except (asyncssh.Error, OSError) as error:
        raise HostUnreachable(f"{what}: {login.describe(error)}") from error
