"""A cluster's files when its SFTP server hangs, and when its login shell says what nobody asked for."""

import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import asyncssh
import pytest

from fakes import sshd
from fakes.sshd import FakeSshd, run_sshd
from runexpd.hosts import ssh
from runexpd.hosts.base import DEFAULT_LIMITS, FileRefused, HostUnreachable, Limits, Ran, StatPath

#: An answer that does come may take longer on a busy machine: see `answered`.
QUICK = Limits(files_timeout_seconds=0.3)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(server: FakeSshd, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[ssh.SshHost]:
    async with ssh.open_ssh(server.target(), now=time.time, jitter=random.random, limits=limits) as host:
        yield host


async def answered(host: ssh.SshHost) -> None:
    with anyio.fail_after(30):
        while True:
            with suppress(HostUnreachable):
                assert await host.stat("/") is not None
                return


async def wait_for(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.001)


class Hang:
    """Servers that answer nothing any more, each from the moment on when it was asked about `/hung`, as OpenSSH's does."""

    def __init__(self) -> None:
        self.is_over = anyio.Event()
        self._servers: list[asyncssh.SFTPServer] = []

    async def wait(self, server: asyncssh.SFTPServer, path: bytes) -> None:
        if path == b"/hung":
            self._servers.append(server)
        if server in self._servers:
            await self.is_over.wait()


@pytest.fixture
def hang(monkeypatch: pytest.MonkeyPatch) -> Hang:
    hang = Hang()

    async def stat(server: asyncssh.SFTPServer, path: bytes) -> Any:
        await hang.wait(server, path)
        return asyncssh.SFTPServer.stat(server, path)

    monkeypatch.setattr(sshd._Sftp, "stat", stat, raising=False)
    return hang


async def test_a_server_that_hangs_is_asked_no_more(server: FakeSshd, hang: Hang) -> None:
    async with opened(server, QUICK) as host:
        with pytest.raises(HostUnreachable, match=r"^della: /hung: no answer in time$"):
            await host.stat("/hung")
        await answered(host)
        assert (server.sessions >= 2, len(server.logins)) == (True, 1)


async def test_servers_that_hang_leave_room_for_commands(server: FakeSshd, hang: Hang) -> None:
    async with opened(server, QUICK) as host:
        for _ in range(6):
            with pytest.raises(HostUnreachable):
                await host.stat("/hung")
        assert 2 <= server.peak_sessions <= 3
        assert (await host.run(["echo", "on it goes"])).stdout == "on it goes\n"


async def test_servers_that_come_back_are_asked_again(server: FakeSshd, hang: Hang) -> None:
    async with opened(server, QUICK) as host:
        for _ in range(4):
            with pytest.raises(HostUnreachable):
                await host.stat("/hung")
        hang.is_over.set()
        for _ in range(4):
            await answered(host)
        assert server.peak_sessions <= 3


async def test_where_there_is_room_for_one_session_the_one_there_is_asked_again(
    server: FakeSshd, hang: Hang
) -> None:
    server.most_sessions = 1
    async with opened(server, QUICK) as host:
        with pytest.raises(HostUnreachable):
            await host.stat("/hung")
        hang.is_over.set()
        await answered(host)


async def test_a_server_that_does_not_start_takes_one_session(
    server: FakeSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_start = anyio.Event()
    real = asyncssh.SSHClientConnection.start_sftp_client
    starts = 0

    async def start(connection: asyncssh.SSHClientConnection, **more: Any) -> asyncssh.SFTPClient:
        nonlocal starts
        starts += 1
        await may_start.wait()
        return await real(connection, **more)

    monkeypatch.setattr(asyncssh.SSHClientConnection, "start_sftp_client", start)
    async with opened(server, QUICK) as host:
        await host.run(["true"])
        for _ in range(2):
            with pytest.raises(HostUnreachable, match="no answer in time"):
                await host.stat("/")
        may_start.set()
        await answered(host)
        assert starts == 1


async def test_no_answer_to_one_of_many_is_no_answer(server: FakeSshd, hang: Hang) -> None:
    async with opened(server, QUICK) as host:
        with pytest.raises(HostUnreachable):
            await host.fetch([StatPath("/"), StatPath("/hung"), StatPath("/")])


@pytest.mark.parametrize("banner", ["Welcome to della!\n", "\0", "d 1 2\n", "", "\x1b[31m!\udcff\n"])
async def test_a_login_shell_that_says_something_else_is_not_taken_for_find(
    server: FakeSshd, tmp_path: Path, banner: str
) -> None:
    (tmp_path / "top" / "below").mkdir(parents=True)

    async def say(script: str, stdin: bytes) -> Ran:
        return Ran(0, banner, "")

    server.handler = say
    async with opened(server) as host:
        found = await host.tree(f"{tmp_path}/top", 2)
        assert [fact.path for fact in found] == [f"{tmp_path}/top/below"]


async def test_a_banner_without_an_end_is_not_read_to_its_end(server: FakeSshd, tmp_path: Path) -> None:
    async def say(script: str, stdin: bytes) -> Ran:
        return Ran(0, "x" * 5_000_000, "")

    server.handler = say
    async with opened(server, Limits(output_bytes=100_000)) as host:
        with pytest.raises(HostUnreachable, match=r"^della: true: more than 100000 bytes of output"):
            await host.run(["true"])
        with pytest.raises(FileRefused, match="too many to be looked at"):
            await host.tree(f"{tmp_path}", 2)
        server.handler = None
        assert (await host.run(["echo", "on it goes"])).stdout == "on it goes\n"
        assert len(server.logins) == 1
        await wait_for(lambda: server.sessions == 0)
