"""When a watcher asks its cluster next: ever so often on this machine, within a budget of queries where each one costs.

What a schedule knows it learns from the watches and reports of each round; after a restart it starts anew. `now` is of a clock
that nobody sets; when a job began is by a clock that somebody may.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Protocol

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexpd.clusters.base import JobReport
from runexpd.core import pacing
from runexpd.core.commands import Watch
from runexpd.core.pacing import Awaited


class Schedule(Protocol):
    def note(self, watches: Sequence[Watch], reports: Sequence[JobReport], now: float) -> None:
        """A round was asked at `now`, about these, with this answer."""
        ...

    def next_at(
        self, watches: Sequence[Watch], open_gates: Set[str], progress: Mapping[str, Progress], now: float
    ) -> float:
        """When to ask again; `progress` is by token, `open_gates` as the core has them."""
        ...

    def look_pause_seconds(self, watch: Watch, progress: Progress | None, now: float) -> float:
        """How long to leave a running job's output alone; looking costs the scheduler nothing."""
        ...


class Every:
    """A fixed pause."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._asked_at = -math.inf

    def note(self, watches: Sequence[Watch], reports: Sequence[JobReport], now: float) -> None:
        self._asked_at = now

    def next_at(
        self, watches: Sequence[Watch], open_gates: Set[str], progress: Mapping[str, Progress], now: float
    ) -> float:
        return self._asked_at + self._seconds

    def look_pause_seconds(self, watch: Watch, progress: Progress | None, now: float) -> float:
        return self._seconds


class Budget:
    """So many queries a minute on average, spent where a change is likely: see core.pacing."""

    def __init__(
        self,
        queries_per_minute: float,
        queries: Callable[[], int],
        now: float,
        offset: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`queries`: how many have been asked so far; `offset`: seconds since 1970, less what `now` is at the moment."""
        self._queries = queries
        self._offset = offset
        #: By token: when it began, on the clock of `now`, as it was first understood.
        self._began: dict[str, float] = {}
        self._paid = queries()
        self._bucket = pacing.full(queries_per_minute, now)
        self._asked_at = now
        #: By token: what was seen last, and when it had changed.
        self._seen: dict[str, tuple[str, str | None]] = {}
        self._changed_at: dict[str, float] = {}
        #: When a job was first seen to have said its last word.
        self._finishing_at: dict[str, float] = {}
        #: Progress, and when it makes its job likely to end: as of when it was made, so that one that stalls is overdue.
        self._moved: dict[str, tuple[Progress, float | None]] = {}
        #: How long finished jobs ran, by what they have in common.
        self._durations: dict[tuple[str, str], list[float]] = defaultdict(list)

    def note(self, watches: Sequence[Watch], reports: Sequence[JobReport], now: float) -> None:
        self._pay(now)
        self._asked_at = now
        kinds = {watch.token: _kind(watch) for watch in watches}
        for known in (self._began, self._seen, self._changed_at, self._finishing_at, self._moved):
            for token in known.keys() - kinds.keys():
                known.pop(token)
        for report in reports:
            if self._seen.get(report.token) != (report.state, report.reason):
                self._changed_at[report.token] = now
            self._seen[report.token] = (report.state, report.reason)
            if report.final and report.started_at is not None and report.ended_at is not None:
                self._durations[kinds[report.token]].append(report.ended_at - report.started_at)

    def next_at(
        self, watches: Sequence[Watch], open_gates: Set[str], progress: Mapping[str, Progress], now: float
    ) -> float:
        self._pay(now)
        self._learn(watches, progress, now)
        return pacing.next_round_at(
            self._bucket, now, self._asked_at, list(self._awaited(watches, open_gates, now))
        )

    def look_pause_seconds(self, watch: Watch, progress: Progress | None, now: float) -> float:
        seen_at = self._changed_at.get(watch.token, now)
        began_at = self._began.get(watch.token, seen_at)
        end_at = self._end_at(watch)
        return pacing.look_pause_seconds(now - began_at, None if end_at is None else end_at - now)

    def _pay(self, now: float) -> None:
        """For whatever has been asked: rounds, and what a person's command or a lost submission took."""
        queries = self._queries()
        self._bucket = pacing.spent(self._bucket, now, queries - self._paid)
        self._paid = queries

    def _learn(self, watches: Sequence[Watch], progress: Mapping[str, Progress], now: float) -> None:
        for watch in watches:
            self._changed_at.setdefault(watch.token, now)
            if watch.started_at is not None:
                self._began.setdefault(watch.token, min(now, watch.started_at - self._offset()))
            made = progress.get(watch.token)
            if made is not None and made.finishing:
                self._finishing_at.setdefault(watch.token, now)
            if made is not None and self._moved.get(watch.token, (None,))[0] != made:
                share, began_at = _share(made), self._began.get(watch.token)
                end = pacing.expected_end(began_at, now, share) if began_at is not None else None
                self._moved[watch.token] = (made, end)

    def _awaited(self, watches: Sequence[Watch], open_gates: Set[str], now: float) -> Iterator[Awaited]:
        ends = {watch.token: self._end_at(watch) for watch in watches}
        gates: dict[str, list[Watch]] = defaultdict(list)
        for watch in watches:
            gates[watch.gate].append(watch)
        for gate, waiting in gates.items():
            opens = gate in open_gates or gate == waiting[0].token
            last = self._last_of(waiting, ends) if opens else None
            for watch in waiting:
                changed_at, limit = min(self._changed_at[watch.token], now), watch.job.time_limit_seconds
                yield Awaited(changed_at, ends[watch.token], watch is last)
                if watch.token in self._began and limit is not None:
                    yield Awaited(changed_at, self._began[watch.token] + limit)

    def _last_of(self, waiting: Sequence[Watch], ends: Mapping[str, float | None]) -> Watch | None:
        """The job whose end the gate will open at; None while that can't be told."""
        if any(ends[watch.token] is None for watch in waiting):
            return None
        return max(waiting, key=lambda watch: ends[watch.token] or 0.0)

    def _end_at(self, watch: Watch) -> float | None:
        """When it is expected to end: by its own last word, else by its progress or its siblings; None: no idea."""
        if watch.token in self._finishing_at:
            return self._finishing_at[watch.token]
        if watch.token not in self._began or watch.state != states.RUNNING:
            return None
        if watch.token in self._moved:
            return self._moved[watch.token][1]
        durations = sorted(self._durations[_kind(watch)])
        return self._began[watch.token] + durations[len(durations) // 2] if durations else None


def _kind(watch: Watch) -> tuple[str, str]:
    """Siblings: jobs of one experiment and phase."""
    return watch.experiment, watch.job.phase


def _share(progress: Progress | None) -> float | None:
    if progress is None or not progress.total or progress.done is None:
        return None
    return min(1.0, progress.done / progress.total)
