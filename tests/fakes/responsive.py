"""Finds what keeps an event loop from answering: blocking calls by name, and any turn that lasts too long by its stack."""

import asyncio
import importlib
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from blockbuster import BlockBuster, BlockingError

#: A turn of the loop that lasts this long is shown; one that lasts longer than this fails its test.
SLOW_SECONDS, DEAF_SECONDS = 0.25, 2.0
#: What may block, and why: file, functions, functions of the system.
ALLOWED = (
    # A module at its first use is read once, from our own installation.
    ("<frozen importlib._bootstrap>", {"_find_and_load"}, None),
    # The daemon's log is standard error: whoever reads it (journald) is there as long as we are. With a traceback, it reads our
    # own source.
    ("loguru/_handler.py", {"emit"}, None),
    ("loguru/_logger.py", {"_log"}, None),
    # So does a test that hears what is logged.
    ("logging/__init__.py", {"emit"}, None),
    # asyncssh reads known_hosts, keys and its configuration itself, when it connects.
    ("asyncssh/known_hosts.py", {"read_known_hosts", "match_known_hosts"}, None),
    ("asyncssh/misc.py", {"read_file", "open_file"}, None),
    # The end of a thread's start is waited for.
    ("threading.py", {"start"}, ("threading.Lock.acquire",)),
)


@contextmanager
def responsive() -> Iterator[None]:
    """What runs in here on an event loop, and is ours, must not block it. Raises AssertionError at the end: what did."""
    found: list[str] = []
    with _named(found), _timed(found):
        yield
    assert not found, "the event loop was blocked:\n\n" + "\n\n".join(found)


@contextmanager
def _named(found: list[str]) -> Iterator[None]:
    """An `except Exception` on the way may swallow the error: it is noted where it is made."""

    class Noted(BlockingError):
        def __init__(self, func: str) -> None:
            super().__init__(func)
            found.append(f"{func} is called:\n{''.join(traceback.format_stack(limit=12)[:-2])}")

    module: Any = importlib.import_module("blockbuster.blockbuster")
    buster = BlockBuster(["runexp", "runexpd"])
    for file, functions, calls in ALLOWED:
        for name, function in buster.functions.items():
            if calls is None or name in calls:
                function.can_block_in(file, functions)
    module.BlockingError = Noted
    buster.activate()
    try:
        yield
    finally:
        buster.deactivate()
        module.BlockingError = BlockingError


@contextmanager
def _timed(found: list[str]) -> Iterator[None]:
    turns = _Turns()
    handles: Any = asyncio.Handle
    run = handles._run

    def timed(handle: asyncio.Handle) -> None:
        turns.begin()
        try:
            run(handle)
        finally:
            turns.end()

    handles._run = timed
    watchdog = threading.Thread(target=turns.watch, daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        handles._run = run
        turns.over.set()
        watchdog.join()
        found += turns.deaf


class _Turns:
    """The turn of the loop that is under way, and those that lasted too long."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.deaf: list[str] = []
        self._turn: tuple[int, float] | None = None
        self._shown: float | None = None

    def begin(self) -> None:
        self._turn = threading.get_ident(), time.monotonic()

    def end(self) -> None:
        self._turn = None

    def watch(self) -> None:
        while not self.over.wait(SLOW_SECONDS / 5):
            turn = self._turn
            if turn is not None:
                self._look(*turn)

    def _look(self, thread: int, since: float) -> None:
        lasts = time.monotonic() - since
        frame = sys._current_frames().get(thread)
        if lasts < SLOW_SECONDS or frame is None:
            return
        said = f"a turn lasts {lasts:.2f} s already:\n{''.join(traceback.format_stack(frame, limit=12))}"
        if self._shown != since:
            self._shown = since
            sys.stderr.write(f"{said}\n")
        if lasts > DEAF_SECONDS:
            self.deaf = [said]
