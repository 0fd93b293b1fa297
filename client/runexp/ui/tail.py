"""The end of a job's output, as a terminal would show it: progress bars that overwrite themselves leave their last word. Pure."""

from collections import deque
from collections.abc import Sequence

from runexp.text import on_one_line
from runexp.ui import cells
from runexp.ui.palette import Line, Span

#: So many lines are kept, of so many characters each at most.
KEPT_LINES, KEPT_CHARACTERS = 2000, 4000


class Tail:
    """Takes text in pieces as they come, and gives lines."""

    def __init__(self) -> None:
        self._whole: deque[str] = deque(maxlen=KEPT_LINES)
        self._open = ""
        self._laid_out: tuple[int, list[Line]] | None = None

    def add(self, text: str) -> None:
        *whole, last = (self._open + text.replace("\r\n", "\n")).split("\n")
        self._whole.extend(map(_overwritten, whole[-KEPT_LINES:]))
        # A bar that goes on overwriting itself would grow for ever: what is overwritten goes at once.
        self._open = (
            last if len(last) < KEPT_CHARACTERS else last[last.rfind("\r", 0, -1) :][-KEPT_CHARACTERS:]
        )
        self._laid_out = None

    def lines(self, room: int) -> Sequence[Line]:
        """In lines of so many cells at most."""
        if self._laid_out is None or self._laid_out[0] != room:
            shown = [*self._whole, *([_overwritten(self._open)] if self._open else [])]
            pieces = (piece for line in shown for piece in cells.wrapped(line, max(10, room)))
            self._laid_out = room, [(Span(piece),) for piece in pieces]
        return self._laid_out[1]


def _overwritten(line: str) -> str:
    """What is left of a line that went back to its beginning."""
    parts = [part for part in line[-KEPT_CHARACTERS:].split("\r") if part.strip()]
    return on_one_line(parts[-1].expandtabs()) if parts else ""
