"""What is asked of an SFTP client, and what its server's answers mean. Knows neither links nor time limits.

Raises FileMissing and FileRefused; what else asyncssh raises is no answer. Types are known before anything is opened.
"""

import posixpath
import secrets
import stat as modes
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from typing import cast

import asyncssh

from runexpd.hosts import paths
from runexpd.hosts.base import MOST_READ_BYTES, FileFact, FileMissing, FileRefused, Kind, Part

#: Errors that asyncssh raises by itself when the channel is gone.
SILENCE = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)
_MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)
#: Every server takes this much in one request (draft-ietf-secsh-filexfer-02, section 3).
_WRITE_BYTES = 32 * 1024
#: OpenSSH sends at most this much; others send less, and are asked again for the rest.
_READ_BYTES = 255 * 1024
#: Further on than any file goes; the protocol's numbers end, and a server's may before them.
_FARTHEST = 2**62


@contextmanager
def answers(path: str) -> Iterator[None]:
    """Errors that are answers, as those of a host."""
    paths.check(path)
    try:
        yield
    except _MISSING as error:
        raise FileMissing(f"{path}: no such file or directory") from error
    except SILENCE:
        raise
    except asyncssh.SFTPError as error:
        raise FileRefused(f"{path}: {error.reason or error.code}") from error


async def stat(sftp: asyncssh.SFTPClient, path: str) -> FileFact | None:
    with suppress(FileMissing), answers(path):
        return _fact(path, await sftp.stat(path))
    return None


async def read_part(sftp: asyncssh.SFTPClient, path: str, offset: int, size: int) -> Part:
    with answers(path):
        _check_regular(path, await sftp.stat(path))
        async with _open(sftp, path, "rb") as file:
            found = _fact(path, await file.stat())
            start = offset if offset >= 0 else max(0, found.size_bytes + offset)
            return Part(found, await _read(file, start, min(size, MOST_READ_BYTES)))


async def entries(sftp: asyncssh.SFTPClient, path: str, most: int) -> list[tuple[FileFact, bool]]:
    """The entries, links followed, and whether each is a link; none where there is no such directory."""
    found: list[asyncssh.SFTPName] = []
    with suppress(FileMissing), answers(path):
        # Asked for what it is: OpenSSH says "no such file" also of what is not a directory.
        if not modes.S_ISDIR((await sftp.stat(path)).permissions or 0):
            raise FileRefused(f"{path}: not a directory")
        async with aclosing(_scan(sftp, path)) as names:
            async for name in names:
                if name.filename not in (".", ".."):
                    found.append(name)
                if len(found) > most:
                    raise paths.too_many(path, most)
    return [await _entry(sftp, posixpath.join(path, str(name.filename)), name.attrs) for name in found]


async def resolve(sftp: asyncssh.SFTPClient, path: str) -> str:
    # A session of SFTP starts in the home directory.
    from_home = "." + path[1:] if path == "~" or path.startswith("~/") else path
    with answers(path):
        found = str(await sftp.realpath(from_home))
        # Some servers make a path of what isn't there, too.
        await sftp.stat(found)
        return found


async def append(sftp: asyncssh.SFTPClient, path: str, data: bytes) -> None:
    with _writes(path):
        await _check_writable(sftp, path)
        async with _open(sftp, path, "ab") as file:
            await _write(file, data)


async def replace(sftp: asyncssh.SFTPClient, path: str, data: bytes) -> None:
    """The old file's mode stays."""
    temporary = posixpath.join(posixpath.dirname(path), f".runexp-{secrets.token_hex(8)}.tmp")
    with _writes(path):
        old = await _check_writable(sftp, path)
        try:
            async with _open(sftp, temporary, "xb") as file:
                if old is not None and old.permissions is not None:
                    await file.chmod(modes.S_IMODE(old.permissions))
                await _write(file, data)
            await sftp.posix_rename(temporary, path)
        except SILENCE:
            raise
        except asyncssh.SFTPError:
            with suppress(asyncssh.SFTPError):
                await sftp.remove(temporary)
            raise


@contextmanager
def _writes(path: str) -> Iterator[None]:
    """As `answers`, where what is missing is a directory: a refusal, not a missing file."""
    try:
        with answers(path):
            yield
    except FileMissing as error:
        raise FileRefused(f"{path}: its directory does not exist") from error


async def _check_writable(sftp: asyncssh.SFTPClient, path: str) -> asyncssh.SFTPAttrs | None:
    """What is there, if anything is."""
    try:
        found = await sftp.lstat(path)
    except _MISSING:
        return None
    if modes.S_ISLNK(found.permissions or 0):
        raise paths.is_link(path)
    _check_regular(path, found)
    return found


def _check_regular(path: str, found: asyncssh.SFTPAttrs) -> None:
    if _kind(found) is not Kind.FILE:
        raise paths.irregular(path)


@asynccontextmanager
async def _open(sftp: asyncssh.SFTPClient, path: str, mode: str) -> AsyncIterator[asyncssh.SFTPClientFile]:
    # Without a block size there is one request a call: asyncssh's parallel ones could reorder an append.
    file = await sftp.open(path, mode, block_size=0)
    async with file:
        yield file


async def _read(file: asyncssh.SFTPClientFile, start: int, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and start < _FARTHEST:
        chunk = cast(bytes, await file.read(min(_READ_BYTES, size - len(found)), start + len(found)))
        if not chunk:
            break
        found += chunk
    return bytes(found)


async def _write(file: asyncssh.SFTPClientFile, data: bytes) -> None:
    for start in range(0, len(data), _WRITE_BYTES):
        await file.write(data[start : start + _WRITE_BYTES])
    # Some servers have no fsync; the server's own close is the most there is then.
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()


def _scan(sftp: asyncssh.SFTPClient, path: str) -> AsyncGenerator[asyncssh.SFTPName, None]:
    return cast(AsyncGenerator[asyncssh.SFTPName, None], sftp.scandir(path))


async def _entry(sftp: asyncssh.SFTPClient, path: str, attrs: asyncssh.SFTPAttrs) -> tuple[FileFact, bool]:
    if not modes.S_ISLNK(attrs.permissions or 0):
        return _fact(path, attrs), False
    # A link in a circle, or to where one may not look, is no reason to refuse the others.
    with suppress(FileRefused):
        return await stat(sftp, path) or _fact(path, attrs), True
    return _fact(path, attrs), True


def _fact(path: str, attrs: asyncssh.SFTPAttrs) -> FileFact:
    return FileFact(path, attrs.size or 0, float(attrs.mtime or 0), _kind(attrs))


def _kind(attrs: asyncssh.SFTPAttrs) -> Kind:
    mode = attrs.permissions or 0
    if modes.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if modes.S_ISDIR(mode) else Kind.OTHER
