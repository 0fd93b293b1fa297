"""The ledger asked from the event loop: in a thread of its own, one question at a time. No other file's trouble holds it up."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

T = TypeVar("T")
_limiter: RunVar[anyio.CapacityLimiter] = RunVar("runexpd_ledger_desk")


async def ask(question: Callable[[], T]) -> T:
    """What a blocking call to the ledger returns. Raises what it raises."""
    return await anyio.to_thread.run_sync(question, limiter=_turn())


async def ask_long(question: Callable[[], T]) -> T:
    """The same, of what may take minutes: whoever is cancelled doesn't wait for the end."""
    return await anyio.to_thread.run_sync(question, limiter=_turn(), abandon_on_cancel=True)


def _turn() -> anyio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(1)
        _limiter.set(limiter)
        return limiter
