"""What stands over a screen for a moment: a question, or words to read."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Click, Key
from textual.screen import ModalScreen

from runexp.screen.lines import Lines
from runexp.ui import cells
from runexp.ui.palette import Line


class Box(ModalScreen[bool]):
    """Lines in a box."""

    DEFAULT_CSS = """
    Box, Box:ansi { align: center middle; background: transparent; }
    Box Vertical {
        border: round ansi_bright_black; background: ansi_default; color: ansi_default; height: auto; padding: 0 1;
        border-title-color: ansi_default; border-title-style: bold;
    }
    """

    def __init__(self, title: str, lines: Sequence[Line]) -> None:
        super().__init__()
        self._title = title
        self._lines = lines

    def compose(self) -> ComposeResult:
        with Vertical() as box:
            box.border_title = self._title
            yield Lines("words")

    def on_mount(self) -> None:
        self.on_resize()

    def on_resize(self) -> None:
        wide = max(cells.width("".join(span.text for span in line)) for line in self._lines)
        box, words = self.query_one(Vertical), self.query_one(Lines)
        box.styles.width = min(wide + 5, self.app.size.width)
        words.styles.height = min(len(self._lines), self.app.size.height - 2)
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        self.query_one(Lines).show(len(self._lines), lambda place, room: self._lines[place], cursor=-1)


class Words(Box):
    """To be read; keys that don't scroll close it."""

    def on_key(self, event: Key) -> None:
        event.stop()
        if event.key == "ctrl+c":
            self.app.exit(False)
            return
        words = self.query_one(Lines)
        steps = {
            "up": -1,
            "k": -1,
            "down": 1,
            "j": 1,
            "pageup": -words.shown_lines,
            "pagedown": words.shown_lines,
        }
        if event.key in steps and words.max_scroll_y:
            words.scroll_to(y=words.scroll_offset.y + steps[event.key], animate=False)
        else:
            self.dismiss(False)

    def on_click(self, event: Click) -> None:
        self.dismiss(False)


class Question(Box):
    """Yes by y alone; any other key is a no."""

    def on_key(self, event: Key) -> None:
        event.stop()
        if event.key == "ctrl+c":
            self.app.exit(False)
        else:
            self.dismiss(event.key in ("y", "Y"))
