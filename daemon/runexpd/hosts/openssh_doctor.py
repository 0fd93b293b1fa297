"""A look at a connection of the user's own `ssh`: whose it is, and what is at its other end."""

import anyio

from runexp.wire.views import Check, Verdict
from runexpd.hosts import shell_doctor
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.openssh import OpensshHost
from runexpd.hosts.openssh_master import Master, by_hand

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
    return [_login(master), *await shell_doctor.examine(host)]


def _login(master: Master) -> Check:
    whose = "a connection of ours" if master.is_ours else "the connection that you have open"
    return Check(name="login", verdict=Verdict.OK, found=f"by your own ssh, over {whose} ({master.path})")
