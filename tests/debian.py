"""Debian's packages, for tests that need them: installed where we may, by one process of tests at a time."""

import fcntl
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn() -> Iterator[None]:
    """Whoever installs has it: apt gives up where another one is at work."""
    with open(Path(tempfile.gettempdir()) / "runexp-tests-packages.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install(*packages: str) -> None:
    """As root. Raises CalledProcessError."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "-y", *packages]):
        subprocess.run(["apt-get", "-qq", *command], check=True, env=environment, capture_output=True)
