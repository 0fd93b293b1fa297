"""What nobody has thought of: it counts against the link that it came from, and ends nothing else."""

import asyncssh
from loguru import logger

from runexpd.hosts.base import HostUnreachable

#: What is known to go wrong with a link.
KNOWN = (HostUnreachable, asyncssh.Error, OSError)


def of_link(error: Exception) -> Exception:
    """The error itself where it is a known one; else one that can be shown, and the details in the daemon's log."""
    if isinstance(error, KNOWN):
        return error
    logger.opt(exception=error).error("a fault of the daemon's, or of what it opens connections by")
    return HostUnreachable(
        f"a fault of the daemon's: {type(error).__name__}: {error}; its journal has the details"
    )
