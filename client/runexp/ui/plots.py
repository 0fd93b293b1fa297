"""The curves that have come, which of them are looked at, and the lines that were last made of them. Pure."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from runexp.ui import curves
from runexp.ui.palette import Line
from runexp.wire import metrics
from runexp.wire.metrics import Series
from runexp.wire.states import Phase
from runexp.wire.views import JobView


class Wish(NamedTuple):
    """What is to be looked at: all of a job's quantities, and one of its siblings'."""

    job: str
    #: Empty: not known yet which there are.
    name: str
    siblings: tuple[str, ...]


class Plots:
    """Takes series in, as they come."""

    def __init__(self) -> None:
        self._series: dict[tuple[str, str, int], Series] = {}
        #: What the person went on to; otherwise the first that there is.
        self._asked = ""
        self._count = 0
        self._made: tuple[tuple[object, ...], list[Line]] | None = None

    def add(self, series: Iterable[Series]) -> None:
        """What has come since: points are put to those that are known."""
        for new in series:
            key = (new.job, new.name, new.attempt)
            self._series[key] = _joined(self._series.get(key), new)
        self._count += 1

    def name(self, job: str) -> str:
        """Which quantity of a job is drawn; empty where there is none."""
        there = curves.names(self._series.values(), job)
        return self._asked if self._asked in there else there[0] if there else ""

    def next(self, job: str) -> str:
        """Go on to the next quantity."""
        there = curves.names(self._series.values(), job)
        if there:
            self._asked = there[(there.index(self.name(job)) + 1) % len(there)]
        return self._asked

    def lines(self, job: str, room: int, height: int) -> list[Line]:
        """Made anew only where something came."""
        name = self.name(job)
        if not name:
            return []
        key = (job, name, room, height, self._count)
        if self._made is None or self._made[0] != key:
            made = curves.lines(curves.newest(self._series.values()), job, name, room, height)
            self._made = key, made
        return self._made[1]


def wish(job: JobView, name: str, jobs: Sequence[JobView]) -> Wish:
    """`jobs`: all of the experiment; its siblings do the same, and have begun."""
    alike = [each.id for each in jobs if _is_sibling(each, job)]
    every = max(1, -(-len(alike) // curves.MOST_SIBLINGS))
    return Wish(job.id, name or _usual(job), tuple(alike[::every]))


def _usual(job: JobView) -> str:
    return metrics.LOSS if job.phase is Phase.OPTIMIZATION else metrics.METRIC


def _is_sibling(each: JobView, job: JobView) -> bool:
    is_alike = each.phase is job.phase and each.task == job.task
    return is_alike and each.id != job.id and each.started_at is not None and not each.retired


def _joined(known: Series | None, new: Series) -> Series:
    if known is None or not known.steps or not new.steps:
        return new if known is None or new.steps else known
    # What was told before is told again where the series was thinned anew.
    keep = next((place for place, step in enumerate(known.steps) if step >= new.steps[0]), len(known.steps))
    return replace(
        new,
        steps=known.steps[:keep] + new.steps,
        seconds=known.seconds[:keep] + new.seconds,
        values=known.values[:keep] + new.values,
    )
