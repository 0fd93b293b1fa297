"""The full screen from its beginning to its end: the terminal is always put back."""

import asyncio
import signal
import sys
from collections.abc import Callable

from textual.app import App
from textual.screen import Screen

from runexp.screen import choosing
from runexp.screen.watching import Watching
from runexp.wire.views import ExperimentView

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


class Full(App[bool | int | Exception]):
    """Ends with True (the experiment has ended), False (the person leaves), a signal's number, or what went wrong."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; color: ansi_default; } #bar, #head, #tabs { height: 1; }"

    def __init__(self, first: Callable[["Full"], Screen[None]]) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self._first = first

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _ENDINGS:
            loop.add_signal_handler(number, self.exit, int(number))
        loop.add_signal_handler(signal.SIGINT, self.exit, False)
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
    done = Full(first).run()
    if isinstance(done, Exception):
        raise done
    if done is not True and done:
        sys.exit(128 + done)
    return bool(done)
