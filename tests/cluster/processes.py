"""This machine's processes and ports, as a test cluster needs them. Whatever is ended is ended by pid."""

import os
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


def started(pid: int) -> str | None:
    """When a process was started, in the kernel's ticks; None for none, or a zombie."""
    fields = _stat(pid)
    return None if not fields or fields[0] == "Z" else fields[19]


def children(pid: int) -> list[int]:
    return [int(entry.name) for entry in _processes() if _stat(int(entry.name))[1:2] == [str(pid)]]


def name_of(pid: int) -> str:
    """As the kernel has it; empty for no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def kill_marked(mark: bytes) -> None:
    """Those that have it in their environment, but for ourselves."""
    for entry in _processes():
        with suppress(OSError):
            if int(entry.name) != os.getpid() and mark in (entry / "environ").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def kill_called(mark: bytes) -> None:
    """Those that have it on their command line, but for ourselves."""
    for entry in _processes():
        with suppress(OSError):
            if int(entry.name) != os.getpid() and mark in (entry / "cmdline").read_bytes():
                os.kill(int(entry.name), signal.SIGKILL)


def _processes() -> list[Path]:
    return [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """What follows the name: state, parent, ...; empty for no such process."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return []


def free_ports(names: Sequence[str]) -> dict[str, int]:
    sockets = [socket.socket() for _ in names]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return {name: each.getsockname()[1] for name, each in zip(names, sockets, strict=True)}
    finally:
        for each in sockets:
            each.close()
