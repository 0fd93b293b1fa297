"""The lasting connection: one login, few sessions, and what callers are told while it is gone."""

import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes.sshd import FakeSshd, Fate, run_sshd
from runexpd.hosts import link, login, ssh, ssh_link, ssh_target
from runexpd.hosts.base import HostUnreachable

FAST = ssh_link.Pace(floor_seconds=0.05, ceiling_seconds=0.2, steady_seconds=0.0)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(server: FakeSshd, pace: ssh_link.Pace = FAST) -> AsyncIterator[ssh.SshHost]:
    async with ssh.open_ssh(server.target(), now=time.time, jitter=random.random, pace=pace) as host:
        yield host


async def until(host: ssh.SshHost, kind: type[link.Status]) -> link.Status:
    """Wait for the link to have a status of a kind."""
    with anyio.fail_after(5):
        while True:
            changed = host.link.changed()
            if isinstance(host.link.status, kind):
                return host.link.status
            await changed.wait()


async def all_at_once(count: int, call: Callable[[], Awaitable[object]]) -> None:
    async def once() -> None:
        await call()

    async with anyio.create_task_group() as tasks:
        for _ in range(count):
            tasks.start_soon(once)


async def wait_for(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while True:
            if condition():
                return
            await anyio.sleep(0.001)


async def test_connects_when_asked_and_not_before(server: FakeSshd) -> None:
    async with opened(server) as host:
        await anyio.wait_all_tasks_blocked()
        assert (host.link.status, server.logins) == (link.Idle(), [])
        await host.run(["true"])
        assert isinstance(host.link.status, link.Connected)
        assert host.link.trouble() == ""


def in_a_circle(path: Path) -> str:
    path.write_text(f"Include {path}\n")
    return "it includes itself"


def of_nobodys_making(path: Path) -> str:
    path.write_text("Host x\n")
    return "a fault of the daemon's: ZeroDivisionError"


@pytest.mark.parametrize("write", [in_a_circle, of_nobodys_making])
async def test_whatever_goes_wrong_with_a_login_is_the_links_own_trouble(
    server: FakeSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], str]
) -> None:
    path = tmp_path / "config"
    said = write(path)
    if write is of_nobodys_making:
        monkeypatch.setattr(ssh_target, "read_hops", lambda _: 1 / 0)
    target = replace(server.target(), config_files=(str(path),))
    async with ssh.open_ssh(target, now=time.time, jitter=random.random, pace=FAST) as host:
        for _ in range(2):
            with pytest.raises(HostUnreachable, match=said):
                await host.run(["true"])


async def test_one_login_for_all_callers(server: FakeSshd) -> None:
    async with opened(server) as host:
        await all_at_once(20, lambda: host.run(["true"]))
        await all_at_once(20, lambda: host.stat("/"))
        assert len(server.logins) == 1


async def test_few_sessions_at_a_time(server: FakeSshd) -> None:
    async with opened(server) as host:
        await all_at_once(30, lambda: host.run(["true"]))
        assert len(server.scripts) == 30
        assert server.peak_sessions == FAST.sessions


@pytest.mark.parametrize("most", [1, 2, 3])
async def test_a_server_with_room_for_few_sessions_is_given_few(server: FakeSshd, most: int) -> None:
    server.most_sessions = most
    async with opened(server) as host:
        await all_at_once(20, lambda: host.run(["true"]))
        await all_at_once(20, lambda: host.stat("/"))
        assert (server.peak_sessions, len(server.logins)) == (most, 1)


async def test_a_server_that_has_no_room_left_is_logged_in_to_anew(server: FakeSshd) -> None:
    server.most_sessions = 0
    async with opened(server) as host:
        with pytest.raises(HostUnreachable):
            await host.run(["true"])
        server.most_sessions = 10
        await until_it_runs(host)
        assert await host.stat("/") is not None
        assert len(server.logins) == 2


@pytest.mark.parametrize("fate", [Fate.DROP, Fate.CUT])
async def test_a_link_lost_during_a_command_is_unclear_although_it_ran(
    server: FakeSshd, tmp_path: Path, fate: Fate
) -> None:
    server.fate = lambda script: fate if "touch" in script else Fate.ANSWER
    async with opened(server) as host:
        with pytest.raises(HostUnreachable):
            await host.run(["touch", f"{tmp_path}/done"])
        assert (tmp_path / "done").exists()
        assert isinstance(host.link.status, link.Down)


async def test_a_command_without_an_answer_is_unclear_and_the_link_lives_on(server: FakeSshd) -> None:
    server.fate = lambda script: Fate.HANG if "hang" in script else Fate.ANSWER
    async with opened(server) as host:
        for _ in range(FAST.sessions + 1):
            with pytest.raises(HostUnreachable, match="no answer in time"):
                await host.run(["echo", "hang"], timeout_seconds=0.05)
        assert (await host.run(["echo", "on"])).stdout == "on\n"
        assert len(server.logins) == 1


async def test_a_machine_that_froze_is_noticed(server: FakeSshd) -> None:
    keepalive = login.Keepalive(seconds=0.05, count=2)
    pace = ssh_link.Pace(floor_seconds=30, keepalive=keepalive)
    async with opened(server, pace) as host:
        await host.run(["true"])
        server.freeze_all()
        with pytest.raises(HostUnreachable), anyio.fail_after(5):
            await host.run(["true"])
        assert isinstance(host.link.status, link.Down)
        assert "keepalive" in host.link.status.why


async def test_a_server_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with (
        run_sshd(tmp_path) as server,
        await anyio.create_tcp_listener(local_host="127.0.0.1") as silent,
    ):
        port = silent.extra(anyio.abc.SocketAttribute.local_port)
        pace = ssh_link.Pace(login_seconds=0.1)
        target = server.target(port=port)
        async with ssh.open_ssh(target, now=time.time, jitter=random.random, pace=pace) as host:
            with pytest.raises(HostUnreachable, match="no answer in time"), anyio.fail_after(5):
                await host.run(["true"])


async def test_callers_are_told_at_once_while_the_link_is_down(server: FakeSshd) -> None:
    async with opened(server, ssh_link.Pace(floor_seconds=30)) as host:
        await host.run(["true"])
        await server.stop_listening()
        server.drop_all()
        await until(host, link.Down)
        with anyio.fail_after(1):
            for _ in range(50):
                with pytest.raises(
                    HostUnreachable, match=r"della: no connection for \d s: .*; next try in \d+ s"
                ):
                    await host.run(["true"])
                with pytest.raises(HostUnreachable):
                    await host.read("/etc/passwd")
        assert len(server.logins) == 1


async def test_comes_back_by_itself_once_it_was_asked_for(server: FakeSshd) -> None:
    async with opened(server) as host:
        await host.run(["true"])
        await host.stat("/")
        await server.stop_listening()
        server.cut_all()
        down = await until(host, link.Down)
        with pytest.raises(HostUnreachable):
            await host.run(["true"])
        await until(host, link.Connecting)
        again = await until(host, link.Down)
        assert isinstance(again, link.Down)
        assert isinstance(down, link.Down)
        assert again.since == down.since
        await server.listen()
        await until(host, link.Connected)
        assert (await host.run(["echo", "back"])).stdout == "back\n"
        assert await host.stat("/") is not None


async def test_stays_away_when_nobody_asks(server: FakeSshd) -> None:
    async with opened(server) as host:
        await host.run(["true"])
        server.cut_all()
        await until(host, link.Down)
        await anyio.wait_all_tasks_blocked()
        assert len(server.logins) == 1


async def test_logins_keep_their_distance(server: FakeSshd) -> None:
    pace = ssh_link.Pace(floor_seconds=0.5, steady_seconds=0.0)
    async with opened(server, pace) as host:
        earliest = [time.time()]
        for _ in range(2):
            await until_it_runs(host)
            server.cut_all()
            down = await until(host, link.Down)
            assert isinstance(down, link.Down)
            earliest.append(down.next_try_at)
        await until_it_runs(host)
    assert min(later - sooner for sooner, later in pairwise(earliest)) >= 0.5
    ahead = time.time() - time.monotonic()
    logins = [at + ahead for at in server.logins]  # by the server, which may be late
    assert all(at >= wanted - 0.01 for at, wanted in zip(logins, earliest, strict=True))


async def until_it_runs(host: ssh.SshHost) -> None:
    with anyio.fail_after(5):
        while True:
            changed = host.link.changed()
            try:
                await host.run(["true"])
            except HostUnreachable:
                await changed.wait()
            else:
                return


async def test_pauses_grow_while_the_server_is_away(server: FakeSshd) -> None:
    await server.stop_listening()
    clock = [1000.0]
    tries: list[float] = []

    async def sleep(seconds: float) -> None:
        clock[0] += seconds
        await anyio.lowlevel.checkpoint()

    async with ssh.open_ssh(server.target(), now=lambda: clock[0], jitter=lambda: 0.5, sleep=sleep) as host:
        with pytest.raises(HostUnreachable):
            await host.run(["true"])
        while len(tries) < 9:
            status = await until(host, link.Connecting)
            assert isinstance(status, link.Connecting)
            tries.append(status.since)
            await until(host, link.Down)
    pauses = [later - sooner for sooner, later in pairwise(tries)]
    assert pauses == pytest.approx([25.0, 50.0, 100.0, 200.0, 375.0, 375.0, 375.0, 375.0])


async def test_a_link_that_is_lost_again_and_again_is_not_hurried(server: FakeSshd) -> None:
    clock, pauses = [1000.0], []

    async def sleep(seconds: float) -> None:
        clock[0] += seconds
        await anyio.lowlevel.checkpoint()

    async with ssh.open_ssh(server.target(), now=lambda: clock[0], jitter=lambda: 0.5, sleep=sleep) as host:
        for _ in range(3):
            await until_it_runs(host)
            server.cut_all()
            down = await until(host, link.Down)
            assert isinstance(down, link.Down)
            pauses.append(down.next_try_at - clock[0])
    assert pauses == pytest.approx([12.5, 25.0, 50.0])


async def test_an_append_whose_answer_is_lost_is_unclear(server: FakeSshd, tmp_path: Path) -> None:
    server.fate = lambda script: Fate.CUT if "oflag=append" in script else Fate.ANSWER
    async with opened(server) as host:
        with pytest.raises(HostUnreachable):
            await host.append(f"{tmp_path}/log", b"block")
    assert (tmp_path / "log").read_bytes() == b"block"


async def test_a_host_that_is_closed_leaves_no_connection(server: FakeSshd) -> None:
    async with opened(server) as host:
        await host.run(["true"])
    await wait_for(lambda: not server.connections)


@given(failures=st.integers(0, 10_000), jitter=st.floats(0, 1))
def test_a_pause_is_never_shorter_than_the_floor_nor_endless(failures: int, jitter: float) -> None:
    pace = ssh_link.Pace(floor_seconds=10, ceiling_seconds=300)
    assert 10 <= ssh_link.pause_seconds(pace, failures, jitter) <= 450


def test_trouble_is_told_in_one_line() -> None:
    down = link.Down(since=100.0, why="connection refused", next_try_at=150.0)
    assert ssh_link.describe("della", down, 130.0) == (
        "della: no connection for 30 s: connection refused; next try in 20 s"
    )
    assert ssh_link.describe("della", down, 160.0) == "della: no connection for 60 s: connection refused"
    assert ssh_link.describe("della", link.Connected(since=1.0), 160.0) == ""


def test_errors_are_told_in_words_alone() -> None:
    assert login.describe(OSError(-2, "Name or service not known")) == "Name or service not known"
    several = OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] unreachable")
    assert login.describe(several) == "Multiple exceptions: Connect call failed, unreachable"
    assert login.describe(OSError()) == "OSError"
