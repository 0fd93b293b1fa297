"""When a watcher asks its cluster next: ever so often on this machine, within a budget of queries where each one costs.

What a schedule knows it learns from the watches and reports of each round; after a restart it starts anew.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexpd.clusters.base import JobReport
from runexpd.core import pacing
from runexpd.core.commands import Watch


class Schedule(Protocol):
    #: Between two looks at progress, which costs the scheduler nothing.
    look_seconds: float

    def note(self, watches: Sequence[Watch], reports: Sequence[JobReport], now: float) -> None:
        """A round was asked at `now`, about these, with this answer."""
        ...

    def next_at(self, watches: Sequence[Watch], progress: Mapping[str, Progress], now: float) -> float:
        """When to ask again; `progress` is by token."""
        ...


class Every:
    """A fixed pause."""

    def __init__(self, seconds: float) -> None:
        self.look_seconds = seconds
        self._asked_at = 0.0

    def note(self, watches: Sequence[Watch], reports: Sequence[JobReport], now: float) -> None:
        self._asked_at = now

    def next_at(self, watches: Sequence[Watch], progress: Mapping[str, Progress], now: float) -> float:
        return self._asked_at + self.look_seconds


class Budget:
    """So many queries a minute on average, spent where a change is likely: see core.pacing."""

    look_seconds = 1.0

    def __init__(self, queries_per_minute: float, now: float) -> None:
        self._bucket = pacing.full(queries_per_minute, now)
        self._asked_at = now
        self._changed_at = now
        self._seen: dict[str, tuple[str, str | None]] = {}
        #: How long finished jobs ran, by what they have in common.
        self._durations: dict[tuple[str, str], list[float]] = defaultdict(list)

    def note(self, watches: Sequence[Watch], reports: Sequence[JobReport], now: float) -> None:
        self._bucket = pacing.spent(self._bucket, now)
        self._asked_at = now
        kinds = {watch.token: _kind(watch) for watch in watches}
        for report in reports:
            if self._seen.get(report.token) != (report.state, report.reason):
                self._changed_at = now
            self._seen[report.token] = (report.state, report.reason)
            if report.final and report.started_at is not None and report.ended_at is not None:
                self._durations[kinds[report.token]].append(report.ended_at - report.started_at)

    def next_at(self, watches: Sequence[Watch], progress: Mapping[str, Progress], now: float) -> float:
        if any(watch.token not in self._seen for watch in watches):
            # Submitted since the last round: that is a change, too.
            self._seen |= {watch.token: ("", None) for watch in watches if watch.token not in self._seen}
            self._changed_at = now
        ends = list(self._ends(watches, progress, now))
        return pacing.next_round_at(self._bucket, now, self._asked_at, self._changed_at, ends)

    def _ends(
        self, watches: Sequence[Watch], progress: Mapping[str, Progress], now: float
    ) -> Iterator[float]:
        for watch in watches:
            if watch.started_at is None or watch.state != states.RUNNING:
                continue
            share = _share(progress.get(watch.token))
            end = pacing.expected_end(watch.started_at, now, share, self._durations[_kind(watch)])
            if end is not None:
                yield end
            if watch.job.time_limit_seconds is not None:
                yield watch.started_at + watch.job.time_limit_seconds


def _kind(watch: Watch) -> tuple[str, str]:
    """Siblings: jobs of one experiment and phase."""
    return watch.experiment, watch.job.phase


def _share(progress: Progress | None) -> float | None:
    if progress is None or not progress.total or progress.done is None:
        return None
    return min(1.0, progress.done / progress.total)
