"""That the screen ends when it is told to, or when its terminal is gone, whatever waits for that terminal.

What is shown goes through a queue of the terminal library's. Where the terminal takes no more it is full, and whoever has something to
show waits for room, the event loop with it; where the terminal is gone there never will be any. A signal's handler runs in that thread,
or not at all. So a thread of its own hears of signals, by Python's wakeup descriptor, and sees the terminal go; and after a while
nobody is waited for any more.
"""

import asyncio
import os
import select
import signal
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from textual.app import App

#: To take leave of a terminal that takes it.
_SECONDS = 5.0


class Leaving:
    """`results`: what the app ends with, by signal."""

    def __init__(self, app: App[Any], results: Mapping[int, object]) -> None:
        self._app, self._results = app, results
        self._terminal = sys.__stdin__.fileno() if sys.__stdin__ else 0
        self._before = termios.tcgetattr(self._terminal)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._told_by = -1
        self._deadline: threading.Timer | None = None

    def begin(self) -> None:
        """On the app's loop, once it is able to end."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @contextmanager
    def heard(self) -> Iterator[None]:
        """What tells it to end is heard."""
        self._told_by, telling = os.pipe()
        os.set_blocking(telling, False)
        handlers = {number: signal.signal(number, self._on_signal) for number in self._results}
        before = signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.close(telling)
            if self._thread is not None:
                self._thread.join()
            os.close(self._told_by)
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def stay(self) -> None:
        """It has left the terminal, and has more to do."""
        if self._deadline is not None:
            self._deadline.cancel()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        """The thread has heard it, if there is one yet."""
        if self._thread is None:
            sys.exit(128 + number)

    def _watch(self) -> None:
        news = select.poll()
        news.register(self._terminal, 0)  # its end alone
        news.register(self._told_by, select.POLLIN)
        while True:
            for source, _ in news.poll():
                if source == self._terminal:
                    news.unregister(source)
                    self._end(signal.SIGHUP)
                elif not (numbers := os.read(source, 256)):
                    return
                else:
                    for number in self._results.keys() & set(numbers):
                        self._end(number)

    def _end(self, number: int) -> None:
        assert self._loop is not None
        with suppress(RuntimeError):  # it has ended already
            self._loop.call_soon_threadsafe(self._app.exit, self._results[number])
        if self._deadline is None:
            self._deadline = threading.Timer(_SECONDS, self._leave, [128 + number])
            self._deadline.daemon = True
            self._deadline.start()

    def _leave(self, code: int) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})  # from the background, too
        with suppress(termios.error):
            termios.tcsetattr(self._terminal, termios.TCSANOW, self._before)
        os._exit(code)
