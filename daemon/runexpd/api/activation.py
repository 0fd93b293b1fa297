"""The socket that systemd holds for us: it listens before we are there, and while we are restarted. See sd_listen_fds(3)."""

import os
import socket as sockets
from contextlib import suppress

#: The first that is handed over.
_DESCRIPTOR = 3


def socket() -> sockets.socket | None:
    """None where nobody listens for us. It is not ours to remove."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or os.environ.get("LISTEN_FDS") != "1":
        return None
    # A copy: whoever takes our place by exec finds the one that was given.
    given = sockets.socket(fileno=os.dup(_DESCRIPTOR))
    given.setblocking(False)
    return given


def turn_away() -> None:
    """Who waits there hears that nobody comes; else systemd would start us for them again and again, until it gives up on both."""
    if (listening := socket()) is not None:
        with listening, suppress(BlockingIOError):
            while True:
                listening.accept()[0].close()
