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
from runexpd.hosts.ssh_room import NoRoom, Room
from runexpd.hosts.ssh_target import SshTarget

Link = ssh_link.SshLink[Master]

#: What ssh says where the server has no room for another session.
_NO_ROOM = (b"session request failed", b"Session open refused", b"no more sessions")


class OpensshShell:
    """A runexpd.hosts.shell.Shell: an `ssh` for each command."""

    def __init__(self, link: Link) -> None:
        self._link, self._room = link, Room(link)

    @property
    def name(self) -> str:
        return self._link.target.name

    async def run(
        self, command: str, script: bytes, begin: bytes, what: str, most_bytes: int
    ) -> tuple[bytes, bytes]:
        async def work(master: Master) -> tuple[bytes, bytes]:
            argv = [*master.session(), command]
            stdout, stderr = await openssh_session.run(
                argv, script, openssh_session.Session(begin, most_bytes), what
            )
            if not stdout.startswith(begin) and any(words in stderr for words in _NO_ROOM):
                raise NoRoom(f"{what}: no session to be had")
            return stdout, stderr

        with ssh_link.unclear(what):
            return await self._room.run(work)


class OpensshHost(shell.ShellHost):
    """A runexpd.hosts.base.Host."""

    def __init__(self, link: Link, tasks: TaskGroup, prepend: Sequence[str], limits: Limits) -> None:
        super().__init__(OpensshShell(link), tasks, prepend, limits)
        self.link = link


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
        tasks.start_soon(link.keep)
        try:
            yield OpensshHost(link, tasks, prepend, limits)
        finally:
            tasks.cancel_scope.cancel()
