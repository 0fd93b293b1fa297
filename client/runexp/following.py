"""An experiment's news, across daemons that go away and come back: every event once, in order.

Owns the place in the stream and the back-off. Shows nothing.
"""

import select
import time
from collections.abc import Iterator, Sequence

import msgspec

from runexp import connection
from runexp.connection import Connection
from runexp.errors import Lost, NotRunning, Trouble
from runexp.wire.requests import Follow, Live, Reply, Seen, Shown
from runexp.wire.views import ExperimentView

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 3.0
GIVE_UP_SECONDS = 60.0


class Away(msgspec.Struct, frozen=True):
    """The daemon went away; it is being tried again."""

    why: str


class Back(msgspec.Struct, frozen=True):
    """It is there again, and nothing was missed."""


News = Seen | Live | Shown | Away | Back


class Following:
    """A cursor on an experiment's events. Use as a context manager."""

    def __init__(self, experiment: str, name: str, after: int = 0) -> None:
        """`experiment`: its id. `name`: for the hint, should the daemon stay away. `after`: the last event known."""
        self._experiment = experiment
        self._name = name
        #: The number of the last event that was handed out.
        self.seq = after
        #: The view that says how it ended, once every event up to it was handed out.
        self.ended: ExperimentView | None = None
        self._live = False
        self._shown: ExperimentView | None = None
        self._connection: Connection | None = None
        self._away_since = 0.0
        self._pause_seconds = 0.0
        self._next_try = 0.0

    def __enter__(self) -> "Following":
        self._connection = self._follow()
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection:
            self._connection.close()

    def news(self, timeout_seconds: float | None, wake: Sequence[int] = ()) -> Iterator[News]:
        """What has come, waiting for it at most so long, or until one of the file descriptors `wake` can be read.

        Raises Refusal; and Lost, when the daemon has been away for a minute.
        """
        if self._connection is None:
            yield from self._try_again(timeout_seconds, wake)
            return
        select.select([self._connection, *wake], [], [], timeout_seconds)
        try:
            while (reply := self._connection.read(0)) is not None:
                if (news := self._heard(reply)) is not None:
                    yield news
        except Lost as lost:
            self._lose()
            yield Away(lost.what)

    def until_ended(self) -> Iterator[News]:
        """All news, until the experiment has ended."""
        while self.ended is None:
            yield from self.news(None)

    def _follow(self) -> Connection:
        link = connection.connect()
        try:
            link.send(Follow(experiment=self._experiment, after=self.seq))
        except BaseException:
            link.close()
            raise
        return link

    def _heard(self, reply: Reply) -> News | None:
        match reply:
            case Seen():
                if reply.envelope.seq <= self.seq:
                    return None
                self.seq = reply.envelope.seq
            case Live():
                if self._live:
                    return None
                self._live = True
            case Shown():
                self._shown = reply.experiment
            case _:
                raise Trouble(f"the daemon answered Follow with {type(reply).__name__}")
        self._settle()
        return reply

    def _settle(self) -> None:
        """A view may run ahead of the events that it stands for; the end is when they have come too."""
        if self._live and self._shown and self._shown.outcome is not None and self.seq >= self._shown.seq:
            self.ended = self._shown

    def _lose(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None
        self._away_since = time.monotonic()
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._next_try = self._away_since + self._pause_seconds

    def _try_again(self, timeout_seconds: float | None, wake: Sequence[int]) -> Iterator[News]:
        left = max(0.0, self._next_try - time.monotonic())
        select.select(list(wake), [], [], left if timeout_seconds is None else min(left, timeout_seconds))
        if time.monotonic() < self._next_try:
            return
        try:
            self._connection = self._follow()
        except (NotRunning, Lost) as still:
            self._postpone(still)
        else:
            yield Back()

    def _postpone(self, still: Trouble) -> None:
        now = time.monotonic()
        if now - self._away_since > GIVE_UP_SECONDS:
            hint = f"{still.hint}; then come back: runexp attach {self._name}"
            raise Lost(f"{still.what}, for a minute now; jobs go on", still.where, hint) from None
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
        self._next_try = now + self._pause_seconds
