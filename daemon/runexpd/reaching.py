"""Clusters that are reached over SSH: the transport that was chosen, and who looks it over."""

import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from runexp import paths
from runexp.wire.views import Check
from runexpd.hosts import openssh_doctor, ssh_doctor
from runexpd.hosts.base import Host
from runexpd.hosts.link import Link
from runexpd.hosts.openssh import open_openssh
from runexpd.hosts.ssh import open_ssh
from runexpd.hosts.ssh_link import Pace
from runexpd.hosts.ssh_target import SshTarget
from runexpd.runtime import clock
from runexpd.settings import Cluster, Transport

Far = tuple[Host, Link, Callable[[], Awaitable[Sequence[Check]]]]


@asynccontextmanager
async def far(name: str, settings: Cluster, prepend: Sequence[str]) -> AsyncIterator[Far]:
    """The host, the connection to it, and what looks that over. Connects when there is something to do on it, not before.

    `prepend`: shell lines before every command. `settings.host` is set.
    """
    assert settings.host is not None
    target = SshTarget(
        name=name,
        host=settings.host,
        user=settings.user,
        port=settings.port,
        identity=settings.identity,
    )
    now, jitter, pace = clock.steady, random.random, Pace(sessions=settings.sessions)
    if settings.transport is Transport.OPENSSH:
        opened = open_openssh(target, dir=paths.state(), now=now, jitter=jitter, prepend=prepend, pace=pace)
        async with opened as ours:
            yield ours, ours.link, lambda: openssh_doctor.examine(ours)
    else:
        async with open_ssh(target, now=now, jitter=jitter, prepend=prepend, pace=pace) as host:
            yield host, host.link, lambda: ssh_doctor.examine(host)
