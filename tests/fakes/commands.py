"""`runexp` as a process of its own that needn't import anything: a child of one that has it all, of which each is a copy.

Commands are started by the thousand, and most of what one costs is its imports. What is a matter of its start, or needs to be
signalled or typed at, starts the program itself.
"""

import atexit
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

RUNEXP = Path(sys.executable).parent / "runexp"
#: An interpreter looks at these as it starts.
_OF_THE_START = ("PYTHON", "LC_", "LANG")
#: What goes into one message; the system's own limit of what a program can be given is higher.
_MOST_BYTES = 64 * 1024


class _Mother:
    """The process that has all imported, and ends with us."""

    def __init__(self) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, os.fspath(Path(__file__).with_name("mother.py"))]
            self._process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd="/")
        self.start = _of_the_start(os.environ)

    def born(self, wanted: bytes, *descriptors: int) -> socket.socket:
        """Says its pid, then its exit code."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._door, [wanted], [*descriptors, theirs.fileno()])
        return ours

    def end(self) -> None:
        self._door.close()
        self._process.wait()


_mother: _Mother | None = None


@atexit.register
def _end() -> None:
    if _mother is not None:
        _mother.end()


def run(
    args: Sequence[str], environment: Mapping[str, str], input: str, timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run does it with captured text. Raises subprocess.TimeoutExpired."""
    global _mother
    _mother = _mother or _Mother()
    wanted = pickle.dumps(([os.fspath(RUNEXP), *args], dict(environment), os.getcwd()))
    if len(wanted) > _MOST_BYTES or _of_the_start(environment) != _mother.start or _has_zero(args):
        return _started(args, environment, input, timeout_seconds)
    with _file(input) as asked, _file() as said, _file() as noted:
        born = _mother.born(wanted, asked.fileno(), said.fileno(), noted.fileno())
        code = _ended(born, args, timeout_seconds)
        said.seek(0)
        noted.seek(0)
        return subprocess.CompletedProcess(args, code, said.read(), noted.read())


def _started(
    args: Sequence[str], environment: Mapping[str, str], input: str, timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [RUNEXP, *args],
        env=environment,
        input=input,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )


def _of_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_OF_THE_START)}


def _has_zero(args: Sequence[str]) -> bool:
    """Which no program can be given."""
    return any("\0" in arg for arg in args)


@contextmanager
def _file(text: str = "") -> Iterator[IO[str]]:
    with tempfile.TemporaryFile("w+") as file:
        file.write(text)
        file.seek(0)
        yield file


def _ended(born: socket.socket, args: Sequence[str], timeout_seconds: float) -> int:
    """Its exit code. Whatever ends the wait ends the process."""
    with born:
        pid = int(born.recv(100))
        born.settimeout(timeout_seconds)
        try:
            return int(born.recv(100))
        except BaseException as error:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            if isinstance(error, TimeoutError):
                raise subprocess.TimeoutExpired(args, timeout_seconds) from None
            raise
