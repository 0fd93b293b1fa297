"""A command of this machine, run to its end by a blocking function that is to be called in a thread."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from runexpd.hosts.base import HostUnreachable, Ran
from runexpd.hosts.local_files import mapped

_CHUNK_BYTES = 64 * 1024


def run(argv: Sequence[str], stdin: bytes, timeout_seconds: float, most_bytes: int) -> Ran:
    """What ran. A command that is not there exits with 127, as a shell says it.

    Raises HostUnreachable where it took longer or wrote more than it may: it is then killed, with all its processes.
    """
    try:
        with _input(stdin) as source:
            process = _start(argv, source)
    except (
        BlockingIOError
    ) as error:  # of a file it says that there is nothing to read; of a fork, no more processes
        raise HostUnreachable(f"{argv[0]}: {error.strerror}") from None
    except FileNotFoundError:
        return Ran(127, "", f"{argv[0]}: command not found")
    except OSError as error:
        if isinstance(why := mapped(argv[0], error), HostUnreachable):
            raise why from None
        return Ran(126, "", f"{argv[0]}: {error.strerror}")
    with process:
        try:
            out, err = _read(process, time.monotonic() + timeout_seconds, most_bytes)
        except subprocess.TimeoutExpired:
            raise HostUnreachable(f"{argv[0]} gave no answer in {timeout_seconds:g} s") from None
        except BufferError:
            raise HostUnreachable(
                f"{argv[0]}: more than {most_bytes} bytes of output, so it was ended"
            ) from None
    return Ran(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


@contextmanager
def _input(data: bytes) -> Iterator[int | IO[bytes]]:
    """As a file in memory: so nobody has to feed a pipe while reading two others."""
    if not data:
        yield subprocess.DEVNULL
        return
    with open(os.memfd_create("stdin"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file


def _start(argv: Sequence[str], source: int | IO[bytes]) -> subprocess.Popen[bytes]:
    pipe = subprocess.PIPE
    return subprocess.Popen(list(argv), stdin=source, stdout=pipe, stderr=pipe, start_new_session=True)


def _read(process: subprocess.Popen[bytes], deadline: float, most_bytes: int) -> tuple[bytes, bytes]:
    """Both streams, until they and the process have ended. Otherwise kills it: TimeoutExpired, BufferError."""
    assert process.stdout is not None
    assert process.stderr is not None
    found = {process.stdout: bytearray(), process.stderr: bytearray()}
    try:
        for stream, chunk in _chunks(list(found), process, deadline):
            found[stream] += chunk
            if sum(map(len, found.values())) > most_bytes:
                raise BufferError
        process.wait(max(0.0, deadline - time.monotonic()))
    except BaseException:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    return bytes(found[process.stdout]), bytes(found[process.stderr])


def _chunks(
    streams: Sequence[IO[bytes]], process: subprocess.Popen[bytes], deadline: float
) -> Iterator[tuple[IO[bytes], bytes]]:
    with selectors.DefaultSelector() as waiting:
        for stream in streams:
            waiting.register(stream, selectors.EVENT_READ, stream)
        while waiting.get_map():
            ready = waiting.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise subprocess.TimeoutExpired(process.args, 0.0)
            for key, _ in ready:
                if chunk := os.read(key.fd, _CHUNK_BYTES):
                    yield key.data, chunk
                else:
                    waiting.unregister(key.fileobj)
