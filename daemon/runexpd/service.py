"""What systemd is told, where it runs us: that we serve, that the loop is alive, that we stop. See sd_notify(3), sd_watchdog_enabled(3)."""

import os
import re
import socket
import time
from contextlib import suppress

import anyio

_MICROSECONDS = 1e6
_SPAN = re.compile(r"[0-9]{1,18}")


def tell(state: str) -> None:
    """A line such as READY=1; nothing happens where nobody listens."""
    if state.startswith("RELOADING"):
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    # A manager that doesn't listen is no reason not to serve.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.setblocking(False)
        manager.sendto(state.encode(), "\0" + address[1:] if address.startswith("@") else address)


async def keep_telling() -> None:
    """That the event loop is alive, twice in each span that systemd allows, for as long as it is. From the loop itself: a thread
    would say so of a loop that hangs."""
    if (seconds := _allowed_seconds()) is None:
        return
    while True:
        tell("WATCHDOG=1")
        await anyio.sleep(seconds / 2)


def _allowed_seconds() -> float | None:
    """None: nobody watches."""
    span, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", str(os.getpid()))
    is_watched = _SPAN.fullmatch(span) and int(span) and pid == str(os.getpid())
    return float(span) / _MICROSECONDS if is_watched else None
