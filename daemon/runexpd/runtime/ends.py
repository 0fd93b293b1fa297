"""When jobs are likely to end: by their own last word, else by their progress, else by how long their siblings ran.

Times are of a clock that nobody sets; when a job began is by a clock that somebody may, and is understood once.
"""

from collections import deque
from statistics import median_high

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexpd.clusters.base import JobReport
from runexpd.core import pacing
from runexpd.core.commands import Watch

#: So many newest durations are remembered, of so many kinds.
_MOST_DURATIONS, _MOST_KINDS = 100, 200

#: Siblings: jobs of one experiment and phase.
Kind = tuple[str, str]


class Ends:
    def __init__(self) -> None:
        #: By token, of those that have begun.
        self._began: dict[str, float] = {}
        #: When a job was first seen to have said its last word.
        self._finishing_at: dict[str, float] = {}
        #: Progress, and when it makes its job likely to end: as of when it was made, so that one that stalls is overdue.
        self._moved: dict[str, tuple[Progress, float | None]] = {}
        #: How long finished jobs ran, the kind that was last added to at the end; and what is usual of each.
        self._durations: dict[Kind, deque[float]] = {}
        self._usual: dict[Kind, float] = {}

    def began(self, token: str, at: float) -> None:
        """The first word stands."""
        self._began.setdefault(token, at)

    def began_at(self, token: str) -> float | None:
        return self._began.get(token)

    def forget(self, token: str) -> None:
        for known in (self._began, self._finishing_at, self._moved):
            known.pop(token, None)

    def progressed(self, token: str, made: Progress, now: float) -> None:
        if made.finishing:
            self._finishing_at.setdefault(token, now)
        if token not in self._moved or self._moved[token][0] != made:
            began_at = self._began.get(token)
            end = None if began_at is None else pacing.expected_end(began_at, now, _share(made))
            self._moved[token] = made, end

    def ended(self, watch: Watch, report: JobReport) -> None:
        """What its siblings may be expected to do, too."""
        if report.started_at is not None and report.ended_at is not None:
            kind = _kind(watch)
            durations = self._durations.pop(kind, deque(maxlen=_MOST_DURATIONS))
            durations.append(report.ended_at - report.started_at)
            self._durations[kind] = durations
            self._usual[kind] = median_high(durations)
            self._forget_kinds()

    def _forget_kinds(self) -> None:
        while len(self._durations) > _MOST_KINDS:
            oldest = next(iter(self._durations))
            del self._durations[oldest], self._usual[oldest]

    def end_at(self, watch: Watch) -> float | None:
        """None: no idea."""
        if watch.token in self._finishing_at:
            return self._finishing_at[watch.token]
        if watch.token not in self._began or watch.state != states.RUNNING:
            return None
        if watch.token in self._moved:
            return self._moved[watch.token][1]
        usual = self._usual.get(_kind(watch))
        return None if usual is None else self._began[watch.token] + usual


def _kind(watch: Watch) -> Kind:
    return watch.experiment, watch.job.phase


def _share(progress: Progress) -> float | None:
    if not progress.total or progress.done is None:
        return None
    return min(1.0, progress.done / progress.total)
