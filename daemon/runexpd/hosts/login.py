"""Logging in: host keys verified, keys and agent tried, and a person's answers relayed. Nothing typed is kept or logged.

Never guesses: without a person at hand, a server that asks for a password or a code is left unanswered. Not even the
question is fetched then, since asking alone makes some sites send a push to a telephone, and counts as a failed login.
"""

import re
import shlex
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import asyncssh
import msgspec

from runexp import text
from runexpd.hosts import ssh_target
from runexpd.hosts.link import Answer, Prompt, Prompts
from runexpd.hosts.threads import Threads

#: How often a question may be answered wrongly in one login, as OpenSSH's NumberOfPasswordPrompts.
_TRIES = 3
#: How long a file of ~/.ssh may take, and what `Match exec` runs.
_READ_SECONDS = 30.0
#: Characters of what a server says.
_MOST_WORDS = 500
#: What Python puts before the words of the system.
_ERRNO = re.compile(r"\[Errno -?\d+\] ")


class LoginNeedsPerson(Exception):
    """Raised when no key was enough and the server asks for what only a person knows."""


class LoginRefused(Exception):
    """Raised when it makes no sense to try again before somebody has changed something."""

    def __init__(self, why: str, hint: str) -> None:
        super().__init__(why)
        self.why = why
        self.hint = hint


class Keepalive(msgspec.Struct, frozen=True, kw_only=True):
    """How a dead link is noticed: after about `seconds * (count + 1)`."""

    seconds: float = 2.0
    count: int = 3


#: Told once when the connection has ended, with the reason in words.
OnLost = Callable[[asyncssh.SSHClientConnection, str], None]


class _Client(asyncssh.SSHClient):
    """What asyncssh asks while it logs in to one hop."""

    def __init__(
        self, hop: ssh_target.Hop, threads: Threads, answer: Answer | None, on_lost: OnLost | None
    ) -> None:
        self._hop = hop
        self._threads = threads
        self._answer = answer
        self._on_lost = on_lost
        self._connection: asyncssh.SSHClientConnection | None = None
        self._locked = list(hop.locked_identities)
        self._tries: dict[str, int] = {}
        self._gave_up = False
        self._user = ""
        self.host_key_refusal: LoginRefused | None = None
        self.broken_off: Exception | None = None

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def connection_lost(self, exc: Exception | None) -> None:
        if self._on_lost is not None and self._connection is not None:
            self._on_lost(self._connection, describe(exc) if exc else "closed by the server")

    def begin_auth(self, username: str) -> None:
        self._user = username

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        known = self._hop.known_hosts.match(host, addr, port if port != asyncssh.DEFAULT_PORT else None)
        self.host_key_refusal = refuse_host_key(self._hop, host, port, key, known=bool(known[0]))
        return False

    async def public_key_auth_requested(self) -> list[asyncssh.SSHKey]:
        while self._locked:
            key = await self._unlock(self._locked.pop(0))
            if key is not None:
                return [key]
        return []

    def kbdint_auth_requested(self) -> str | None:
        return "" if self._may_ask("keyboard-interactive") else None

    async def kbdint_challenge_received(
        self, name: str, instructions: str, lang: str, prompts: Sequence[tuple[str, bool]]
    ) -> Sequence[str] | None:
        asked = tuple(Prompt(text, echo) for text, echo in prompts)
        return await self._ask(Prompts(name or self._hop.host, instructions, asked))

    async def password_auth_requested(self) -> str | None:
        if not self._may_ask("password"):
            return None
        answers = await self._ask(
            Prompts("", "", (Prompt(f"{self._user}@{self._hop.host}'s password: ", False),))
        )
        return answers[0] if answers else None

    async def _unlock(self, path: str) -> asyncssh.SSHKey | None:
        for _ in range(_TRIES):
            if not self._may_ask("the passphrase of " + path):
                return None
            answers = await self._ask(Prompts("", "", (Prompt(f"Passphrase for {path}: ", False),)))
            if not answers or not answers[0]:
                return None
            try:
                return await self._threads.run(
                    path, partial(asyncssh.read_private_key, path, answers[0]), _READ_SECONDS
                )
            except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
                continue
        return None

    def _may_ask(self, method: str) -> bool:
        """Counts one try. A method that can't be tried for want of a person is remembered all the same."""
        if method not in self._tries:
            self._tries[method] = 0
        self._tries[method] += 1
        return self._answer is not None and not self._gave_up and self._tries[method] <= _TRIES

    async def _ask(self, prompts: Prompts) -> Sequence[str] | None:
        assert self._answer is not None
        try:
            answers = await self._answer(prompts)
        except Exception as error:
            # asyncssh would log it and end the connection; whoever called `dial` is to hear of it.
            self.broken_off, answers = error, None
        self._gave_up = answers is None
        return answers

    def wanted(self) -> tuple[str, ...]:
        """What the server, or a key, would have a person say."""
        return tuple(self._tries)


async def dial(
    target: ssh_target.SshTarget,
    *,
    threads: Threads,
    on_lost: OnLost,
    seconds: float,
    keepalive: Keepalive,
    answer: Answer | None = None,
) -> asyncssh.SSHClientConnection:
    """A runexpd.hosts.ssh_link.Dial, through jump hosts if the configuration says so. Closing the connection closes them all."""
    hops = await _read_hops(target, threads)
    connection: asyncssh.SSHClientConnection | None = None
    for index, hop in enumerate(hops):
        client = _Client(hop, threads, answer, on_lost if index == len(hops) - 1 else None)
        try:
            connection = await _connect(hop, client, connection, seconds, keepalive)
        except BaseException:
            if connection is not None:
                connection.abort()
            raise
    assert connection is not None
    return connection


async def _read_hops(target: ssh_target.SshTarget, threads: Threads) -> tuple[ssh_target.Hop, ...]:
    try:
        what = "the SSH configuration can't be read"
        return await threads.run(what, partial(ssh_target.read_hops, target), _READ_SECONDS)
    except RecursionError as error:
        why = "the SSH configuration can't be used: it includes itself"
        raise LoginRefused(why, "mend it, then: " + _by_hand(target)) from error
    except (OSError, ValueError) as error:
        raise LoginRefused(
            f"the SSH configuration can't be used: {error}", "mend it, then: " + _by_hand(target)
        ) from error


async def _connect(
    hop: ssh_target.Hop,
    client: _Client,
    tunnel: asyncssh.SSHClientConnection | None,
    seconds: float,
    keepalive: Keepalive,
) -> asyncssh.SSHClientConnection:
    try:
        connection = await asyncssh.connect(
            hop.host,
            hop.port or (),
            client_factory=lambda: client,
            tunnel=tunnel,
            connect_timeout=seconds,
            login_timeout=seconds,
            keepalive_interval=keepalive.seconds,
            keepalive_count_max=keepalive.count,
            **_credentials(hop),
        )
    except asyncssh.HostKeyNotVerifiable as error:
        raise client.host_key_refusal or LoginRefused(str(error), "compare with: " + hop.command()) from error
    except asyncssh.PermissionDenied as error:
        raise _denied(hop, client, error) from client.broken_off or error
    except asyncssh.KeyExchangeFailed as error:
        raise LoginRefused(
            f"no common ground with {hop.host}: {error}", "compare with: " + hop.command()
        ) from error
    except ValueError as error:
        raise LoginRefused(
            f"the SSH configuration can't be used: {error}", "compare with: " + hop.command()
        ) from error
    if tunnel is not None:
        connection.set_tunnel(tunnel)
    return connection


def _credentials(hop: ssh_target.Hop) -> dict[str, Any]:
    found: dict[str, Any] = {
        "config": list(hop.config_files),
        "known_hosts": hop.known_hosts,
        "client_keys": list(hop.identities),
        "ignore_encrypted": True,
    }
    if hop.user is not None:
        found["username"] = hop.user
    if hop.agent_identities:
        found["agent_identities"] = list(hop.agent_identities)
    elif hop.agent_identities is not None:
        found["agent_path"] = ""
    return found


def _denied(hop: ssh_target.Hop, client: _Client, error: asyncssh.PermissionDenied) -> Exception:
    if client.broken_off is not None:
        return LoginNeedsPerson(f"the login was broken off: {describe(client.broken_off)}")
    if client.wanted():
        return LoginNeedsPerson(f"{hop.host} asks for {' or '.join(client.wanted())}")
    return LoginRefused(
        f"{hop.host}: {error}", f"no key of yours was accepted; see if this works: {hop.command()}"
    )


def refuse_host_key(
    hop: ssh_target.Hop, host: str, port: int, key: asyncssh.SSHKey, *, known: bool
) -> LoginRefused:
    """The words for a host key that isn't accepted; `known`: another one of this host is."""
    place = host if port == asyncssh.DEFAULT_PORT else f"[{host}]:{port}"
    fingerprint = f"{key.get_algorithm()} {key.get_fingerprint()}"
    if known:
        return LoginRefused(
            f"THE HOST KEY OF {place} HAS CHANGED, to {fingerprint}: somebody may be listening in",
            f"ask the site; only if they confirm it: ssh-keygen -R '{place}', then {hop.command()}",
        )
    line = f"{place} {key.export_public_key('openssh').decode().strip()}"
    return LoginRefused(
        f"the host key of {place} is not known: {fingerprint}",
        f"compare the fingerprint with the site's, then accept it once with: {hop.command()}"
        f" (or add this line to {hop.known_hosts_file or '~/.ssh/known_hosts'}: {line})",
    )


def describe(error: BaseException) -> str:
    """An exception in words, also if it has none of its own: on one line, since a server may have chosen them."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    words = _ERRNO.sub("", text.printable(str(error)[:_MOST_WORDS])) or type(error).__name__
    return f"no session to be had: {words}" if isinstance(error, asyncssh.ChannelOpenError) else words


def _by_hand(target: ssh_target.SshTarget) -> str:
    return shlex.join(["ssh", f"{target.user}@{target.host}" if target.user else target.host])
