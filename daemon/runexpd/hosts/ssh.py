"""A machine behind SSH: what it is asked goes over the one connection that ssh_link holds."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import asyncssh
from anyio.abc import TaskGroup

from runexpd.hosts import login, shell, ssh_link, ssh_room, ssh_session
from runexpd.hosts.base import DEFAULT_LIMITS, Limits
from runexpd.hosts.ssh_room import Room
from runexpd.hosts.ssh_target import SshTarget

Link = ssh_link.SshLink[asyncssh.SSHClientConnection]


class SshShell:
    """A runexpd.hosts.shell.Shell: a session for each command."""

    def __init__(self, link: Link, room: Room[asyncssh.SSHClientConnection], leaving: int = 0) -> None:
        """`leaving`: so many sessions that are open are left to others."""
        self._link = link
        self._room = room
        self._leaving = leaving

    @property
    def name(self) -> str:
        return self._link.target.name

    @property
    def patient(self) -> "SshShell":
        return SshShell(self._link, self._room, ssh_room.LEFT)

    async def run(self, script: bytes, begin: bytes, what: str, most_bytes: int) -> tuple[bytes, bytes]:
        with ssh_link.unclear(what):
            return await self._room.run(script, begin, most_bytes, what, self._leaving)


class SshHost(shell.ShellHost):
    """A runexpd.hosts.base.Host."""

    def __init__(
        self,
        link: Link,
        tasks: TaskGroup,
        prepend: Sequence[str] = (),
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self.link, self.room = link, Room(link, tasks, ssh_session.begin)
        super().__init__(SshShell(link, self.room), tasks, prepend, limits)


@asynccontextmanager
async def open_ssh(
    target: SshTarget,
    *,
    now: Callable[[], float],
    jitter: Callable[[], float],
    prepend: Sequence[str] = (),
    pace: ssh_link.Pace = ssh_link.DEFAULT_PACE,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    limits: Limits = DEFAULT_LIMITS,
) -> AsyncIterator[SshHost]:
    """A host whose connection is kept while the context lasts. Connects when first asked for something.

    Arguments: `now` tells the time in seconds, by a clock that nobody sets, `jitter` a number from 0 to 1 by chance,
    `sleep` waits.
    """
    # asyncssh reports every session that it opens; its warnings and errors are enough.
    asyncssh.set_log_level("WARNING")
    link = ssh_link.SshLink(target, pace, login.dial, now, jitter, sleep)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.keep)
        try:
            yield SshHost(link, tasks, prepend, limits)
        finally:
            tasks.cancel_scope.cancel()
