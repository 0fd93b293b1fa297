"""Time and chance: the only place that reads either."""

import secrets
import time


def now() -> float:
    """Seconds since 1970, UTC."""
    return time.time()


def new_experiment_id() -> str:
    """Eight hexadecimal digits: short to type, and never the same twice."""
    return secrets.token_hex(4)
