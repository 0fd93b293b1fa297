"""How long something is tried: at once, soon, ever more seldom. Pure."""

from collections.abc import Iterator


def pauses(first_seconds: float, longest_seconds: float) -> Iterator[float]:
    """Seconds to wait before each next try, for ever: doubled each time, up to the longest."""
    pause = first_seconds
    while True:
        yield min(pause, longest_seconds)
        pause = min(2 * pause, longest_seconds)
