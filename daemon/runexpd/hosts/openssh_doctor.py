"""A look at a connection of the user's own `ssh`: whose it is, and how far away the other end is."""

import statistics
import time

import anyio

from runexp.wire.views import Check, Verdict
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.openssh import OpensshHost
from runexpd.hosts.openssh_master import Master, by_hand

_ROUND_TRIPS = 5
_SLOW_SECONDS = 0.5
_LOGIN_SECONDS = 60.0


async def examine(host: OpensshHost) -> list[Check]:
    """Verdicts; the first is bad where there is no connection, and then the only one."""
    hint = f"see whether this works: {by_hand(host.link.target)}"
    try:
        with anyio.fail_after(_LOGIN_SECONDS):
            master = await host.link.connection()
    except HostUnreachable as error:
        return [Check(name="login", verdict=Verdict.BAD, found=error.what, hint=hint)]
    except TimeoutError:
        return [Check(name="login", verdict=Verdict.BAD, found="no connection within a minute", hint=hint)]
    return [_login(master), await _round_trip(host)]


def _login(master: Master) -> Check:
    whose = "a connection of ours" if master.is_ours else "the connection that you have open"
    return Check(name="login", verdict=Verdict.OK, found=f"by your own ssh, over {whose} ({master.path})")


async def _round_trip(host: OpensshHost) -> Check:
    times = []
    try:
        for _ in range(_ROUND_TRIPS):
            began = time.monotonic()
            await host.run(["true"])
            times.append(time.monotonic() - began)
    except HostUnreachable as error:
        return Check(name="round trip", verdict=Verdict.BAD, found=f"a command got no answer: {error.what}")
    seconds = statistics.median(times)
    found = f"{seconds * 1000:.0f} ms for a command"
    if seconds > _SLOW_SECONDS:
        hint = "works, slowly: a login node nearer to you may be quicker"
        return Check(name="round trip", verdict=Verdict.WARNING, found=found, hint=hint)
    return Check(name="round trip", verdict=Verdict.OK, found=found)
