"""A master connection of the user's own `ssh`: hers where one is open, else one of ours.

Nobody is asked for anything here: where a person is needed, she opens the connection by hand.
"""

import os
import pwd
import shlex
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup

from runexp.text import printable
from runexpd.hosts import faults
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.link import Answer
from runexpd.hosts.login import Keepalive, LoginNeedsPerson, LoginRefused
from runexpd.hosts.ssh_target import SshTarget
from runexpd.hosts.threads import Threads

#: A socket's path may have 107 bytes, and ssh adds some of its own while it makes one.
_MOST_PATH_BYTES = 85
#: What reads the configuration may run what `Match exec` says.
_ASK_SECONDS = 30.0
_LOOK_SECONDS = 0.1
#: How often a connection that isn't ours is looked after.
_WATCH_SECONDS = 5.0
_USUAL_CONFIG = SshTarget(name="", host="").config_files
#: Without them ssh would log in by itself when it can't have a session of the master's.
_MASTER_OR_NOTHING = ("-o", "ControlMaster=no", "-o", "ProxyCommand=false", "-o", "BatchMode=yes")
#: Words of ssh's, and what a person does about them.
_REFUSALS = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": "ask the site whether its host key is a new one",
    "Host key verification failed": "accept the host key once by hand",
    "Bad configuration option": "mend ~/.ssh/config",
    "Bad owner or permissions": "mend what it names",
    "terminating,": "mend ~/.ssh/config",
}


class Master:
    """A runexpd.hosts.ssh_link.Connection. `process`: of ours; None: it is somebody else's, and is left alone."""

    def __init__(self, ssh: Sequence[str], host: str, path: str, process: Process | None) -> None:
        self.path = path
        self.is_ours = process is not None
        self._ssh, self._host = tuple(ssh), host
        self._process = process
        self._is_closed = False

    def session(self) -> list[str]:
        """What a command is put behind."""
        return [*self._ssh, "-T", "-S", self.path, *_MASTER_OR_NOTHING, "--", self._host]

    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        self._is_closed = True
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()

    def abort(self) -> None:
        self._is_closed = True
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def wait_closed(self) -> None:
        if self._process is not None:
            await self._process.wait()

    async def is_alive(self) -> bool:
        return (await _run(_checking(self._ssh, self.path, self._host))).returncode == 0

    async def lost(self) -> str:
        """Waits for its end, and says why it came."""
        if self._process is not None:
            return await _last_words(self._process)
        while True:
            await anyio.sleep(_WATCH_SECONDS)
            with suppress(OSError):  # no answer, or nothing left to ask with: nothing follows from it
                if not await self.is_alive():
                    break
        return f"the connection at {self.path} was closed"


class Masters:
    """A runexpd.hosts.ssh_link.Dial."""

    def __init__(self, tasks: TaskGroup, dir: Path) -> None:
        """`dir`: private, for sockets of ours. `tasks` looks after what was opened."""
        self._tasks = tasks
        self._dir = dir

    async def __call__(
        self,
        target: SshTarget,
        *,
        threads: Threads,
        on_lost: Callable[[Any, str], None],
        seconds: float,
        keepalive: Keepalive,
        answer: Answer | None,
    ) -> Master:
        master = await self._open(target, seconds, keepalive)
        self._tasks.start_soon(_look_after, master, on_lost)
        return master

    async def _open(self, target: SshTarget, seconds: float, keepalive: Keepalive) -> Master:
        ssh, own = program(target), await self._own_path(target.name)
        for path in (await _configured_path(ssh, target), own):
            if path and (await _run(_checking(ssh, path, target.host))).returncode == 0:
                return Master(ssh, target.host, path, None)
        # Of an earlier life: ssh would not use it.
        await anyio.Path(own).unlink(missing_ok=True)
        return await _begin(ssh, target, own, seconds, keepalive)

    async def _own_path(self, cluster: str) -> str:
        path = f"{self._dir}/{cluster}.ssh"
        if len(os.fsencode(path)) > _MOST_PATH_BYTES:
            self._dir = Path(await anyio.mkdtemp(prefix="runexp-ssh-"))
            path = f"{self._dir}/{cluster}.ssh"
        return path


def program(target: SshTarget) -> list[str]:
    """`ssh` with what the cluster's configuration says; all else is the user's own."""
    words = ["ssh"]
    if target.config_files != _USUAL_CONFIG or not _is_at_home():
        words += [
            "-F",
            *(map(os.path.expanduser, target.config_files[:1]) if target.config_files else ["none"]),
        ]
    if target.user is not None:
        words += ["-l", target.user]
    if target.port is not None:
        words += ["-p", str(target.port)]
    if target.identity is not None:
        words += ["-i", os.path.expanduser(target.identity), "-o", "IdentitiesOnly=yes"]
    if target.known_hosts is not None:
        words += ["-o", f"UserKnownHostsFile={target.known_hosts}", "-o", "GlobalKnownHostsFile=none"]
    return words


def _is_at_home() -> bool:
    """ssh asks the password file where home is, and everything else asks HOME."""
    with suppress(KeyError):
        return os.path.expanduser("~") == pwd.getpwuid(os.getuid()).pw_dir
    return False


async def _configured_path(ssh: Sequence[str], target: SshTarget) -> str:
    """The socket that the user's configuration names, its `%` words filled in; empty where it names none."""
    ran = await _run([*ssh, "-G", "--", target.host])
    if ran.returncode != 0:
        why = printable(ran.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2])
        raise LoginRefused(f"the SSH configuration can't be used: {why}", f"mend it, then: {by_hand(target)}")
    lines = ran.stdout.decode("utf-8", "surrogateescape").splitlines()
    path = next((line.partition(" ")[2] for line in lines if line.startswith("controlpath ")), "none")
    return "" if path == "none" else path


async def _begin(
    ssh: Sequence[str], target: SshTarget, path: str, seconds: float, keepalive: Keepalive
) -> Master:
    options = {
        "BatchMode": "yes",
        "StrictHostKeyChecking": "yes",
        "ControlPersist": "no",
        "ConnectTimeout": f"{max(1, round(seconds))}",
        "ServerAliveInterval": f"{max(1, round(keepalive.seconds))}",
        "ServerAliveCountMax": f"{keepalive.count}",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = [*ssh, "-M", "-N", "-T", "-S", path, *words, "--", target.host]
    process = await anyio.open_process(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
    )
    master = Master(ssh, target.host, path, process)
    try:
        with anyio.fail_after(seconds):
            while process.returncode is None:
                await anyio.sleep(_LOOK_SECONDS)
                if await anyio.Path(path).exists() and await master.is_alive():
                    return master
    except BaseException:
        master.abort()
        raise
    raise _refusal(await _last_words(process), target, path)


def _refusal(why: str, target: SshTarget, path: str) -> Exception:
    if "Permission denied (" in why and ("keyboard-interactive" in why or "password" in why):
        hand = shlex.join([*program(target), "-M", "-N", "-f", "-S", path, "--", target.host])
        return LoginNeedsPerson(f"{why}; open the connection by hand: {hand}")
    if "Permission denied (" in why:
        return LoginRefused(why, f"no key of yours was accepted; see if this works: {by_hand(target)}")
    for words, hint in _REFUSALS.items():
        if words in why:
            return LoginRefused(why, f"{hint}: {by_hand(target)}")
    return HostUnreachable(why or "ssh ended without a word")


def by_hand(target: SshTarget) -> str:
    return shlex.join([*program(target), "--", target.host])


def _checking(ssh: Sequence[str], path: str, host: str) -> list[str]:
    return [*ssh, "-S", path, "-O", "check", "--", host]


async def _look_after(master: Master, on_lost: Callable[[Any, str], None]) -> None:
    why = "closed"
    try:
        why = await master.lost() or why
    except Exception as error:
        why = str(faults.of_link(error))
    master.abort()
    on_lost(master, why)


async def _last_words(process: Process) -> str:
    """Waits for its end; what it said last, on one line, or first of a host key that changed."""
    said = bytearray()
    assert process.stderr is not None
    async for chunk in process.stderr:
        said += chunk
        del said[:-65536]
    await process.wait()
    lines = [line.strip(" @\r") for line in said.decode("utf-8", "replace").splitlines()]
    worst = [line for line in lines if "HAS CHANGED" in line]
    return printable((worst or [line for line in lines if line] or [""])[-1])


async def _run(argv: Sequence[str]) -> "subprocess.CompletedProcess[bytes]":
    with anyio.fail_after(_ASK_SECONDS):
        return await anyio.run_process(argv, stdin=subprocess.DEVNULL, check=False)
