"""A machine behind SSH: commands run and files kept over the one connection that ssh_link holds.

How a command travels. sshd hands one string to the user's login shell, which may be sh, bash, zsh, csh or fish; they
disagree on quotes, `!`, backslashes and newlines. So the string says only

    exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '...'

with the script between the last quotes, every character on which shells disagree written as an octal escape. A script
too long for that (Linux takes 128 KiB an argument) is sent on standard input, before the command's own.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import asyncssh

from runexpd.hosts import find, paths, ssh_files, ssh_link, ssh_session
from runexpd.hosts.base import DEFAULT_LIMITS, FileFact, FileMissing, HostUnreachable, Limits, Ran
from runexpd.hosts.script import pack
from runexpd.hosts.ssh_target import SshTarget

_MOST_COMMAND_CHARACTERS = 120_000
_PLAIN = frozenset(
    b' ./_-+=:,@%^~#$&*()[]{}<>|;?"`'
    + bytes(range(0x30, 0x3A))
    + bytes(range(0x41, 0x5B))
    + bytes(range(0x61, 0x7B))
)
_ESCAPED = tuple(chr(byte) if byte in _PLAIN else f"\\0{byte:03o}" for byte in range(256))
#: Of a user in `~user`: what stands here may be seen by a shell.
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


class SshHost(ssh_files.SftpFiles):
    """A runexpd.hosts.base.Host. `prepend`: trusted lines of shell put before every command (`module load slurm`)."""

    def __init__(
        self, link: ssh_link.SshLink, prepend: Sequence[str] = (), limits: Limits = DEFAULT_LIMITS
    ) -> None:
        super().__init__(link, limits)
        self._prepend = tuple(prepend)
        self._parsing = anyio.CapacityLimiter(1)

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """Run a command to its end. Nothing of `argv` is ever seen by a shell unquoted.

        The exit code of a command that a signal ended is minus the signal's number. A command that runs into its
        time-out is not killed: it may be half-way through something. `timeout_seconds` includes waiting for the link
        and for a free session. Raises FileRefused for arguments that can't be sent, and HostUnreachable where no exit
        code came back: it may have run.
        """
        paths.check_words(argv)
        ended = await self._run(pack(argv, self._prepend), stdin, argv[0], timeout_seconds)
        return Ran(
            ended.exit_code, ended.stdout.decode("utf-8", "replace"), ended.stderr.decode("utf-8", "replace")
        )

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        """All entries below a directory, at most `depth` levels down, sorted by path: one round trip with GNU find."""
        paths.check(path)
        argv = find.argv(path, depth)
        try:
            ended = await self._run(pack(argv, ()), b"", argv[0], self._limits.files_timeout_seconds)
        except ssh_session.TooMuch:
            raise paths.too_many(path, self._limits.entries) from None
        # Any complaint (no GNU find, no such directory, no permission) is looked into by asking SFTP step by step. So are
        # words that aren't find's, and an empty answer: a login shell that does something else answers that way, too.
        if ended.exit_code == 0 and (found := await self._parsed(ended.stdout)):
            if len(found) > self._limits.entries:
                raise paths.too_many(path, self._limits.entries)
            return found
        return await super().tree(path, depth)

    async def resolve(self, path: str) -> str:
        """As in the contract; a relative path starts at home."""
        if path.startswith("~") and not path.startswith("~/") and path != "~":
            paths.check(path)
            user, slash, rest = path[1:].partition("/")
            path = await self._home_of(user) + slash + rest
        return await super().resolve(path)

    async def _home_of(self, user: str) -> str:
        if _USER.fullmatch(user):
            ended = await self._run(f"printf %s ~{user}", b"", f"~{user}", self._limits.files_timeout_seconds)
            home = ended.stdout.decode("utf-8", "surrogateescape")
            if home.startswith("/"):
                return home
        raise FileMissing(f"~{user}: there is no such user")

    async def _parsed(self, records: bytes) -> Sequence[FileFact]:
        """None where it is not what find prints. In a thread: it may be much."""
        try:
            return await anyio.to_thread.run_sync(find.parse, records, limiter=self._parsing)
        except ValueError:
            return ()

    async def _run(self, script: str, stdin: bytes, name: str, timeout_seconds: float) -> ssh_session.Ended:
        command, before = wrap(script)
        what = f"{self.link.target.name}: {name}"
        with ssh_link.unclear(what), anyio.fail_after(timeout_seconds):
            async with self.link.session() as connection:
                most = self._limits.output_bytes
                ended = await ssh_session.run(connection, command, before + stdin, what, most)
                # The exit code can overtake the output, so one that came just before the link died proves nothing.
                if ended is None or connection.is_closed():
                    raise HostUnreachable(f"{what}: the connection ended before the command was known to")
                return ended


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
    # asyncssh reports every session and file it opens; its warnings and errors are enough.
    asyncssh.set_log_level("WARNING")
    link = ssh_link.SshLink(target, pace, now, jitter, sleep)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(link.keep)
        try:
            yield SshHost(link, prepend, limits)
        finally:
            tasks.cancel_scope.cancel()


def wrap(script: str) -> tuple[str, bytes]:
    """A script as what is sent to the login shell, and what goes ahead on standard input."""
    data = script.encode("utf-8", "surrogateescape")
    command = (
        f"""exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '{"".join(_ESCAPED[byte] for byte in data)}'"""
    )
    if len(command) <= _MOST_COMMAND_CHARACTERS:
        return command, b""
    return f"""exec /bin/sh -c 'eval "$(head -c {len(data)})"'""", data
