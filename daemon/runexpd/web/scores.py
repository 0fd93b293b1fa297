"""Scores with their standard errors, as rows beside a common axis. Pure."""

import math
from collections.abc import Iterator, Sequence

import msgspec

from runexp.wire.views import ExperimentView, JobView

#: Not scores of their own: they say how sure another one is.
_ERRORS = frozenset({"stderr", "lower", "upper", "std", "var"})
#: Of a chart, unless all are asked for.
MOST_ROWS = 120


class Row(msgspec.Struct, frozen=True):
    #: Whose it is, by the order in which they are shown, and its name.
    side: int
    experiment: str
    run: str
    #: `epoch 1`; empty for a model that wasn't trained here.
    of: str
    job: str
    value: float
    stderr: float | None
    #: Of a hundred, from the left: the point, and the ends of its error.
    at: float
    low: float
    high: float


class Chart(msgspec.Struct, frozen=True):
    task: str
    metric: str
    #: The ends of the axis.
    first: float
    last: float
    rows: tuple[Row, ...]
    #: How many more there are.
    left_out: int


class _Point(msgspec.Struct, frozen=True):
    side: int
    experiment: str
    job: JobView
    value: float
    stderr: float | None


def charts(shown: Sequence[ExperimentView], most: int = MOST_ROWS) -> list[Chart]:
    """A chart for each task and metric, of all experiments that are shown."""
    found: dict[tuple[str, str], list[_Point]] = {}
    for side, view in enumerate(shown):
        for job in view.jobs:
            for name, metric, point in _points(side, view.name, job):
                label = metric if name in ("", metric) else f"{name} {metric}"
                found.setdefault((job.task or "", label), []).append(point)
    return [_chart(task, metric, points, most) for (task, metric), points in found.items()]


def _points(side: int, experiment: str, job: JobView) -> Iterator[tuple[str, str, _Point]]:
    errors = {score.name: score.value for score in job.scores if score.metric == "stderr"}
    for score in job.scores:
        if score.metric not in _ERRORS and math.isfinite(score.value):
            error = errors.get(score.name)
            stderr = error if error is not None and math.isfinite(error) else None
            yield score.name, score.metric, _Point(side, experiment, job, score.value, stderr)


def _by_run(points: Sequence[_Point]) -> list[_Point]:
    """The same run's of all experiments side by side."""
    places = {run: place for place, run in enumerate(dict.fromkeys(p.job.run for p in points))}
    return sorted(points, key=lambda p: (places[p.job.run], -1 if p.job.epoch is None else p.job.epoch))


def _chart(task: str, metric: str, points: Sequence[_Point], most: int) -> Chart:
    ends = [p.value + sign * (p.stderr or 0) for p in points for sign in (-1, 1)]
    low, high = min([0.0, *ends]), max([1.0 if max(p.value for p in points) <= 1 else 0.0, *ends])

    def place(value: float) -> float:
        return round(100 * (value - low) / (high - low), 2)

    rows = tuple(
        Row(
            side=p.side,
            experiment=p.experiment,
            run=p.job.run,
            of="" if p.job.epoch is None else f"epoch {p.job.epoch}",
            job=p.job.id,
            value=p.value,
            stderr=p.stderr,
            at=place(p.value),
            low=place(p.value - (p.stderr or 0)),
            high=place(p.value + (p.stderr or 0)),
        )
        for p in _by_run(points)[:most]
    )
    return Chart(task, metric, low, high, rows, len(points) - len(rows))
