"""What happened, a line an event, the newest last; as many lines as it takes. Pure."""

from collections import deque
from collections.abc import Iterator, Sequence

from runexp.text import on_one_line
from runexp.ui import cells, describe
from runexp.ui.palette import Line, Span
from runexp.wire.events import Envelope

_KEPT_LINES = 2000
#: As wide as the time of day before what happened.
_INDENT = len("11:49:27  ")


class Told:
    """Takes events, and gives lines."""

    def __init__(self) -> None:
        #: What is said, and its tone.
        self._said: deque[tuple[str, str]] = deque(maxlen=_KEPT_LINES)
        self._laid_out: tuple[int, list[Line]] | None = None

    def add(self, envelope: Envelope) -> None:
        tone = describe.tone(envelope)
        lines = describe.line(envelope).splitlines() or [""]
        self._said.extend((on_one_line(line), tone) for line in lines)
        self._laid_out = None

    def lines(self, room: int) -> Sequence[Line]:
        """In lines of so many cells at most."""
        if self._laid_out is None or self._laid_out[0] != room:
            self._laid_out = room, list(self._made(max(_INDENT + 10, room - 2)))
        return self._laid_out[1]

    def _made(self, room: int) -> Iterator[Line]:
        for text, tone in self._said:
            yield from ((Span(f" {piece}", tone),) for piece in cells.hung(text, room, _INDENT))
