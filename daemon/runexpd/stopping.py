"""The end, when it is asked for: politely on the event loop, and in any case within a few seconds.

A thread that hangs in a file operation can't be ended, and a loop that is busy hears nothing; both would keep the process.
What is on disk is whole at any moment, so leaving at once costs nothing.
"""

import faulthandler
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Never

import anyio

#: What asks us to begin again. Not SIGHUP, which a terminal that closes sends to whatever runs in it.
AGAIN = signal.SIGUSR1
#: From the signal to the end. The run logs may take five of them.
GRACE_SECONDS = 8.0
_STDERR = 2
_ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
#: What hangs at a regular end gets so long.
_LAST_SECONDS = 0.5
#: With which who should begin again ends, where it can't by itself: systemd starts it anew. EX_TEMPFAIL of sysexits.h.
_AGAIN_CODE = 75


#: AGAIN, as often as it came before somebody listened for it.
_early: list[int] = []


def expect() -> None:
    """Call first of all: from here on AGAIN doesn't end the process, as it would by itself, and is heard when there is somebody
    to hear it."""
    signal.signal(AGAIN, lambda number, frame: _early.append(number))


def begin_again(program: Sequence[str]) -> Never:
    """In the same process. Who was asked twice does so once: on the way AGAIN is let pass, which outlasts exec."""
    signal.signal(AGAIN, signal.SIG_IGN)
    os.execv(program[0], list(program))


async def asked(grace_seconds: float = GRACE_SECONDS) -> signal.Signals:
    """The signal that asks us to end, or AGAIN. From the arrival of one of the first on, heard or not, the process has the grace
    and no more."""
    with anyio.open_signal_receiver(*_ENDINGS, AGAIN) as signals:
        deadline = _Deadline(grace_seconds)
        deadline.begin_with(*_ENDINGS)
        received = AGAIN if _early else await anext(signals)
        if received is AGAIN:
            deadline.code = _AGAIN_CODE
        deadline.begin()  # it may have come a moment before that
    expect()
    return received


def leave(code: int) -> Never:
    """End the process, not waiting for threads that hang: the interpreter would, for ever."""
    deadline = time.monotonic() + _LAST_SECONDS
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.current_thread():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                _say(f"a thread hangs in a file operation ({thread.name}); left without it")
                os._exit(code)
    sys.exit(code)


class _Deadline:
    """The thread that ends the process. It is there from the start: a signal may come where none can be begun."""

    def __init__(self, grace_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._heard, self._tell = os.pipe()
        os.set_blocking(self._tell, False)
        self._is_told = False
        self.code = 0
        threading.Thread(target=self._watch, name="deadline", daemon=True).start()

    def begin_with(self, *numbers: signal.Signals) -> None:
        """Call after the loop's own handlers were set: they hear by the wake-up descriptor, and this one takes their place
        as what Python runs, also amid code that never returns to the loop."""
        for number in numbers:
            signal.signal(number, self._hear)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.begin()

    def begin(self) -> None:
        """The time runs from here on."""
        if self._is_told:
            return
        self._is_told = True
        os.write(self._tell, b"!")
        # Without the interpreter's lock, which a regular expression holds until it is done.
        faulthandler.dump_traceback_later(self._grace_seconds + 1, exit=True, file=_STDERR)

    def _watch(self) -> None:
        os.read(self._heard, 1)
        time.sleep(self._grace_seconds)
        _say(f"something still hangs {self._grace_seconds:g} s after the signal; left without it, jobs go on")
        os._exit(self.code)


def _say(what: str) -> None:
    """Not through the log: who hangs may hold its lock, and a full pipe would take us in, too."""
    if _is_writable(_STDERR):
        os.write(_STDERR, f"{time.strftime('%Y-%m-%d %H:%M:%S')} WARNING {what}\n".encode())


def _is_writable(descriptor: int) -> bool:
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    return any(events & select.POLLOUT for _, events in ready.poll(0))
