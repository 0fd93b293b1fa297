"""Whose turn it is to write to a cluster's run logs: a few at a time, and what failed before in a line of its own."""

import anyio

from runexpd.runtime.bell import Bell
from runexpd.runtime.followers import NotYet

#: Writes at a time; of what failed before, so that files that hang hold up no others.
_WRITES = 3
_WRITES_AGAIN = 2


class Lane:
    """Of one cluster."""

    def __init__(self) -> None:
        self._first = anyio.Semaphore(_WRITES)
        self._again = anyio.Semaphore(_WRITES_AGAIN)
        self._silent = False
        #: Rings when what gave no answer gives one.
        self._back = Bell()

    def turn(self, failed_before: bool) -> anyio.Semaphore:
        """To write, once it is held."""
        return self._again if failed_before else self._first

    def silent(self, what: str) -> NotYet:
        """No answer came; said once for all experiments."""
        said, self._silent = self._silent, True
        return NotYet("" if said else f"run logs wait for an answer: {what}", self._back.take())

    def is_back(self) -> None:
        """It gave an answer."""
        self._silent = False
        self._back.ring()
