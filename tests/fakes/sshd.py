"""A real SSH server in the test's own process, on loopback, with a private home directory and everything that can go wrong.

Commands run for real, with /bin/sh, or are answered by a handler. Logins are by one key, by questions, or by a password."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Any

import asyncssh
import msgspec

from runexpd.hosts import base, ssh_target

USER = "alice"


class Fate(Enum):
    """What becomes of the answer to a command. The command runs in any case."""

    ANSWER = "answer"
    #: None: the server ends the connection in good order.
    DROP = "drop"
    #: None: the TCP connection is cut.
    CUT = "cut"
    #: None, for ever.
    HANG = "hang"


class Question(msgspec.Struct, frozen=True):
    """One round of keyboard-interactive: prompts, whether each echoes, and the right answers."""

    title: str
    instructions: str
    prompts: tuple[tuple[str, bool], ...]
    answers: tuple[str, ...]


#: Answers a script instead of /bin/sh.
Handler = Callable[[str], Awaitable[base.Ran]]


class FakeSshd:
    """The server, its knobs (set them any time) and what it has seen."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = 0
        self.identity = home / ".client_key"
        self.known_hosts = home / ".known_hosts"
        self.accepts_key = True
        self.password: str | None = None
        self.questions: tuple[Question, ...] = ()
        self.most_sessions = 10
        self.fate: Callable[[str], Fate] = lambda script: Fate.ANSWER
        self.handler: Handler | None = None
        #: What a session says before it reads anything.
        self.greeting = b""
        #: For commands, besides HOME and PATH.
        self.environment: dict[str, str] = {}
        self.scripts: list[str] = []
        #: When each connection began to log in, by time.monotonic.
        self.logins: list[float] = []
        self.sessions = 0
        self.peak_sessions = 0
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        self._listener: asyncssh.SSHAcceptor | None = None
        self._children: set[asyncio.subprocess.Process] = set()
        self._client_key = asyncssh.generate_private_key("ssh-ed25519")
        self._client_key.write_private_key(self.identity)
        self.identity.chmod(0o600)  # ssh uses no other

    async def listen(self) -> None:
        self._listener = await asyncssh.listen(
            "127.0.0.1",
            self.port,
            server_factory=lambda: _Server(self),
            server_host_keys=[self._host_key],
            encoding=None,
        )
        self.port = self._listener.get_port()

    async def stop_listening(self) -> None:
        """New connections are refused; those there are live on."""
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()

    async def close(self) -> None:
        """Everything ends: listener, connections, commands."""
        await self.stop_listening()
        self.drop_all()
        for child in list(self._children):
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
        for connection in list(self.connections):
            await connection.wait_closed()

    def drop_all(self) -> None:
        """End every connection in good order."""
        for connection in list(self.connections):
            connection.close()

    def cut_all(self) -> None:
        """Cut every connection's TCP."""
        for connection in list(self.connections):
            connection.get_extra_info("socket").shutdown(socket.SHUT_RDWR)

    def freeze_all(self) -> None:
        """Stop reading from every connection, as a machine that hangs does: nothing is closed, nothing answered."""
        for connection in list(self.connections):
            assert connection._transport is not None
            connection._transport.pause_reading()

    async def change_host_key(self) -> None:
        await self.stop_listening()
        self._host_key = asyncssh.generate_private_key("ssh-ed25519")
        await self.listen()

    def accept_host_key(self) -> None:
        """Write the server's key to `known_hosts`, as a person who logs in by hand would."""
        key = self._host_key.export_public_key("openssh").decode()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key}")

    def fingerprint(self) -> str:
        return self._host_key.get_fingerprint()

    def accepts(self, key: asyncssh.SSHKey) -> bool:
        return self.accepts_key and key.public_data == self._client_key.public_data

    def target(self, **changes: Any) -> ssh_target.SshTarget:
        """How a client is to reach it: nothing of the machine's own SSH configuration is used."""
        place = ssh_target.SshTarget(
            name="della", host="127.0.0.1", port=self.port, user=USER, config_files=()
        )
        files = {"identity": str(self.identity), "known_hosts": str(self.known_hosts)}
        found = msgspec.structs.replace(place, **files)
        return msgspec.structs.replace(found, **changes)

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Carry a command out, and then do with its answer what `fate` says."""
        with suppress(OSError, asyncssh.Error):  # of a session that is gone
            await self._attend(process)

    async def _attend(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        process.stdout.write(self.greeting)
        command, stdin = process.command or "", await process.stdin.read()
        try:
            script = unwrap(stdin)
        except ValueError:  # kept ready, and never needed; or half of one, and who sent it is gone
            process.channel.close()
            return
        fate = self.fate(script)
        self.scripts.append(script)
        ran = await (self.handler(script) if self.handler else self._run_child(command, stdin))
        if fate is Fate.HANG:
            await process.channel.wait_closed()
        _answer(process, ran, fate)

    async def _run_child(self, command: str, stdin: bytes) -> base.Ran:
        pipe = asyncio.subprocess.PIPE
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), **self.environment}
        child = await asyncio.create_subprocess_shell(
            command,
            cwd=self.home,
            env=environment,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            start_new_session=True,
        )
        self._children.add(child)
        try:
            stdout, stderr = await child.communicate(stdin)
        finally:
            self._children.discard(child)
        return base.Ran(child.returncode or 0, os.fsdecode(stdout), os.fsdecode(stderr))


@asynccontextmanager
async def run_sshd(home: Path) -> AsyncIterator[FakeSshd]:
    """A server that listens and whose host key is known to its client."""
    server = FakeSshd(home)
    await server.listen()
    server.accept_host_key()
    try:
        yield server
    finally:
        await server.close()


def unwrap(stdin: bytes) -> str:
    """The script that runexpd.hosts.envelope.sealed packed."""
    lines = os.fsdecode(stdin).splitlines()
    return "\n".join(lines[lines.index("(") + 1 : -2])


def _answer(process: asyncssh.SSHServerProcess[bytes], ran: base.Ran, fate: Fate) -> None:
    if fate is Fate.DROP:
        process.channel.get_connection().close()
    elif fate is Fate.CUT:
        process.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
    elif fate is Fate.ANSWER:
        process.stdout.write(os.fsencode(ran.stdout))
        process.stderr.write(os.fsencode(ran.stderr))
        if ran.exit_code < 0:
            process.exit_with_signal(signal.Signals(-ran.exit_code).name.removeprefix("SIG"))
        else:
            process.exit(ran.exit_code)


class _Server(asyncssh.SSHServer):
    """One connection."""

    def __init__(self, sshd: FakeSshd) -> None:
        self._sshd = sshd
        self._asked = 0
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._sshd.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection is not None:
            self._sshd.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        self._sshd.logins.append(time.monotonic())
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and self._sshd.accepts(key)

    def password_auth_supported(self) -> bool:
        return self._sshd.password is not None

    def validate_password(self, username: str, password: str) -> bool:
        return username == USER and password == self._sshd.password

    def kbdint_auth_supported(self) -> bool:
        return bool(self._sshd.questions)

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return self._challenge()

    def validate_kbdint_response(self, username: str, responses: Sequence[str]) -> Any:
        if tuple(responses) != self._sshd.questions[self._asked].answers:
            self._asked = 0
            return False
        self._asked += 1
        return True if self._asked == len(self._sshd.questions) else self._challenge()

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        return True

    def session_requested(self) -> Any:
        return _Process(self._sshd) if self._sshd.sessions < self._sshd.most_sessions else False

    def _challenge(self) -> tuple[str, str, str, tuple[tuple[str, bool], ...]]:
        question = self._sshd.questions[self._asked]
        return question.title, question.instructions, "", question.prompts


class _Process(asyncssh.SSHServerProcess[bytes]):
    """One session, counted. There is no SFTP."""

    def __init__(self, sshd: FakeSshd) -> None:
        super().__init__(sshd.run, None, 3, False)
        self._sshd = sshd
        sshd.sessions += 1
        sshd.peak_sessions = max(sshd.peak_sessions, sshd.sessions)

    def connection_lost(self, exc: Exception | None) -> None:
        self._sshd.sessions -= 1
        super().connection_lost(exc)
