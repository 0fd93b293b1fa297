"""`runexp` and `runexpd` as processes of their own that needn't import anything: each a child of one that has imported it all.

They are started by the thousand, and most of what a start costs is imports. What is a matter of the start, or of a terminal,
starts the program itself; so do benchmarks.
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
from functools import cache
from pathlib import Path
from threading import Lock
from typing import IO

BIN = Path(sys.executable).parent
#: Where each program begins.
MODULES = {"runexp": "runexp.cli", "runexpd": "runexpd.__main__"}
#: An interpreter looks at these as it starts.
_OF_THE_START = ("PYTHON", "LC_", "LANG")
#: What goes into one message; the system's own limit of what a program can be given is higher.
_MOST_BYTES = 64 * 1024


class Born:
    """A process whose pid and, at its end, whose exit code come through a socket; to be had as a subprocess.Popen is."""

    def __init__(self, told: socket.socket) -> None:
        self._told = told
        self.pid = int(told.recv(100))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._told.settimeout(timeout)
            try:
                self.returncode = int(self._told.recv(100))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0) from None
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class _Mother:
    """The process that has a program imported, and ends with us."""

    def __init__(self, program: str) -> None:
        self._door, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            argv = [sys.executable, os.fspath(Path(__file__).with_name("mother.py")), MODULES[program]]
            self._process = subprocess.Popen(argv, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, cwd="/")
        self.start = _of_the_start(os.environ)

    def bear(self, wanted: bytes, files: Sequence[int]) -> Born:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._door, [wanted], [*files, theirs.fileno()])
        return Born(ours)

    def end(self) -> None:
        self._door.close()
        self._process.wait()


_turn = Lock()


def _mother(program: str) -> _Mother:
    with _turn:
        return _begun(program)


@cache
def _begun(program: str) -> _Mother:
    mother = _Mother(program)
    atexit.register(mother.end)
    return mother


def run(
    args: Sequence[str], environment: Mapping[str, str], input: str, timeout_seconds: float
) -> subprocess.CompletedProcess[str]:
    """`runexp`, as subprocess.run does it with captured text. Raises subprocess.TimeoutExpired."""
    with _file(input) as asked, _file() as said, _file() as noted:
        process = start("runexp", args, environment, [asked, said, noted])
        try:
            code = process.wait(timeout_seconds)
        finally:  # whatever ends the wait ends the process
            process.send_signal(signal.SIGKILL)
            process.wait()
        said.seek(0)
        noted.seek(0)
        return subprocess.CompletedProcess(args, code, said.read(), noted.read())


@contextmanager
def _file(text: str = "") -> Iterator[IO[str]]:
    with tempfile.TemporaryFile("w+") as file:
        file.write(text)
        file.seek(0)
        yield file


def start(
    program: str, args: Sequence[str], environment: Mapping[str, str], files: Sequence[IO[str] | IO[bytes]]
) -> "Born | subprocess.Popen[bytes]":
    """One of MODULES. `files`: what it reads, what it says, and what it says of errors."""
    argv = [os.fspath(BIN / program), *args]
    wanted = pickle.dumps((argv, dict(environment), os.getcwd()))
    if "PYTEST_VERSION" not in os.environ or len(wanted) > _MOST_BYTES or any("\0" in arg for arg in args):
        return _anew(argv, environment, files)
    mother = _mother(program)
    if _of_the_start(environment) != mother.start:
        return _anew(argv, environment, files)
    return mother.bear(wanted, [file.fileno() for file in files])


def _anew(
    argv: Sequence[str], environment: Mapping[str, str], files: Sequence[IO[str] | IO[bytes]]
) -> subprocess.Popen[bytes]:
    asked, said, noted = files
    return subprocess.Popen(argv, env=environment, stdin=asked, stdout=said, stderr=noted)


def _of_the_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_OF_THE_START)}
