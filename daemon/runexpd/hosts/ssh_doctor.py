"""A look at an SSH connection: who we are there, by which key, and how many sessions it has room for."""

import shlex
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress

import anyio
import asyncssh

from runexp.wire.views import Check, Verdict
from runexpd.hosts import shell_doctor
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.link import Connected, LoginNeeded
from runexpd.hosts.ssh import SshHost

#: OpenSSH's default MaxSessions.
_USUAL_SESSIONS = 10
#: What asyncssh does not know: Kerberos as a site wants it, security keys, /etc/ssh/ssh_config, a connection that is open.
_OTHER_WAY = "if it does, so does `transport: openssh` for this cluster, which uses it"
#: For commands, for files, and for files that hang.
_ENOUGH_SESSIONS = 3


async def examine(host: SshHost) -> list[Check]:
    """Verdicts; the first is bad where there is no connection, and then the only one."""
    link = host.link
    began, was_there = time.monotonic(), isinstance(link.status, Connected)
    try:
        with anyio.fail_after(60):
            connection = await link.connection()
    except HostUnreachable as error:
        hint = _ask_for_a_person(host) if isinstance(link.status, LoginNeeded) else _try_by_hand(host)
        return [Check(name="login", verdict=Verdict.BAD, found=error.what, hint=hint)]
    except TimeoutError:
        found = "no connection within a minute"
        return [Check(name="login", verdict=Verdict.BAD, found=found, hint=_try_by_hand(host))]
    took = "connected already" if was_there else f"in {time.monotonic() - began:.2f} s"
    return [
        *_login(connection, took),
        *await shell_doctor.examine(host),
        await _sessions(host, connection),
    ]


def _try_by_hand(host: SshHost) -> str:
    return f"see whether this works: ssh {shlex.quote(host.link.target.host)}; {_OTHER_WAY}"


def _ask_for_a_person(host: SshHost) -> str:
    return f"answer its questions by `runexp login {host.shell.name}`, or set `transport: openssh` to use your own ssh's connection"


def _login(connection: asyncssh.SSHClientConnection, took: str) -> Iterator[Check]:
    user, host = connection.get_extra_info("username"), connection.get_extra_info("host")
    yield Check(name="login", verdict=Verdict.OK, found=f"{user}@{host}, by the daemon's own SSH, {took}")
    key = connection.get_server_host_key()
    found = (
        f"{key.get_algorithm()} {key.get_fingerprint()}, as in known_hosts" if key else "by its certificate"
    )
    yield Check(name="host key", verdict=Verdict.OK, found=found)


async def _sessions(host: SshHost, connection: asyncssh.SSHClientConnection) -> Check:
    """Counted by opening them, beside those that are open."""
    free = await _room(connection)
    # sshd counts what has just been closed for a moment longer; for one there is room.
    room, wanted = min(_USUAL_SESSIONS, max(1, free + host.room.held)), host.link.sessions
    if room < min(_ENOUGH_SESSIONS, wanted):
        return Check(
            name="MaxSessions",
            verdict=Verdict.WARNING,
            found=f"room for no more than {room} at a time: what is asked waits for what was asked before",
            hint="works, more slowly; `sessions:` for this cluster says how many may be tried",
        )
    least = "at least " if room == _USUAL_SESSIONS else ""
    return Check(
        name="MaxSessions",
        verdict=Verdict.OK,
        found=f"room for {least}{room} sessions, {wanted} are used at most",
    )


async def _room(connection: asyncssh.SSHClientConnection) -> int:
    async with AsyncExitStack() as stack:
        for count in range(_USUAL_SESSIONS):
            try:
                process = await connection.create_process("cat", encoding=None)
            except asyncssh.Error:
                return count
            stack.push_async_callback(_end, process)
    return _USUAL_SESSIONS


async def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    process.close()
    with suppress(asyncssh.Error, OSError):
        await process.wait_closed()
