"""What both screens share: keys from the table, the last line, the filter as one types, notes that pass."""

import time
from typing import ClassVar

from textual.app import ComposeResult
from textual.events import Key, Resize
from textual.screen import Screen

from runexp.screen.lines import Lines
from runexp.screen.modal import Words
from runexp.ui import cells, keys
from runexp.ui.palette import Line, Span

#: News is drawn so often at most.
TICK_SECONDS = 0.15
_NOTE_SECONDS = 8.0


class Listing(Screen[None]):
    """A list with a cursor, a filter, and the keys in the last line."""

    KEYS: ClassVar[tuple[keys.Key, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.is_typing = False
        self._note: Line = ()
        self._note_until = 0.0
        self._second = 0
        self._places: list[tuple[int, int, str]] = []

    # What a screen says of itself.

    def typed(self) -> str:
        raise NotImplementedError

    def type(self, typed: str) -> None:
        raise NotImplementedError

    def draw(self) -> None:
        raise NotImplementedError

    def take_news(self) -> bool:
        """Whether there was any."""
        raise NotImplementedError

    def matches(self) -> str:
        """How many the filter lets through, in words."""
        raise NotImplementedError

    def on_mount(self) -> None:
        self.set_interval(TICK_SECONDS, self.tick)
        self.call_after_refresh(self.draw)

    def on_resize(self, event: Resize) -> None:
        self.call_after_refresh(self.draw)

    def on_lines_resized(self) -> None:
        self.draw()

    def tick(self) -> None:
        """News is drawn at once, clocks each second, and nothing else."""
        news, second = self.take_news(), int(time.time())
        if (news or second != self._second) and self.is_current:
            self._second = second
            self.draw()

    def say(self, text: str, tone: str = "strong") -> None:
        """In the last line, for a while."""
        self._note, self._note_until = (Span(f" {text}", tone),), time.monotonic() + _NOTE_SECONDS
        self.draw()

    def draw_bar(self, bar: Lines) -> None:
        room = self.size.width
        line, self._places = self._bar(room)
        bar.show(1, lambda place, room: line)

    def _bar(self, room: int) -> tuple[Line, list[tuple[int, int, str]]]:
        if self.is_typing:
            said = f"   {self.matches()}   Enter keeps it, Esc drops it"
            typed = cells.cut_middle(self.typed(), max(10, room - 30))
            return (Span(" / ", "key"), Span(typed, "strong"), Span(" ", "chosen"), Span(said, "dim")), []
        if time.monotonic() < self._note_until:
            return self._note, []
        if not self.typed():
            return keys.bar(self.KEYS, room)
        filtered = f" / {cells.cut_middle(self.typed(), 20)} "
        said = f" {self.matches()}, Esc shows all "
        used = cells.width(filtered + said)
        line, places = keys.bar(self.KEYS, room - used)
        shifted = [(start + used, end + used, action) for start, end, action in places]
        return (Span(filtered, "chosen"), Span(said, "dim"), *line), shifted

    async def on_key(self, event: Key) -> None:
        """One after the other, each done before the next is looked at: who types fast loses no letter."""
        event.stop()
        event.prevent_default()
        if self.is_typing and event.key != "ctrl+c":
            self._typed_key(event)
        elif action := keys.actions(self.KEYS).get(event.key):
            await self.run_action(action)

    def _typed_key(self, event: Key) -> None:
        """While a filter is typed, keys are text."""
        if event.key in ("enter", "down", "up"):
            self.is_typing = False
        elif event.key == "escape":
            self.is_typing = False
            self.type("")
        elif event.key == "ctrl+u":
            self.type("")
        elif event.key == "backspace":
            self.type(self.typed()[:-1])
        elif event.is_printable and event.character:
            self.type(self.typed() + event.character)
        self.draw()

    def action_filter(self) -> None:
        self.is_typing = True
        self.draw()

    def action_leave(self) -> None:
        self.app.exit(False)

    def action_help(self) -> None:
        room = min(76, self.size.width - 6)
        self.app.push_screen(Words("keys", keys.help_lines(self.KEYS, room)))

    async def on_lines_clicked(self, clicked: Lines.Clicked) -> None:
        if clicked.lines.id == "bar":
            for start, end, action in self._places:
                if start <= clicked.x < end:
                    await self.run_action(action)
        else:
            self.clicked(clicked)

    def clicked(self, clicked: Lines.Clicked) -> None:
        """On a line of the list."""


def compose_lines(*names: str) -> ComposeResult:
    for name in names:
        yield Lines(name)
