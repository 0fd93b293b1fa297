"""The daemon's own log: to stderr, where systemd's journal takes it."""

import sys
from typing import TYPE_CHECKING

from loguru import logger

from runexp import text

if TYPE_CHECKING:
    from loguru import Message, Record


def set_up(level: str) -> None:
    """One line a message. No variables in tracebacks: they could hold what somebody typed at a prompt."""
    logger.remove()
    logger.configure(patcher=_on_one_line)
    logger.add(
        _write,
        level=level,
        format="{time:YYYY-MM-DD HH:mm:ss} {level: <7} {message}",
        diagnose=False,
        backtrace=False,
    )


def _on_one_line(record: "Record") -> None:
    """Messages quote what files, servers and clients say: none of it makes a line of its own."""
    record["message"] = text.on_one_line(record["message"])


def _write(message: "Message") -> None:
    """A traceback has lines, and quotes as much."""
    sys.stderr.write(text.printable_lines(message))
    sys.stderr.flush()
