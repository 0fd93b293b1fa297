"""Time and chance: the only place that reads either."""

import secrets
import time


def now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def steady() -> float:
    """Seconds of a clock that nobody sets, and that goes on while the machine sleeps: for pauses, not for dates."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def new_experiment_id() -> str:
    """Eight hexadecimal digits: short to type, and never the same twice."""
    return secrets.token_hex(4)
