"""The user's own ssh: the connection that she has open, or one of ours; and what is said where there is none to be had."""

import random
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest
from msgspec.structs import replace

from fakes.sshd import FakeSshd, Question, run_sshd
from runexp.wire.views import Verdict
from runexpd.hosts import link, openssh, openssh_doctor, openssh_master, ssh_link
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.login import Keepalive
from runexpd.hosts.ssh_target import SshTarget

pytestmark = pytest.mark.real

FAST = ssh_link.Pace(floor_seconds=0.05, ceiling_seconds=0.2, steady_seconds=0.0)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(
    target: SshTarget, dir: Path, pace: ssh_link.Pace = FAST
) -> AsyncIterator[openssh.OpensshHost]:
    async with openssh.open_openssh(target, dir=dir, now=time.time, jitter=random.random, pace=pace) as host:
        yield host


@asynccontextmanager
async def open_by_hand(server: FakeSshd, path: Path) -> AsyncIterator[SshTarget]:
    """A connection of the user's, at a path that her configuration names; its target has no key of its own."""
    config = server.home / "config"
    config.write_text(f"Host 127.0.0.1\n ControlPath {path}\n")
    target = replace(server.target(), config_files=(str(config),))
    argv = [*openssh_master.program(target), "-M", "-N", "-S", str(path), "-o", "BatchMode=yes", target.host]
    process = await anyio.open_process(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        with anyio.fail_after(30):
            while not await anyio.Path(path).exists():
                await anyio.sleep(0.01)
        yield replace(target, identity=None)
        assert process.returncode is None  # hers to close
    finally:
        with suppress(ProcessLookupError):
            process.terminate()
        await process.aclose()


async def until_it_runs(host: openssh.OpensshHost) -> None:
    with anyio.fail_after(30):
        while True:
            try:
                assert (await host.run(["true"])).exit_code == 0
                return
            except HostUnreachable:
                await anyio.sleep(0.01)


async def test_her_open_connection_is_used_and_left_open(server: FakeSshd, tmp_path: Path) -> None:
    async with open_by_hand(server, tmp_path / "hers") as target:
        server.accepts_key = False
        async with opened(target, tmp_path) as host:
            assert (await host.run(["echo", "out"])).stdout == "out\n"
            login, *others = await openssh_doctor.examine(host)
            assert "you have open" in login.found
            assert {check.verdict for check in others} == {Verdict.OK}
        async with opened(target, tmp_path) as host:
            assert await host.stat("/") is not None
        assert len(server.logins) == 1


async def test_one_connection_of_ours_for_all(server: FakeSshd, tmp_path: Path) -> None:
    async with opened(server.target(), tmp_path) as host:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                for _ in range(10):
                    tasks.start_soon(host.run, ["true"])
                    tasks.start_soon(host.stat, "/")
        assert len(server.logins) == 1
        assert server.peak_sessions <= FAST.sessions
        assert "connection of ours" in (await openssh_doctor.examine(host))[0].found


@pytest.mark.parametrize("most", [1, 2])
async def test_a_server_with_room_for_few_sessions_is_given_few(
    server: FakeSshd, tmp_path: Path, most: int
) -> None:
    server.most_sessions = most
    async with opened(server.target(), tmp_path) as host, anyio.create_task_group() as tasks:
        for _ in range(8):
            tasks.start_soon(host.run, ["true"])
    assert (server.peak_sessions, len(server.logins)) == (most, 1)


async def test_a_connection_that_is_lost_is_opened_again(server: FakeSshd, tmp_path: Path) -> None:
    async with opened(server.target(), tmp_path) as host:
        await host.run(["true"])
        server.cut_all()
        await until_it_runs(host)
        assert len(server.logins) == 2


async def test_a_machine_that_froze_is_noticed(server: FakeSshd, tmp_path: Path) -> None:
    pace = replace(FAST, floor_seconds=30.0, keepalive=Keepalive(seconds=1, count=1))
    async with opened(server.target(), tmp_path, pace) as host:
        await host.run(["true"])
        server.freeze_all()
        with pytest.raises(HostUnreachable), anyio.fail_after(30):
            await host.run(["true"])
        with anyio.fail_after(30):
            while not isinstance(host.link.status, link.Down):
                await anyio.sleep(0.01)


async def test_where_a_person_is_needed_it_is_said_how(server: FakeSshd, tmp_path: Path) -> None:
    server.accepts_key = False
    server.questions = (Question("", "", (("Code: ", False),), ("1",)),)
    async with opened(server.target(), tmp_path) as host:
        with pytest.raises(
            HostUnreachable, match=r"open the connection by hand: ssh .* -M -N -f -S \S+/della\.ssh"
        ):
            await host.run(["true"])
        assert isinstance(host.link.status, link.LoginNeeded)


async def test_what_was_then_opened_by_hand_is_used(server: FakeSshd, tmp_path: Path) -> None:
    server.accepts_key = False
    server.password = "never guessed"
    async with opened(server.target(), tmp_path) as host:
        with pytest.raises(HostUnreachable, match="login needed"):
            await host.run(["true"])
        server.accepts_key = True
        async with open_by_hand(server, tmp_path / "della.ssh"):
            await host.link.login(_nobody)
            assert (await host.run(["echo", "out"])).stdout == "out\n"


async def _nobody(prompts: object) -> None:
    raise AssertionError("nobody is asked")


async def test_a_key_that_is_not_accepted_is_refused(server: FakeSshd, tmp_path: Path) -> None:
    server.accepts_key = False
    async with opened(server.target(), tmp_path) as host:
        with pytest.raises(
            HostUnreachable, match=r"della: refused: .*Permission denied .*see if this works: ssh"
        ):
            await host.run(["true"])


async def test_a_host_key_that_is_not_known_is_refused(server: FakeSshd, tmp_path: Path) -> None:
    server.known_hosts.write_text("")
    async with opened(server.target(), tmp_path) as host:
        with pytest.raises(HostUnreachable, match=r"Host key verification failed.*by hand: ssh"):
            await host.run(["true"])
    assert not server.scripts


async def test_one_that_has_changed_is_refused(server: FakeSshd, tmp_path: Path) -> None:
    await server.change_host_key()
    async with opened(server.target(), tmp_path) as host:
        with pytest.raises(HostUnreachable, match=r"refused: .*(HAS CHANGED|verification failed)"):
            await host.run(["true"])


async def test_a_configuration_that_cannot_be_used_is_refused(server: FakeSshd, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("Nonsense yes\n")
    target = replace(server.target(), config_files=(str(tmp_path / "config"),))
    async with opened(target, tmp_path) as host:
        with pytest.raises(HostUnreachable, match="the SSH configuration can't be used"):
            await host.run(["true"])


async def test_what_lies_where_our_socket_belongs_is_no_hindrance(server: FakeSshd, tmp_path: Path) -> None:
    """Left by a daemon that was killed."""
    (tmp_path / "della.ssh").write_text("")
    async with opened(server.target(), tmp_path) as host:
        assert (await host.run(["true"])).exit_code == 0


async def test_a_home_with_a_long_path_is_no_hindrance(server: FakeSshd, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    async with opened(server.target(), deep) as host:
        assert (await host.run(["true"])).exit_code == 0


async def test_a_look_at_her_connection_that_fails_ends_nothing(
    server: FakeSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where no file can be opened any more."""
    looks = 0

    async def fail(master: openssh_master.Master) -> bool:
        nonlocal looks
        looks += 1
        raise OSError("Too many open files")

    monkeypatch.setattr(openssh_master, "_WATCH_SECONDS", 0.01)
    async with open_by_hand(server, tmp_path / "hers") as target, opened(target, tmp_path) as host:
        await host.run(["true"])
        monkeypatch.setattr(openssh_master.Master, "is_alive", fail)
        with anyio.fail_after(30):
            while looks < 3:
                await anyio.sleep(0.01)
        assert (await host.run(["echo", "out"])).stdout == "out\n"
        assert isinstance(host.link.status, link.Connected)
