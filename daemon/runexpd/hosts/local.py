"""This machine as a Host. Every blocking call runs in a thread of the host's own, and has a time limit."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from runexpd.hosts import local_command, local_files, paths
from runexpd.hosts.base import DEFAULT_LIMITS, MOST_READ_BYTES, Answer, Ask, FileFact, Limits, Part, Ran
from runexpd.hosts.envelope import before
from runexpd.hosts.threads import Threads

T = TypeVar("T")

#: At a time, of each kind.
_FILE_OPERATIONS = 16
_COMMANDS = 16
#: A command is ended by its own thread when its time is over; one that is still not gone by then hangs.
_KILL_SECONDS = 5.0


class LocalHost:
    """A runexpd.hosts.base.Host. `prepend`: trusted lines of shell put before every command (`module load slurm`)."""

    def __init__(self, prepend: Sequence[str] = (), limits: Limits = DEFAULT_LIMITS) -> None:
        self._prepend = tuple(prepend)
        self._limits = limits
        hanging = "its file system gives no answer: {count} operations hang"
        self._files = Threads(_FILE_OPERATIONS, hanging)
        self._commands = Threads(_COMMANDS, "this machine gives no answer: {count} commands hang")

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        most = MOST_READ_BYTES if size is None else size
        return (await self._ask(path, lambda: local_files.read_part(path, offset, most))).data

    async def read_apart(self, path: str, offset: int, size: int) -> Part:
        return await self._ask(path, lambda: local_files.read_part(path, offset, size))

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """As in the contract, in one thread: all of it has the time limit of one operation."""
        if not asks:
            return []
        return await self._ask(asks[0].path, lambda: local_files.fetch(asks, self._limits.entries))

    async def glance(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        return await self.fetch(asks)

    async def stat(self, path: str) -> FileFact | None:
        return await self._ask(path, lambda: local_files.stat(path))

    async def list(self, path: str) -> Sequence[FileFact]:
        return await self.tree(path, 1)

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        return await self._ask(path, lambda: local_files.tree(path, depth, self._limits.entries))

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """As in the contract. A command that is not there exits with 127, as a shell says it.

        A caller that is cancelled doesn't wait for the command, which goes on: it may be half-way through something.
        """
        paths.check_words(argv)
        name = argv[0]
        if self._prepend:  # words of their own: one word alone may not be longer than 128 KiB
            argv = ["sh", "-c", "\n".join([*before(self._prepend), 'exec "$@"']), "sh", *argv]
        most = self._limits.output_bytes
        return await self._commands.run(
            name,
            lambda: local_command.run(argv, stdin, timeout_seconds, most),
            timeout_seconds + _KILL_SECONDS,
        )

    async def resolve(self, path: str) -> str:
        return await self._ask(path, lambda: local_files.resolve(path))

    async def append(self, path: str, data: bytes) -> None:
        await self._ask(path, lambda: local_files.append(path, data))

    async def replace(self, path: str, data: bytes) -> None:
        await self._ask(path, lambda: local_files.replace(path, data))

    async def _ask(self, path: str, work: Callable[[], T]) -> T:
        return await self._files.run(path, work, self._limits.files_timeout_seconds)
