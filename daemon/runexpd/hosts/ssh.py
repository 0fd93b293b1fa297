"""A machine behind SSH: commands run and files kept over the one connection that ssh_link holds.

How a command travels. sshd hands one string to the user's login shell, which may be sh, bash, zsh, csh or fish; they
disagree on quotes, `!`, backslashes and newlines. So the string says only

    exec /bin/sh -c 'eval "$(printf %b "$1")"' sh '...'

with the script between the last quotes, every character on which shells disagree written as an octal escape. A script
too long for that (Linux takes 128 KiB an argument) is sent on standard input, before the command's own.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import asyncssh

from runexpd.hosts import ssh_files, ssh_link
from runexpd.hosts.base import FileFact, HostUnreachable, Ran
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
#: A record an entry, links followed, ended by NUL: type, size, time of change, path. Of GNU find.
_RECORD = r"%Y %s %T@ %p\0"


class SshHost(ssh_files.SftpFiles):
    """A runexpd.hosts.base.Host. `prepend`: trusted lines of shell put before every command (`module load slurm`)."""

    def __init__(
        self, link: ssh_link.SshLink, prepend: Sequence[str] = (), files_timeout_seconds: float = 60.0
    ) -> None:
        super().__init__(link, files_timeout_seconds)
        self._prepend = tuple(prepend)

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """Run a command to its end. Nothing of `argv` is ever seen by a shell unquoted.

        The exit code of a command that a signal ended is minus the signal's number. A command that runs into its
        time-out is not killed: it may be half-way through something. `timeout_seconds` includes waiting for the link
        and for a free session. Raises HostUnreachable where no exit code came back: it may have run.
        """
        return _decode(await self._run(pack(argv, self._prepend), stdin, argv[0], timeout_seconds))

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        """All entries below a directory, at most `depth` levels down, sorted by path: one round trip with GNU find."""
        argv = find_argv(path, depth)
        done = await self._run(pack(argv, ()), b"", argv[0], self._timeout_seconds)
        # Any complaint (no GNU find, no such directory, no permission) is looked into by asking SFTP step by step.
        if done.returncode != 0:
            return await super().tree(path, depth)
        return parse_find(_bytes(done.stdout))

    async def _run(
        self, script: str, stdin: bytes, name: str, timeout_seconds: float
    ) -> asyncssh.SSHCompletedProcess:
        command, before = wrap(script)
        what = f"{self.link.target.name}: {name}"
        with ssh_link.unclear(what), anyio.fail_after(timeout_seconds):
            async with self.link.session() as connection:
                done = await _to_the_end(connection, command, before + stdin)
                # The exit code can overtake the output, so one that came just before the link died proves nothing.
                if done.returncode is None or connection.is_closed():
                    raise HostUnreachable(f"{what}: the connection ended before the command was known to")
                return done


@asynccontextmanager
async def open_ssh(
    target: SshTarget,
    *,
    now: Callable[[], float],
    jitter: Callable[[], float],
    prepend: Sequence[str] = (),
    pace: ssh_link.Pace = ssh_link.DEFAULT_PACE,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
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
            yield SshHost(link, prepend)
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


def find_argv(path: str, depth: int) -> list[str]:
    """GNU find that prints every entry below `path` as a record; links are followed for what they are, not walked into."""
    follow = ["sh", "-c", 'exec find -L "$@" -maxdepth 0 -printf "$0"', _RECORD, "{}", "+"]
    limits = ["-mindepth", "1", "-maxdepth", str(depth)]
    return ["find", "-H", path, *limits, "(", "-type", "l", "-exec", *follow, "-o", "-printf", _RECORD, ")"]


def parse_find(output: bytes) -> list[FileFact]:
    """The entries that find printed, sorted by path. Raises ValueError for what find doesn't print."""
    records = output.decode("utf-8", "surrogateescape").split("\0")
    return sorted((_parse_record(record) for record in records if record), key=lambda fact: fact.path)


def _parse_record(record: str) -> FileFact:
    kind, size, modified_at, path = record.split(" ", 3)
    # Whole seconds, since SFTP has no finer ones: the same file is to have the same facts however it was seen.
    return FileFact(path, int(size), float(modified_at.partition(".")[0]), kind == "d")


async def _to_the_end(
    connection: asyncssh.SSHClientConnection, command: str, stdin: bytes
) -> asyncssh.SSHCompletedProcess:
    source = None if stdin else asyncssh.DEVNULL
    process = await connection.create_process(command, input=stdin or None, stdin=source, encoding=None)
    try:
        return await process.wait()
    finally:
        process.close()


def _decode(done: asyncssh.SSHCompletedProcess) -> Ran:
    assert done.returncode is not None
    return Ran(
        done.returncode, *(_bytes(text).decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    )


def _bytes(output: bytes | str | None) -> bytes:
    assert isinstance(output, bytes)
    return output
