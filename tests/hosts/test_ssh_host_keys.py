"""Host keys: never taken on trust, and what a person is told to do about one."""

import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fakes.sshd import FakeSshd, run_sshd
from runexpd.hosts import link, ssh, ssh_link, ssh_target
from runexpd.hosts.base import HostUnreachable

PACE = ssh_link.Pace(floor_seconds=0.01)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(target: ssh_target.SshTarget) -> AsyncIterator[ssh.SshHost]:
    async with ssh.open_ssh(target, now=time.time, jitter=random.random, pace=PACE) as host:
        yield host


async def nobody(prompts: link.Prompts) -> None:
    """A person who has nothing to say."""


async def ask(host: ssh.SshHost) -> str:
    """What a caller is told."""
    with pytest.raises(HostUnreachable) as told, anyio.fail_after(5):
        await host.run(["true"])
    return told.value.what


async def test_an_unknown_host_key_is_refused_with_its_fingerprint(server: FakeSshd) -> None:
    server.known_hosts.unlink()
    async with opened(server.target()) as host:
        told = await ask(host)
        assert (
            f"the host key of [127.0.0.1]:{server.port} is not known: ssh-ed25519 {server.fingerprint()}"
            in told
        )
        assert f"ssh -o UserKnownHostsFile={server.known_hosts} -p {server.port} alice@127.0.0.1" in told
        assert server.logins == []
        assert isinstance(host.link.status, link.Refused)


async def test_the_line_that_is_offered_is_the_one_to_add(server: FakeSshd) -> None:
    server.known_hosts.unlink()
    async with opened(server.target()) as host:
        found = re.search(r"add this line to \S+: (.+?)\)", await ask(host))
        assert found
        server.known_hosts.write_text(found[1] + "\n")
        await host.link.login(nobody)
        assert (await host.run(["true"])).exit_code == 0


async def test_a_changed_host_key_is_loud(server: FakeSshd) -> None:
    await server.change_host_key()
    async with opened(server.target()) as host:
        told = await ask(host)
        assert (
            f"THE HOST KEY OF [127.0.0.1]:{server.port} HAS CHANGED, to ssh-ed25519 {server.fingerprint()}"
            in told
        )
        assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in told
        assert server.logins == []


async def test_a_host_key_that_changes_later_is_refused_too(server: FakeSshd) -> None:
    async with opened(server.target()) as host:
        await host.run(["true"])
        await server.change_host_key()
        server.cut_all()
        with anyio.fail_after(5):
            while not isinstance(host.link.status, link.Refused):
                changed = host.link.changed()
                told = await ask(host)
                if "HAS CHANGED" not in told:
                    await changed.wait()
        assert len(server.logins) == 1


async def test_a_revoked_host_key_is_refused(server: FakeSshd) -> None:
    server.known_hosts.write_text("@revoked " + server.known_hosts.read_text())
    async with opened(server.target()) as host:
        assert "revoked" in await ask(host)
