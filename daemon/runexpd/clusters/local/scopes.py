"""A job's own control group, where systemd runs the daemon. Standard library only.

What a service starts stays in its control group, however it forks: a restart of the daemon finds its jobs left over, what they use
is the service's, and who is to end for want of memory may be the daemon. So a keeper asks the user's systemd for a scope
(systemd.scope(5)) and puts itself in, before it has begun: `systemd-run --scope` in front of it could fail without anybody knowing
whether it has. Without a scope, all is as it is without systemd: a job depends on none of this.
"""

import binascii
import os
import re
import subprocess
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

#: As cgroups(7) has it.
CGROUP = Path("/proc/self/cgroup")
#: The daemon's unit, or that of a job whose keeper started this one.
_OURS = re.compile(r"runexpd\.service|runexp-job-[0-9a-f]{8}-[0-9]+\.scope")
#: For a job to wait, at most, for what it can do without.
_MOST_SECONDS = 2.0
#: What busctl(1) needs. A job's own may lead it to libraries that it can't be run with.
_NEEDED = ("PATH", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")


def enter(directory: Path) -> None:
    """Leave the daemon's service, or another job's scope, for one of this job's own, if this process is in one and that can be done."""
    until = time.monotonic() + _MOST_SECONDS
    with suppress(OSError, subprocess.SubprocessError):
        if any(map(_OURS.fullmatch, _here())) and _ask(directory):
            while name(directory) not in _here() and time.monotonic() < until:
                time.sleep(0.01)


def _here() -> Collection[str]:
    """Raises OSError."""
    return units(CGROUP.read_text(errors="replace"))


def units(cgroup: str) -> Collection[str]:
    """What the groups are called that systemd has put a process in: one, in whichever of its hierarchies."""
    groups = (line.split(":", 2) for line in cgroup.splitlines() if line.count(":") >= 2)
    return {path.rpartition("/")[2] for _, controllers, path in groups if controllers in ("", "name=systemd")}


def name(directory: Path) -> str:
    """Of a job's scope: each of this user's homes has its own, whatever it is called."""
    home = binascii.crc32(os.fsencode(os.path.realpath(directory.parent)))
    return f"runexp-job-{home:08x}-{directory.name}.scope"


def request(directory: Path, pid: int) -> list[str]:
    """The words that have systemd put a process into a job's scope (org.freedesktop.systemd1(5))."""
    manager = "org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.systemd1.Manager"
    properties = [
        *("PIDs", "au", "1", str(pid)),
        *("Description", "s", f"runexp: job {directory.name} of this machine"),
        *("CollectMode", "s", "inactive-or-failed"),
        # What comes before is stopped after: at logout the daemon goes first, and sees no job die that it would submit again.
        *("Before", "as", "1", "runexpd.service"),
        # Delegated, with no controller more than there are: one process that ends for want of memory isn't the end of them all.
        # OOMPolicy= says it in so many words, but no systemd before 253 takes it for a scope.
        *("DelegateControllers", "as", "0"),
    ]
    call = ["StartTransientUnit", "ssa(sv)a(sa(sv))", name(directory), "fail", "5", *properties, "0"]
    return ["busctl", "--user", "--quiet", "call", *manager.split(), *call]


def _ask(directory: Path) -> bool:
    """Raises OSError and SubprocessError."""
    environment = {name: os.environ[name] for name in _NEEDED if name in os.environ}
    asked = subprocess.run(
        request(directory, os.getpid()),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment,
        timeout=_MOST_SECONDS,
        check=False,
    )
    return asked.returncode == 0
