"""This machine as a Host. Every blocking call runs in a thread; every OSError is mapped here."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread

from runexpd.hosts.base import FileFact, FileMissing, FileRefused, HostUnreachable, Ran
from runexpd.hosts.script import before

T = TypeVar("T")


class LocalHost:
    """A runexpd.hosts.base.Host. `prepend`: trusted lines of shell put before every command (`module load slurm`)."""

    def __init__(self, prepend: Sequence[str] = ()) -> None:
        self._prepend = tuple(prepend)

    async def read(self, path: str, offset: int = 0, size: int | None = None) -> bytes:
        return await _in_thread(path, lambda: _read(path, offset, size))

    async def stat(self, path: str) -> FileFact | None:
        try:
            return await _in_thread(path, lambda: _fact(path, os.stat(path)))
        except FileMissing:
            return None

    async def list(self, path: str) -> Sequence[FileFact]:
        return await self.tree(path, 1)

    async def tree(self, path: str, depth: int) -> Sequence[FileFact]:
        return await _in_thread(path, lambda: sorted(_walk(path, depth), key=lambda fact: fact.path))

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        """As in the contract. A command that is not there exits with 127, as a shell says it."""
        if self._prepend:  # words of their own: one word alone may not be longer than 128 KiB
            argv = ["sh", "-c", "\n".join([*before(self._prepend), 'exec "$@"']), "sh", *argv]
        return await anyio.to_thread.run_sync(_run, argv, stdin, timeout_seconds)

    async def resolve(self, path: str) -> str:
        return await _in_thread(path, lambda: os.path.realpath(os.path.expanduser(path), strict=True))

    async def make_dirs(self, path: str) -> None:
        await _writing(path, lambda: os.makedirs(path, exist_ok=True))

    async def append(self, path: str, data: bytes) -> None:
        await _writing(path, lambda: _append(path, data))

    async def replace(self, path: str, data: bytes) -> None:
        await _writing(path, lambda: _replace(path, data))


async def _in_thread(path: str, work: Callable[[], T]) -> T:
    try:
        return await anyio.to_thread.run_sync(work)
    except FileNotFoundError:
        raise FileMissing(f"{path}: no such file or directory") from None
    except OSError as error:
        raise FileRefused(f"{path}: {error.strerror or error}") from None


async def _writing(path: str, work: Callable[[], T]) -> T:
    """What is missing when something is written is a directory: a refusal, not a missing file."""
    try:
        return await _in_thread(path, work)
    except FileMissing as error:
        raise FileRefused(error.what) from None


def _read(path: str, offset: int, size: int | None) -> bytes:
    with open(path, "rb") as file:
        if offset < 0:
            offset = max(0, os.fstat(file.fileno()).st_size + offset)
        file.seek(offset)
        return file.read() if size is None else file.read(size)


def _fact(path: str, fact: os.stat_result) -> FileFact:
    # Whole seconds, since SFTP has no finer ones: the same file is to have the same facts however it was seen.
    return FileFact(path, fact.st_size, float(int(fact.st_mtime)), (fact.st_mode & 0o170000) == 0o040000)


def _walk(path: str, depth: int) -> Iterator[FileFact]:
    try:
        entries = list(os.scandir(path))
    except FileNotFoundError:
        return
    for entry in entries:
        try:
            fact = _fact(entry.path, entry.stat())
        except OSError:  # a link to nothing
            fact = _fact(entry.path, entry.stat(follow_symlinks=False))
        yield fact
        if depth > 1 and entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, depth - 1)


def _append(path: str, data: bytes) -> None:
    with open(path, "ab") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _replace(path: str, data: bytes) -> None:
    """The old file's mode stays; a new one gets what the umask gives."""
    mode = os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0o666 & ~_umask()
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".runexp-")
    try:
        with open(handle, "wb") as file:
            file.write(data)
            os.fchmod(handle, mode)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o077


def _run(argv: Sequence[str], stdin: bytes, timeout_seconds: float) -> Ran:
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        return Ran(127, "", f"{argv[0]}: command not found")
    except OSError as error:
        return Ran(126, "", f"{argv[0]}: {error.strerror}")
    with process:
        try:
            out, err = process.communicate(stdin, timeout_seconds)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise HostUnreachable(f"{argv[0]} gave no answer in {timeout_seconds:g} s") from None
    return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))
