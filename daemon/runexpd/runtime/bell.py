"""Rings when there is something new. A follower takes the bell, *then* looks, and waits only if there was nothing."""

import anyio


class Bell:
    def __init__(self) -> None:
        self._event = anyio.Event()

    def take(self) -> anyio.Event:
        """The event that the next ring sets."""
        return self._event

    def ring(self) -> None:
        rung, self._event = self._event, anyio.Event()
        rung.set()
