"""A cluster's files over SFTP: one client for all, opened again when it broke, another one when it hangs.

SFTP's answers are told apart from its silence: an answer is FileMissing or FileRefused, silence is HostUnreachable.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import assert_never

import anyio
import asyncssh

from runexpd.hosts import paths, sftp, ssh_link
from runexpd.hosts.base import (
    MOST_READ_BYTES,
    Answer,
    Ask,
    FileFact,
    FileMissing,
    FileRefused,
    Found,
    HostUnreachable,
    Limits,
    ListDir,
    Listing,
    Missing,
    ReadPart,
    StatPath,
    Withheld,
)

#: Requests share one channel; this many may be under way on it.
_REQUESTS = 16
#: Clients that hang and are kept, besides the one in use: each takes a session, of which commands need some too.
_MOST_HUNG = 2


class SftpFiles:
    """Files of the host at the other end of a link. The time limit of an operation includes waiting for the link."""

    def __init__(self, link: ssh_link.SshLink, limits: Limits) -> None:
        self.link = link
        self._limits = limits
        self._opening = anyio.Lock()
        self._requests = anyio.CapacityLimiter(_REQUESTS)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._hung: list[asyncssh.SFTPClient] = []
        self._starting: asyncio.Task[asyncssh.SFTPClient] | None = None

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a regular file from `offset`, at most `size`. Raises FileMissing."""
        async with self._asking(path) as client:
            return (
                await sftp.read_part(client, path, offset, MOST_READ_BYTES if size is None else size)
            ).data

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        """An answer each, in order; raises HostUnreachable alone."""
        answers: dict[int, Answer] = {}
        silence: list[HostUnreachable] = []

        async def answer(place: int, ask: Ask) -> None:
            try:
                answers[place] = await self._answer(ask)
            except HostUnreachable as error:
                silence.append(error)
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            for place, ask in enumerate(asks):
                tasks.start_soon(answer, place, ask)
        if silence:
            raise silence[0]
        return [answers[place] for place in range(len(asks))]

    async def stat(self, path: str) -> FileFact | None:
        """The entry, following links, or None where there is none."""
        async with self._asking(path) as client:
            return await sftp.stat(client, path)

    async def list(self, path: str) -> Sequence[FileFact]:
        """The entries of a directory, sorted by path; empty where the directory does not exist."""
        async with self._asking(path) as client:
            entries = await sftp.entries(client, path, self._limits.entries)
        return sorted((fact for fact, _ in entries), key=_path)

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        """All entries below a directory, at most `depth` levels down, sorted by path: a request a directory."""
        found: list[FileFact] = []
        level = [path]
        for _ in range(depth):
            below: list[str] = []
            for directory in level:
                async with self._asking(directory) as client:
                    entries = await sftp.entries(client, directory, self._limits.entries)
                found += [fact for fact, _ in entries]
                if len(found) > self._limits.entries:
                    raise paths.too_many(path, self._limits.entries)
                below += [fact.path for fact, is_link in entries if fact.is_dir and not is_link]
            level = below
        return sorted(found, key=_path)

    async def resolve(self, path: str) -> str:
        """The absolute path, `~` and links resolved; a relative one starts at home. Raises FileMissing."""
        async with self._asking(path) as client:
            return await sftp.resolve(client, path)

    async def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, making it if it isn't there; on disk when this returns. A link is refused."""
        async with self._asking(path) as client:
            await sftp.append(client, path, data)

    async def replace(self, path: str, data: bytes) -> None:
        """Write a whole file: the old or the new content is there, never a part. A link is refused."""
        async with self._asking(path) as client:
            await sftp.replace(client, path, data)

    async def _answer(self, ask: Ask) -> Answer:
        try:
            match ask:
                case ListDir(path):
                    return Listing(tuple(await self.list(path)))
                case StatPath(path):
                    fact = await self.stat(path)
                    return Found(fact) if fact else Missing()
                case ReadPart(path, offset, size):
                    async with self._asking(path) as client:
                        return await sftp.read_part(client, path, offset, size)
                case _:
                    assert_never(ask)
        except FileMissing:
            return Missing()
        except FileRefused as error:
            return Withheld(error.what)

    @asynccontextmanager
    async def _asking(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """The client, for one operation on `path`. Raises HostUnreachable where no answer comes."""
        paths.check(path)
        client = None
        try:
            with (
                ssh_link.unclear(f"{self.link.target.name}: {path}"),
                anyio.fail_after(self._limits.files_timeout_seconds),
            ):
                async with self._requests:
                    client = await self._sftp()
                    yield client
        except HostUnreachable as error:
            if client is not None and client is self._client:
                self._leave(client, error.__cause__)
            raise

    def _leave(self, client: asyncssh.SFTPClient, why: BaseException | None) -> None:
        """A server that hangs in one file may answer nobody on its channel: the next one asks by another."""
        if isinstance(why, TimeoutError):
            self._client = None
            self._hung.append(client)
        elif isinstance(why, sftp.SILENCE):
            self._client = None

    async def _sftp(self) -> asyncssh.SFTPClient:
        async with self._opening:
            connection = await self.link.connection()
            if connection is not self._connection:
                self._connection, self._client, self._hung, self._starting = connection, None, [], None
            if self._client is None:
                self._client = await self._another(connection)
            return self._client

    async def _another(self, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
        # Closing one that hangs would free no session as long as it hangs. The first of them may have come back.
        if len(self._hung) > _MOST_HUNG:
            return self._hung.pop(0)
        try:
            return await self._start(connection)
        except asyncssh.ChannelOpenError:
            if not self._hung:
                raise
            return self._hung.pop(0)

    async def _start(self, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
        """Whoever is tired of waiting leaves the start to the next: one that is broken off keeps its session for good."""
        if self._starting is None:
            self._starting = asyncio.ensure_future(
                connection.start_sftp_client(path_errors="surrogateescape")
            )
            self._starting.add_done_callback(_note_outcome)
        starting = self._starting
        try:
            return await asyncio.shield(starting)
        finally:
            if starting.done():
                self._starting = None


def _note_outcome(task: asyncio.Task[asyncssh.SFTPClient]) -> None:
    """Else asyncio complains of an error that nobody waited for."""
    if not task.cancelled():
        task.exception()


def _path(fact: FileFact) -> str:
    return fact.path
