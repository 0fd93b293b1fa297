"""The few steps of something that takes a while: a bar in a terminal, a line each elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from runexp import output
from runexp.text import on_one_line

_WIDTH, _MOST_CHARACTERS = 30, 42


class Steps:
    def __init__(self, count: int) -> None:
        self._count = count
        self._begun = 0

    def step(self, what: str) -> None:
        """It begins; those before it are done."""
        if sys.stderr.isatty():
            self._draw(what, self._begun)
        else:
            output.note(f"==> {what}")
        self._begun += 1

    def _draw(self, what: str, done: int) -> None:
        filled = min(_WIDTH * done // self._count, _WIDTH)
        bar = "#" * filled + "." * (_WIDTH - filled)
        shown = on_one_line(what)[:_MOST_CHARACTERS]
        sys.stderr.write(f"\r    [{bar}] {shown:{_MOST_CHARACTERS}}")
        sys.stderr.flush()

    def _close(self, what: str, done: int) -> None:
        if sys.stderr.isatty() and self._begun:
            self._draw(what, done)
            sys.stderr.write("\n")


@contextmanager
def steps(count: int) -> Iterator[Steps]:
    """As many as are expected. The bar's line ends with it, whatever happens."""
    told = Steps(count)
    try:
        yield told
    except BaseException:
        told._close("not done", told._begun - 1)
        raise
    told._close("done", count)
