"""The socket that systemd holds for us: it listens before we are there, and while we are restarted. See sd_listen_fds(3)."""

import os
import socket as sockets

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
