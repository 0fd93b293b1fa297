"""The daemon's own log: to stderr, where systemd's journal takes it."""

import sys

from loguru import logger


def set_up(level: str) -> None:
    """One line a message. No variables in tracebacks: they could hold what somebody typed at a prompt."""
    logger.remove()
    logger.add(
        sys.stderr,
        level=level,
        format="{time:YYYY-MM-DD HH:mm:ss} {level: <7} {message}",
        diagnose=False,
        backtrace=False,
    )
