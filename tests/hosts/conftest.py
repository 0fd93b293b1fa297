"""A host of each kind there is."""

import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from fakes.sshd import run_sshd
from runexpd.hosts import local, openssh, ssh
from runexpd.hosts.base import DEFAULT_LIMITS, Host, Limits

KINDS = ("ssh", "local")
#: A machine with other tools than GNU's, where such are at hand.
BUSYBOX = shutil.which("busybox")
TOOLS = ["cat", "chmod", "dd", "find", "head", "mv", "readlink", "rm", "stat", "tail", "timeout", "xargs"]


#: A process or more for each command: not among the fast ones.
SLOW = ("openssh", *(["busybox"] if BUSYBOX else []))


@pytest.fixture(params=[*KINDS, *(pytest.param(kind, marks=pytest.mark.real) for kind in SLOW)])
def open_host(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Limits], AbstractAsyncContextManager[Host]]:
    """For tests that need other limits than the usual ones."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    return lambda limits: _open(request.param, home, limits)


@pytest.fixture
async def host(open_host: Callable[[Limits], AbstractAsyncContextManager[Host]]) -> AsyncIterator[Host]:
    async with open_host(DEFAULT_LIMITS) as opened:
        yield opened


@asynccontextmanager
async def _open(kind: str, home: Path, limits: Limits) -> AsyncIterator[Host]:
    if kind == "local":
        yield local.LocalHost(limits=limits)
        return
    async with run_sshd(home) as server:
        opening: AbstractAsyncContextManager[Host]
        if kind == "busybox":
            server.environment["PATH"] = f"{_busybox(home)}:{os.environ['PATH']}"
        target = server.target()
        if kind != "openssh":
            opening = ssh.open_ssh(target, limits=limits, now=time.time, jitter=random.random)
        else:
            opening = openssh.open_openssh(
                target, dir=home, limits=limits, now=time.time, jitter=random.random
            )
        async with opening as opened:
            yield opened


def _busybox(home: Path) -> Path:
    bin = home / ".bin"
    if not bin.exists():
        bin.mkdir()
        for name in TOOLS:
            (bin / name).symlink_to(str(BUSYBOX))
    return bin
