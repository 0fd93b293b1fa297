"""The live view: what a terminal shows while attached. Keys are read here, and the terminal is always put back."""

import os
import queue
import select
import signal
import sys
import termios
import threading
import tty
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from rich.console import Console
from rich.live import Live

from runexp import connection
from runexp.ui import describe, screen
from runexp.ui.lines import is_end
from runexp.wire import requests
from runexp.wire.views import ExperimentView

LEAVE_KEYS = {"d", "q"}
_LOOK_SECONDS = 0.1
_SHOW_CURSOR = b"\x1b[?25h"
_RECENT_EVENTS = 6
_GONE = "the daemon went away; jobs go on, waiting for its return"


class _Followed:
    """What the follower's thread has seen."""

    def __init__(self) -> None:
        #: None where the daemon has gone away: told in its place among the replies, so that none before it takes it back.
        self.replies: queue.Queue[requests.Reply | Exception | None] = queue.Queue()
        self.trouble = ""
        self.view: ExperimentView | None = None
        self.recent: deque[str] = deque(maxlen=_RECENT_EVENTS)
        self.ended = False

    def follow(self, experiment: str, after: int) -> None:
        try:
            for reply in connection.follow(experiment, after, lambda: self.replies.put(None)):
                self.replies.put(reply)
        except Exception as error:  # raised again where the terminal has been put back
            self.replies.put(error)

    def take(self) -> bool:
        """Take in what has come; whether there was anything. Raises what ended the following."""
        news = False
        while not self.replies.empty():
            reply = self.replies.get()
            if isinstance(reply, Exception):
                raise reply
            news = True
            self.trouble = _GONE if reply is None else ""
            if isinstance(reply, requests.Seen):
                self.recent.append(describe.line(reply.envelope))
            elif isinstance(reply, requests.Shown):
                self.view = reply.experiment
            self.ended = self.ended or (reply is not None and is_end(reply))
        return news


def follow_live(experiment: str, after: int) -> bool:
    """Show it until it ends (True) or the person leaves (False). Raises KeyboardInterrupt for Ctrl-C, with all put back.

    `after`: the number of the event from which on the newest are shown.
    """
    followed = _Followed()
    threading.Thread(target=followed.follow, args=(experiment, after), daemon=True).start()
    console = Console()
    with _keys() as pressed, Live(console=console, auto_refresh=False, transient=True) as live:
        while not followed.ended:
            followed.take()
            if followed.view is not None:
                live.update(
                    screen.draw(followed.view, list(followed.recent), followed.trouble, console.height),
                    refresh=True,
                )
            if LEAVE_KEYS & set(next(pressed)):
                return False
    return True


@contextmanager
def _keys() -> Iterator[Iterator[str]]:
    """Keys as they are pressed: each `next` waits a moment and gives what came, often nothing."""
    handle = sys.stdin.fileno()
    before = termios.tcgetattr(handle)

    def suspend(number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: the shell gets its terminal as it was, and `fg` gives it back."""
        termios.tcsetattr(handle, termios.TCSANOW, before)
        os.write(handle, _SHOW_CURSOR)
        os.kill(os.getpid(), signal.SIGSTOP)
        tty.setcbreak(handle)

    handlers = {signal.SIGTERM: _killed, signal.SIGHUP: _killed, signal.SIGTSTP: suspend}
    old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        tty.setcbreak(handle)
        yield _read(handle)
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
        # A terminal that has hung up has nothing to put back.
        with suppress(termios.error):
            termios.tcsetattr(handle, termios.TCSANOW, before)


def _killed(number: int, frame: FrameType | None) -> None:
    """Leave by way of all that puts the terminal back."""
    sys.exit(128 + number)


def _read(handle: int) -> Iterator[str]:
    while True:
        ready, _, _ = select.select([handle], [], [], _LOOK_SECONDS)
        yield os.read(handle, 64).decode(errors="replace") if ready else ""
