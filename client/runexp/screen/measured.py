"""Curves as they grow, asked for every other second: only what is looked at, and of that only what is new."""

import threading
from collections.abc import Iterator

from runexp import connection
from runexp.connection import Lost, NoDaemon
from runexp.screen.feed import Feed
from runexp.ui.plots import Wish
from runexp.wire import metrics, requests

_EVERY_SECONDS = 2.0
_POINTS = 300


class Measured:
    """`wish` is what is wanted now; None: nothing."""

    def __init__(self, experiment: str) -> None:
        self._experiment = experiment
        self._wish: Wish | None = None
        self._is_new = threading.Event()
        self._is_over = False
        #: How far each job's quantity is known; of an empty name: all of a job's.
        self._marks: dict[tuple[str, str], int] = {}
        self.feed = Feed().start(self._work)

    def want(self, wish: Wish | None) -> None:
        """What has changed is asked for at once."""
        if wish != self._wish:
            self._wish = wish
            self._is_new.set()

    def stop(self) -> None:
        self._is_over = True
        self._is_new.set()

    def _work(self, feed: Feed) -> None:
        while not self._is_over:
            self._is_new.wait(_EVERY_SECONDS)
            self._is_new.clear()
            if (wish := self._wish) is None or self._is_over:
                continue
            try:
                for asked in self._asked(wish):
                    curves = connection.ask(asked, metrics.Curves, connection.say_nothing)
                    self._marks.update({(job, "".join(asked.names)): curves.mark for job in asked.jobs})
                    if curves.series:
                        feed.put(curves)
            except (NoDaemon, Lost):
                pass  # whoever follows the experiment says so

    def _asked(self, wish: Wish) -> Iterator[requests.Metrics]:
        yield self._request((wish.job,), (), self._marks.get((wish.job, ""), 0))
        known: dict[int, list[str]] = {}
        for job in wish.siblings:
            known.setdefault(self._marks.get((job, wish.name), 0), []).append(job)
        for mark, jobs in known.items():
            yield self._request(tuple(jobs), (wish.name,), mark)

    def _request(self, jobs: tuple[str, ...], names: tuple[str, ...], after: int) -> requests.Metrics:
        return requests.Metrics(
            experiment=self._experiment, jobs=jobs, names=names, after=after, points=_POINTS
        )
