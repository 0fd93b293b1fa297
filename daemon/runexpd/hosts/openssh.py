"""A machine behind the user's own `ssh`: her configuration, her agent, tickets and security keys, and her open connection.

All goes over one master connection (ssh_config's ControlMaster): the one that she has open, or one of ours. Whoever asks for a
session when there is none is refused, since ssh would otherwise log in anew, in silence, for each.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from runexpd.hosts import openssh_session, shell, ssh_link, ssh_room
from runexpd.hosts.base import DEFAULT_LIMITS, Limits
from runexpd.hosts.openssh_master import Master, Masters
from runexpd.hosts.ssh_room import Room
from runexpd.hosts.ssh_target import SshTarget

Link = ssh_link.SshLink[Master]


class OpensshShell:
    """A runexpd.hosts.shell.Shell: an `ssh` for each command."""

    def __init__(self, link: Link, room: Room[Master], leaving: int = 0) -> None:
        """`leaving`: so many sessions that are open are left to others."""
        self._link = link
        self._room = room
        self._leaving = leaving

    @property
    def name(self) -> str:
        return self._link.target.name

    @property
    def patient(self) -> "OpensshShell":
        return OpensshShell(self._link, self._room, ssh_room.LEFT)

    async def run(self, script: bytes, begin: bytes, what: str, most_bytes: int) -> tuple[bytes, bytes]:
        with ssh_link.unclear(what):
            return await self._room.run(script, begin, most_bytes, what, self._leaving)


class OpensshHost(shell.ShellHost):
    """A runexpd.hosts.base.Host."""

    def __init__(self, link: Link, tasks: TaskGroup, prepend: Sequence[str], limits: Limits) -> None:
        self.link, self._room = link, Room(link, tasks, openssh_session.begin)
        super().__init__(OpensshShell(link, self._room), tasks, prepend, limits)

    async def end(self) -> None:
        """Of what waits for a script: each is a process of ours."""
        await self._room.end()


@asynccontextmanager
async def open_openssh(
    target: SshTarget,
    *,
    dir: Path,
    now: Callable[[], float],
    jitter: Callable[[], float],
    prepend: Sequence[str] = (),
    pace: ssh_link.Pace = ssh_link.DEFAULT_PACE,
    limits: Limits = DEFAULT_LIMITS,
) -> AsyncIterator[OpensshHost]:
    """As runexpd.hosts.ssh.open_ssh; `dir`: a private directory, for the connection's socket."""
    async with anyio.create_task_group() as tasks:
        link = Link(target, pace, Masters(tasks, dir), now, jitter)
        host = OpensshHost(link, tasks, prepend, limits)
        tasks.start_soon(link.keep)
        try:
            yield host
        finally:
            tasks.cancel_scope.cancel()
            with anyio.CancelScope(shield=True):
                await host.end()
