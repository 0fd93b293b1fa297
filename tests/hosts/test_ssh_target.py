"""Reading OpenSSH's configuration: what is found there, and what must not switch the checking of host keys off."""

import random
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import anyio
import asyncssh
import pytest

from fakes.sshd import FakeSshd, run_sshd
from runexpd.hosts import login, ssh, ssh_link, ssh_target
from runexpd.hosts.base import HostUnreachable

FAST = ssh_link.Pace(floor_seconds=0.01, ceiling_seconds=0.05)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(target: ssh_target.SshTarget) -> AsyncIterator[ssh.SshHost]:
    async with ssh.open_ssh(target, now=time.time, jitter=random.random) as host:
        yield host


def alias(server: FakeSshd, *lines: str, **changes: str | None) -> ssh_target.SshTarget:
    """A target that is known by an alias of a configuration file alone."""
    config = server.home / "config"
    hop = ("HostName 127.0.0.1", f"Port {server.port}", "User alice", f"IdentityFile {server.identity}")
    config.write_text("\n  ".join(["Host della", *hop, *lines]) + "\n")
    given = {"host": "della", "user": None, "port": None, "identity": None, "config_files": (str(config),)}
    return server.target(**{**given, **changes})


async def test_an_alias_says_it_all(server: FakeSshd) -> None:
    async with opened(alias(server)) as host:
        assert (await host.run(["echo", "there"])).stdout == "there\n"


async def test_known_hosts_is_found_by_the_configuration(server: FakeSshd) -> None:
    target = alias(server, f"UserKnownHostsFile {server.known_hosts}", known_hosts=None)
    async with opened(target) as host:
        assert (await host.run(["true"])).exit_code == 0


@pytest.mark.parametrize(
    "line",
    [
        "UserKnownHostsFile none",
        "UserKnownHostsFile /dev/null",
        "UserKnownHostsFile /nowhere",
        "UserKnownHostsFile ~nobody-here/x",
    ],
)
async def test_nothing_switches_host_keys_off(server: FakeSshd, line: str) -> None:
    async with opened(alias(server, line, "StrictHostKeyChecking no", known_hosts=None)) as host:
        with pytest.raises(HostUnreachable, match="is not known: ssh-ed25519 SHA256:"):
            await host.run(["true"])


@pytest.mark.parametrize("path", ["~/no-such-key", "~nobody-here/key"])
async def test_identity_files_that_do_not_exist_are_passed_over(server: FakeSshd, path: str) -> None:
    async with opened(alias(server, f"IdentityFile {path}", "IdentitiesOnly yes")) as host:
        assert (await host.run(["true"])).exit_code == 0


async def test_lines_of_known_hosts_that_cannot_be_read_are_passed_over(server: FakeSshd) -> None:
    server.known_hosts.write_text("@nonsense a b\nword\n" + server.known_hosts.read_text())
    async with opened(server.target()) as host:
        assert (await host.run(["true"])).exit_code == 0


async def test_a_broken_configuration_is_said(server: FakeSshd) -> None:
    target = alias(server, "Port twenty-two")
    async with opened(target) as host:
        with pytest.raises(
            HostUnreachable, match=r"the SSH configuration can't be used: .* line 6: Invalid Port"
        ):
            await host.run(["true"])


async def test_through_a_jump_host(server: FakeSshd, tmp_path_factory: pytest.TempPathFactory) -> None:
    async with run_sshd(tmp_path_factory.mktemp("gate")) as gate:
        known = server.home / "both"
        known.write_text(server.known_hosts.read_text() + gate.known_hosts.read_text())
        target = alias(
            server,
            f"ProxyJump alice@gate:{gate.port}",
            f"Host gate\n HostName 127.0.0.1\n IdentityFile {gate.identity}",
            known_hosts=str(known),
        )
        async with opened(target) as host:
            assert (await host.run(["true"])).exit_code == 0
            assert (len(gate.logins), len(gate.scripts), len(server.scripts)) == (1, 0, 1)


async def test_a_jump_host_is_not_taken_on_trust(
    server: FakeSshd, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with run_sshd(tmp_path_factory.mktemp("gate")) as gate:
        target = alias(server, f"ProxyJump 127.0.0.1:{gate.port}", "Host 127.0.0.1\n User alice")
        async with opened(target) as host:
            with pytest.raises(HostUnreachable, match=rf"host key of \[127.0.0.1\]:{gate.port} is not known"):
                await host.run(["true"])
        assert server.logins == []


def test_jump_hosts_that_go_in_a_circle(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host *\n ProxyJump gate\n")
    target = ssh_target.SshTarget(name="della", host="della", config_files=(str(config),))
    with pytest.raises(ValueError, match="does ProxyJump lead back to itself"):
        ssh_target.read_hops(target)


def test_hops_in_their_order(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host della\n ProxyJump bob@one:2201,[::1]:2202\nHost one\n ProxyJump zero\n")
    target = ssh_target.SshTarget(name="della", host="della", user="alice", config_files=(str(config),))
    hops = [(hop.host, hop.user, hop.port) for hop in ssh_target.read_hops(target)]
    assert hops == [("zero", None, None), ("one", "bob", 2201), ("::1", None, 2202), ("della", "alice", None)]


def test_an_identity_leaves_the_agents_other_keys_alone(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    key.write_private_key(tmp_path / "key")
    target = ssh_target.SshTarget(name="della", host="della", identity=str(tmp_path / "key"), config_files=())
    assert ssh_target.read_hops(target)[0].agent_identities == ()
    key.write_public_key(tmp_path / "key.pub")
    assert ssh_target.read_hops(target)[0].agent_identities == (f"{tmp_path}/key.pub",)


async def test_a_configuration_that_hangs_is_given_up(
    server: FakeSshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = threading.Event()
    real = ssh_target.read_hops

    def read(target: ssh_target.SshTarget) -> tuple[ssh_target.Hop, ...]:
        hang.wait()
        return real(target)

    monkeypatch.setattr(ssh_target, "read_hops", read)
    monkeypatch.setattr(login, "_READ_SECONDS", 0.01)
    async with ssh.open_ssh(server.target(), now=time.time, jitter=random.random, pace=FAST) as host:
        with pytest.raises(HostUnreachable, match="the SSH configuration can't be read: no answer in"):
            await host.run(["true"])
        hang.set()
        monkeypatch.setattr(login, "_READ_SECONDS", 30.0)
        with anyio.fail_after(30):
            while True:
                with suppress(HostUnreachable):
                    assert (await host.run(["true"])).exit_code == 0
                    break
                await anyio.sleep(0.01)
