"""The full screen from its beginning to its end: the terminal is always put back."""

import signal
import sys
from collections.abc import Callable, Mapping

from textual.app import App
from textual.screen import Screen

from runexp.screen import choosing
from runexp.screen.leaving import Leaving
from runexp.screen.watching import Watching
from runexp.wire.views import ExperimentView

#: What it ends with when it is told to.
_ENDINGS: Mapping[int, object] = {
    signal.SIGINT: False,
    **{number: int(number) for number in (signal.SIGTERM, signal.SIGHUP)},
}


class Full(App[bool | int | Exception]):
    """Ends with True (the experiment has ended), False (the person leaves), a signal's number, or what went wrong."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; color: ansi_default; } #bar, #head, #tabs { height: 1; }"

    def __init__(self, first: Callable[["Full"], Screen[None]]) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._first = first
        self.leaving: Leaving | None = None

    def on_mount(self) -> None:
        if self.leaving is not None:
            self.leaving.begin()
        self.push_screen(self._first(self))


def follow(view: ExperimentView, after: int) -> bool:
    """Show it until it ends (True) or the person leaves (False). Raises what ended the following.

    `after`: the number of the event from which on the newest are told.
    """
    return _shown(lambda app: Watching(view, after, ended=lambda: app.exit(True)))


def choose() -> None:
    """Show all experiments, and those that the person opens, until she leaves. Raises what ended it."""
    known = choosing.known()
    _shown(lambda app: choosing.Choosing(known))


def _shown(first: Callable[[Full], Screen[None]]) -> bool:
    app = Full(first)
    app.leaving = Leaving(app, _ENDINGS)
    with app.leaving.heard():
        done = app.run()
    if done is not True and done and not isinstance(done, Exception):
        sys.exit(128 + done)
    app.leaving.stay()
    if isinstance(done, Exception):
        raise done
    return bool(done)
