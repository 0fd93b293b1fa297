"""A host of each kind there is."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from fakes.sshd import run_sshd
from runexpd.hosts import local, ssh
from runexpd.hosts.base import DEFAULT_LIMITS, Host, Limits

KINDS = ("ssh", "local")


@pytest.fixture(params=KINDS)
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
    async with (
        run_sshd(home) as server,
        ssh.open_ssh(server.target(), now=time.time, jitter=random.random, limits=limits) as opened,
    ):
        yield opened
