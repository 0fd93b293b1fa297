"""A machine behind the user's own `ssh`: her configuration, her agent, tickets and security keys, and her open connection.

All goes over one master connection (ssh_config's ControlMaster): the one that she has open, or one of ours. Whoever asks for a
session when there is none is refused, since ssh would otherwise log in anew, in silence, for each.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from runexpd.hosts import openssh_session, shell, ssh_link
from runexpd.hosts.base import DEFAULT_LIMITS, Limits
from runexpd.hosts.openssh_master import Master, Masters
from runexpd.hosts.ssh_room import Room
from runexpd.hosts.ssh_target import SshTarget

Link = ssh_link.SshLink[Master]


class OpensshShell:
    """A runexpd.hosts.shell.Shell: an `ssh` for each command."""

    def __init__(self, link: Link, tasks: TaskGroup) -> None:
        self._link = link
        self._room = Room(link, tasks, openssh_session.begin)

    @property
    def name(self) -> str:
        return self._link.target.name

    async def run(self, script: bytes, begin: bytes, what: str, most_bytes: int) -> tuple[bytes, bytes]:
        with ssh_link.unclear(what):
            return await self._room.run(script, begin, most_bytes, what)

    async def end(self) -> None:
        """Of what waits for a script."""
        await self._room.end()


class OpensshHost(shell.ShellHost):
    """A runexpd.hosts.base.Host."""

    def __init__(self, link: Link, tasks: TaskGroup, prepend: Sequence[str], limits: Limits) -> None:
        self._ours = OpensshShell(link, tasks)
        super().__init__(self._ours, tasks, prepend, limits)
        self.link = link

    async def end(self) -> None:
        """Of what waits for a script: each is a process of ours."""
        await self._ours.end()


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
