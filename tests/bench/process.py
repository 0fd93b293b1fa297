"""What a daemon's process costs."""

import os
from contextlib import suppress
from pathlib import Path

from fakes.home import Home


def spent(home: Home) -> float:
    """CPU time of the daemon, in seconds."""
    return _seconds(home)[0]


def spent_by_children(home: Home) -> float:
    """CPU time of those of its children that have ended, in seconds."""
    return _seconds(home)[1]


def megabytes(home: Home, which: str = "VmRSS") -> float:
    """What the daemon holds; `VmHWM`: the most that it ever held."""
    assert home.daemon is not None
    status = Path(f"/proc/{home.daemon.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in status if line.startswith(which))


def _seconds(home: Home) -> tuple[float, float]:
    assert home.daemon is not None
    fields = Path(f"/proc/{home.daemon.pid}/stat").read_text().rpartition(") ")[2].split()
    own, system, of_children, system_of_children = map(int, fields[11:15])
    return (own + system) / 100, (of_children + system_of_children) / 100


def processor_seconds_of_children() -> float:
    """Of this process's children that run, in seconds."""
    found = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            found += int(fields[11]) + int(fields[12]) if fields[1] == str(os.getpid()) else 0
    return found / 100
