"""Lines of the model on the screen: only those that can be seen are made, only cells that changed are drawn."""

from collections.abc import Callable

from rich.segment import Segment
from rich.style import Style
from textual.events import Click, Resize
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from runexp.ui.palette import TONES, Line, Tone

#: Makes a line: which one, and for how many cells.
Source = Callable[[int, int], Line]


def style(tone: Tone) -> Style:
    colour = None if tone.colour is None else f"color({tone.colour})"
    return Style(color=colour, bold=tone.bold or None, reverse=tone.reverse or None)


_STYLES = {name: style(tone) for name, tone in TONES.items()}
_CHOSEN = Style(reverse=True)


class Lines(ScrollView, can_focus=False):
    """A window on many lines."""

    DEFAULT_CSS = """
    Lines {
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; overflow-x: hidden;
        background: ansi_default; color: ansi_default;
        scrollbar-color: ansi_bright_black; scrollbar-background: ansi_default; scrollbar-corner-color: ansi_default;
        scrollbar-color-hover: ansi_bright_black; scrollbar-color-active: ansi_bright_black;
        scrollbar-background-hover: ansi_default; scrollbar-background-active: ansi_default;
    }
    """

    class Clicked(Message):
        """On which line, and at which cell of it."""

        def __init__(self, lines: "Lines", place: int, x: int, is_double: bool) -> None:
            super().__init__()
            self.lines = lines
            self.place = place
            self.x = x
            self.is_double = is_double

    class Resized(Message):
        """It has another size: what depends on that is to be drawn anew."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self._was = Size(0, 0)
        self._count = 0
        self._source: Source = lambda place, room: ()
        self._cursor: int | None = None
        #: As they are on the screen, by the place on it.
        self._drawn: dict[int, Strip] = {}
        self._drawn_from = 0

    @property
    def room(self) -> int:
        """Cells in a line."""
        return int(self.scrollable_content_region.width)

    @property
    def shown_lines(self) -> int:
        return int(self.scrollable_content_region.height)

    def show(self, count: int, source: Source, cursor: int | None = None, is_tail: bool = False) -> None:
        """So many lines, made as they are needed; one of them chosen. Draws what differs from what is there.

        Of a tail who was at its end stays there as it grows.
        """
        was_at_end = is_tail and self.is_at_end
        self._count, self._source, self._cursor = count, source, cursor
        if self.virtual_size.height != count or self.virtual_size.width != self.size.width:
            self.virtual_size = Size(self.size.width, count)
            if was_at_end:
                self.go(count)
        self._draw_changed()

    @property
    def is_at_end(self) -> bool:
        """Whether what is added below is to be seen at once."""
        return bool(self.scroll_offset.y >= self.max_scroll_y)

    def reveal(self, place: int) -> None:
        """Scroll no more than is needed to see that line."""
        top, height = self.scroll_offset.y, max(1, self._lines_to_be)
        if place < top:
            self.go(place)
        elif place >= top + height:
            self.go(place - height + 1)

    @property
    def _lines_to_be(self) -> int:
        """As many as are shown once a height that was given is taken."""
        given = self.styles.height
        return int(given.value) if given is not None and given.is_cells else self.shown_lines

    @property
    def sees_cursor(self) -> bool:
        return self._cursor is not None and bool(0 <= self._cursor - self.scroll_offset.y < self.shown_lines)

    def go(self, top: int) -> None:
        """Have that line on top, or the last that can be; also before there is a scrollbar, which is drawn late."""
        self.scroll_to(y=top, animate=False, force=True)

    def _draw_changed(self) -> None:
        top = self.scroll_offset.y
        if top != self._drawn_from:  # all of it is drawn anyway
            self._drawn.clear()
            self.refresh()
            return
        for y in range(self.shown_lines):
            old, new = self._drawn.get(y), self._made(top + y)
            if new != old:
                self._drawn[y] = new
                self.refresh(_changed(old, new, y) if old else Region(0, y, self.room, 1))

    def render_line(self, y: int) -> Strip:
        top = self.scroll_offset.y
        if top != self._drawn_from:
            self._drawn, self._drawn_from = {}, top
        if y not in self._drawn or self._drawn[y].cell_length != self.room:
            self._drawn[y] = self._made(top + y)
        return self._drawn[y]

    def _made(self, place: int) -> Strip:
        room = self.room
        line = self._source(place, room) if place < self._count else ()
        if place == self._cursor and place < self._count:
            segments = [Segment("".join(span.text for span in line), _CHOSEN)]
            return Strip(segments).adjust_cell_length(room, _CHOSEN)
        segments = [Segment(span.text, _STYLES[span.tone]) for span in line if span.text]
        return Strip(segments).adjust_cell_length(room, Style.null())

    def on_resize(self, event: Resize) -> None:
        self._drawn.clear()
        if event.size != self._was:  # and not only more lines than before
            self._was = event.size
            self.post_message(self.Resized())

    def on_click(self, event: Click) -> None:
        place = self.scroll_offset.y + event.y
        if place < self._count:
            self.post_message(self.Clicked(self, place, event.x, event.chain > 1))


def _changed(old: Strip, new: Strip, y: int) -> Region:
    """Where two lines of the same length differ, from the first segment that does to the last."""
    before, after = list(old), list(new)
    start = 0
    while before and after and before[0] == after[0]:
        start += before.pop(0).cell_length
        after.pop(0)
    end = new.cell_length
    while before and after and before[-1] == after[-1]:
        end -= before.pop().cell_length
        after.pop()
    return Region(start, y, max(1, end - start), 1)
