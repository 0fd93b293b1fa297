"""One that ends by a fault right after its start, again and again, begins ever more seldom, and is never given up.

systemd starts it anew after the same few seconds each time, and at once where somebody waits at its socket; its own limit on starts
would count a person's, too. So how often it has ended so is kept where the socket is, and the pause comes before the next beginning.
Whoever ends it in the pause (`systemctl --user restart`) has it begin at once.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Never

from loguru import logger

from runexp import paths
from runexpd import service
from runexpd.api import activation

#: It is well after so long: a loop that hangs at its start is ended before that by systemd's watchdog.
WELL_SECONDS = 120.0
#: So often in a row it begins anew without one: it may have been somebody's `kill -9`.
_FREE = 3
#: The next time; it doubles.
FIRST_SECONDS, LONGEST_SECONDS = 10.0, 600.0
#: What systemd allows for what comes after the pause: its default.
_START_SECONDS = 90.0
_TURN_AWAY_SECONDS = 1.0
_ENDINGS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


def seconds(ends: int) -> float:
    """How long to wait when it has ended so often in a row."""
    more = ends - _FREE - 1
    return min(FIRST_SECONDS * 2.0 ** min(more, 30), LONGEST_SECONDS) if more >= 0 else 0.0


def pause() -> bool:
    """Wait, where systemd starts us and we have ended so before. False: we are to end instead."""
    if not os.environ.get("NOTIFY_SOCKET"):
        return True
    ends = _ends()
    with suppress(OSError):
        _file().write_text(str(ends + 1))
    if not (wait := seconds(ends)):
        return True
    said = f"it has ended {ends} times right after its start: a pause of {wait:.0f} s"
    logger.warning("{}; systemctl --user restart runexpd begins at once", said)
    service.tell(f"STATUS={said}\nEXTEND_TIMEOUT_USEC={round((wait + _START_SECONDS) * 1e6)}")
    goes_on = _waited(wait)
    service.tell("STATUS=")
    return goes_on


def well() -> None:
    """It has been there for a while, or ends as it should."""
    with suppress(OSError):
        _file().unlink(missing_ok=True)


class _Ended(Exception):
    """Raised in the pause when somebody ends us."""


def _end(number: int, frame: FrameType | None) -> Never:
    raise _Ended


def _waited(wait: float) -> bool:
    """Whoever comes meanwhile is turned away. False: somebody ends us."""
    deadline = time.monotonic() + wait
    before = {number: signal.signal(number, _end) for number in _ENDINGS}
    try:
        while (left := deadline - time.monotonic()) > 0:
            activation.turn_away()
            time.sleep(min(left, _TURN_AWAY_SECONDS))
        return True
    except _Ended:
        return False
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ends() -> int:
    try:
        return int(_file().read_text()[:9])
    except (OSError, ValueError):
        return 0


def _file() -> Path:
    return paths.socket().parent / "ends"
