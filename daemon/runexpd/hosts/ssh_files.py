"""A cluster's files over SFTP: one client for all, opened again when it broke.

SFTP's answers are told apart from its silence: an answer is FileMissing or FileRefused, silence is HostUnreachable.
"""

import itertools
import os
import posixpath
import stat as modes
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import cast

import anyio
import asyncssh

from runexpd.hosts import ssh_link
from runexpd.hosts.base import FileFact, FileMissing, FileRefused, HostUnreachable

#: What a server may say for good, in SFTP version 3. BadMessage: OpenSSH's word for a name that is too long.
_REFUSALS = (
    asyncssh.SFTPPermissionDenied,
    asyncssh.SFTPFailure,
    asyncssh.SFTPOpUnsupported,
    asyncssh.SFTPBadMessage,
)
#: Every server takes this much in one request (draft-ietf-secsh-filexfer-02, section 3).
_WRITE_BYTES = 32 * 1024
#: OpenSSH sends at most this much; others send less, and are asked again for the rest.
_READ_BYTES = 255 * 1024
#: Requests share one channel; this many may be under way on it.
_REQUESTS = 16


class SftpFiles:
    """Files of the host at the other end of a link. `timeout_seconds` is for each operation, waiting for the link included."""

    def __init__(self, link: ssh_link.SshLink, timeout_seconds: float) -> None:
        self.link = link
        self._timeout_seconds = timeout_seconds
        self._opening = anyio.Lock()
        self._requests = anyio.CapacityLimiter(_REQUESTS)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._temporary = itertools.count()

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        """Bytes of a file from `offset`, at most `size`. A negative offset counts from the end. Raises FileMissing."""
        async with self._asking(path) as sftp, _open(sftp, path, "rb") as file:
            start = offset if offset >= 0 else max(0, ((await file.stat()).size or 0) + offset)
            return await _read_all(file, start, size)

    async def stat(self, path: str) -> FileFact | None:
        """The entry, following links, or None where there is none."""
        async with self._asking(path) as sftp:
            return await _stat(sftp, path)

    async def list(self, path: str) -> Sequence[FileFact]:
        """The entries of a directory, sorted by path; empty where the directory does not exist."""
        async with self._asking(path) as sftp:
            entries = await _list(sftp, path)
        return sorted((fact for fact, _ in entries), key=_path)

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        """All entries below a directory, at most `depth` levels down, sorted by path: a request a directory."""
        found: list[FileFact] = []
        level = [path]
        for _ in range(depth):
            below: list[str] = []
            for directory in level:
                async with self._asking(directory) as sftp:
                    entries = await _list(sftp, directory)
                found += [fact for fact, _ in entries]
                below += [fact.path for fact, is_link in entries if fact.is_dir and not is_link]
            level = below
        return sorted(found, key=_path)

    async def resolve(self, path: str) -> str:
        """The absolute path, `~` and links resolved; a relative one starts at home. Raises FileMissing."""
        # A session of SFTP starts in the home directory.
        from_home = "." + path[1:] if path == "~" or path.startswith("~/") else path
        async with self._asking(path) as sftp:
            found = await sftp.realpath(from_home)
            if await _stat(sftp, found) is None:
                raise FileMissing(f"{path} does not exist")
            return found

    async def make_dirs(self, path: str) -> None:
        """Make a directory and its parents; there already is fine."""
        async with self._writing(path) as sftp:
            if not await _is_dir(sftp, path):
                await _make_dir(sftp, path)

    async def append(self, path: str, data: bytes) -> None:
        """Write at the end of a file, making it if it isn't there; on disk when this returns."""
        async with self._writing(path) as sftp, _open(sftp, path, "ab") as file:
            await _write_all(file, data)

    async def replace(self, path: str, data: bytes) -> None:
        """Write a whole file: the old or the new content is there, never a part."""
        temporary = posixpath.join(
            posixpath.dirname(path), f".runexp-{os.getpid()}-{next(self._temporary)}.tmp"
        )
        async with self._writing(path) as sftp:
            try:
                async with _open(sftp, temporary, "wb") as file:
                    await _write_all(file, data)
                await sftp.posix_rename(temporary, path)
            except _REFUSALS:
                await _remove(sftp, temporary)
                raise

    @asynccontextmanager
    async def _asking(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """The client, for one operation on `path`; what goes wrong in it is raised as the three errors of a host."""
        try:
            with (
                ssh_link.unclear(f"{self.link.target.name}: {path}"),
                anyio.fail_after(self._timeout_seconds),
            ):
                async with self._requests:
                    sftp = await self._sftp()
                    with _answers(path):
                        yield sftp
        except HostUnreachable as error:
            if isinstance(error.__cause__, asyncssh.SFTPConnectionLost | asyncssh.SFTPNoConnection):
                self._client = None
            raise

    @asynccontextmanager
    async def _writing(self, path: str) -> AsyncIterator[asyncssh.SFTPClient]:
        """As `_asking`, where a missing directory means no."""
        try:
            async with self._asking(path) as sftp:
                yield sftp
        except FileMissing as error:
            raise FileRefused(f"{path}: its directory does not exist") from error

    async def _sftp(self) -> asyncssh.SFTPClient:
        async with self._opening:
            connection = await self.link.connection()
            if self._client is None or connection is not self._connection:
                self._client = await connection.start_sftp_client(path_errors="surrogateescape")
                self._connection = connection
            return self._client


@contextmanager
def _answers(path: str) -> Iterator[None]:
    try:
        yield
    except asyncssh.SFTPNoSuchFile as error:
        raise FileMissing(f"{path} does not exist") from error
    except _REFUSALS as error:
        raise FileRefused(f"{path}: {error.reason}") from error


@asynccontextmanager
async def _open(sftp: asyncssh.SFTPClient, path: str, mode: str) -> AsyncIterator[asyncssh.SFTPClientFile]:
    # Without a block size there is one request a call: asyncssh's parallel ones could reorder an append.
    file = await sftp.open(path, mode, block_size=0)
    async with file:
        yield file


async def _read_all(file: asyncssh.SFTPClientFile, start: int, size: int | None) -> bytes:
    found = bytearray()
    while size is None or len(found) < size:
        wanted = _READ_BYTES if size is None else min(_READ_BYTES, size - len(found))
        chunk = cast(bytes, await file.read(wanted, start + len(found)))
        if not chunk:
            break
        found += chunk
    return bytes(found)


async def _write_all(file: asyncssh.SFTPClientFile, data: bytes) -> None:
    for start in range(0, len(data), _WRITE_BYTES):
        await file.write(data[start : start + _WRITE_BYTES])
    # Some servers have no fsync; the server's own close is the most there is then.
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()


async def _stat(sftp: asyncssh.SFTPClient, path: str) -> FileFact | None:
    try:
        return _fact(path, await sftp.stat(path))
    except asyncssh.SFTPNoSuchFile:
        return None


async def _is_dir(sftp: asyncssh.SFTPClient, path: str) -> bool:
    fact = await _stat(sftp, path)
    return fact is not None and fact.is_dir


async def _list(sftp: asyncssh.SFTPClient, path: str) -> list[tuple[FileFact, bool]]:
    """The entries, links followed, and whether each is a link."""
    try:
        names = await sftp.readdir(path)
    except asyncssh.SFTPNoSuchFile:
        # OpenSSH says "no such file" also of what is not a directory.
        fact = await _stat(sftp, path)
        if fact is None:
            return []
        if not fact.is_dir:
            raise asyncssh.SFTPFailure("not a directory") from None
        names = await sftp.readdir(path)  # it was made a moment ago
    entries = [name for name in names if name.filename not in (".", "..")]
    return [await _entry(sftp, posixpath.join(path, str(entry.filename)), entry.attrs) for entry in entries]


async def _entry(sftp: asyncssh.SFTPClient, path: str, attrs: asyncssh.SFTPAttrs) -> tuple[FileFact, bool]:
    is_link = modes.S_ISLNK(attrs.permissions or 0)
    followed = await _stat(sftp, path) if is_link else None
    return followed or _fact(path, attrs), is_link


async def _make_dir(sftp: asyncssh.SFTPClient, path: str) -> None:
    try:
        await sftp.mkdir(path)
    except asyncssh.SFTPNoSuchFile:
        parent = posixpath.dirname(path.rstrip("/"))
        if parent == path:
            raise
        await _make_dir(sftp, parent)
        await _make_dir(sftp, path)
    except (asyncssh.SFTPFailure, asyncssh.SFTPPermissionDenied):
        # Somebody else may have made it in the meantime.
        if not await _is_dir(sftp, path):
            raise


async def _remove(sftp: asyncssh.SFTPClient, path: str) -> None:
    with suppress(asyncssh.SFTPNoSuchFile, *_REFUSALS):
        await sftp.remove(path)


def _fact(path: str, attrs: asyncssh.SFTPAttrs) -> FileFact:
    return FileFact(
        path=path,
        size_bytes=attrs.size or 0,
        modified_at=float(attrs.mtime or 0),
        is_dir=modes.S_ISDIR(attrs.permissions or 0),
    )


def _path(fact: FileFact) -> str:
    return fact.path
