"""How long a connection may take to say what it wants, and how many there may be: uvicorn's own limits begin after that."""

import asyncio
import resource
from contextlib import suppress
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: To say a whole request's headers.
HEADER_SECONDS = 10.0
#: Whoever is on this machine may open some; they hold none of the daemon's own.
MOST_CONNECTIONS = 128


class Patient(H11Protocol):
    _look: asyncio.TimerHandle | None = None
    _was_idle = False
    made_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        if len(self.connections) >= _most() and not self._makes_room():
            transport.abort()
            self.transport = transport
            return
        super().connection_made(transport)
        self.made_at = self.loop.time()
        self._look = self.loop.call_later(HEADER_SECONDS, self._look_again)

    def _makes_room(self) -> bool:
        """Whether one that waits for a request can be let go: those that have said nothing yet first."""
        others: Any = self.connections
        waiting = [each for each in others if each.is_waiting()]
        if waiting:
            min(waiting, key=lambda each: (each.cycle is not None, each.made_at)).transport.abort()
        return bool(waiting)

    def is_waiting(self) -> bool:
        cycle: Any = self.cycle
        return not self.transport.is_closing() and (cycle is None or cycle.response_complete)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._look is not None:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        """What was begun before the rest of it turned out to be no request has nobody to be answered."""
        with suppress(h11.LocalProtocolError):  # half an answer is there already
            super().send_400_response(msg)
        self.transport.close()
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _look_again(self) -> None:
        """Whoever has said half a request twice in a row, or nothing at all, has had the time."""
        has_begun: Any = self.cycle is not None
        is_half = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not has_begun or (is_half and self._was_idle):
            self.transport.abort()
            return
        self._was_idle = is_half
        self._look = self.loop.call_later(HEADER_SECONDS, self._look_again)


def _most() -> int:
    """Of the open files that the daemon may have an eighth."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MOST_CONNECTIONS, max(2, allowed // 8)) if allowed > 0 else MOST_CONNECTIONS
