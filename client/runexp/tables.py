"""What is asked for from Python, as rows: plain objects in a tuple, and data frames where a library for them is there. Pure."""

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from runexp.wire.metrics import Curves
from runexp.wire.views import Report

T = TypeVar("T", bound=msgspec.Struct)
_OF_ANOTHER = frozenset({"stderr", "lower", "upper"})


class Rows(tuple[T, ...]):
    """Rows of one kind, in order."""

    __slots__ = ()

    def dicts(self) -> list[dict[str, Any]]:
        """A dictionary a row; what was chosen for a run is among its keys."""
        return [_flat(msgspec.to_builtins(row)) for row in self]

    def pandas(self) -> Any:
        """A pandas.DataFrame. Raises ImportError where pandas isn't there."""
        import pandas

        return pandas.DataFrame(self.dicts())

    def polars(self) -> Any:
        """A polars.DataFrame. Raises ImportError where polars isn't there."""
        import polars

        return polars.DataFrame(self.dicts(), infer_schema_length=None)

    def frame(self) -> Any:
        """A data frame of pandas, else of polars. Raises ImportError where neither is there."""
        try:
            return self.pandas()
        except ImportError:
            return self.polars()


class ScoreRow(msgspec.Struct, frozen=True, kw_only=True):
    """A score of an evaluation."""

    job: str
    run: str
    task: str
    #: None: the base model.
    epoch: int | None
    score: str
    metric: str
    value: float
    stderr: float | None = None
    samples: int | None = None
    #: What was chosen for the run.
    parameters: dict[str, str | int | float | bool | None] = {}


class PointRow(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a series: a loss, a learning rate, a GPU's load."""

    job: str
    series: str
    attempt: int
    step: int
    #: Since the attempt began.
    seconds: float
    #: None: not a number, or infinite.
    value: float | None


def scores(report: Report) -> Rows[ScoreRow]:
    parameters = {run.name: run.parameters for run in report.runs}
    return Rows(
        ScoreRow(
            job=job.id,
            run=job.run,
            task=job.task or "",
            epoch=job.epoch,
            score=score.name,
            metric=score.metric,
            value=score.value,
            stderr=next(
                (each.value for each in job.scores if (each.name, each.metric) == (score.name, "stderr")),
                None,
            ),
            samples=score.samples,
            parameters=parameters.get(job.run, {}),
        )
        for job in report.evaluation.jobs
        for score in job.scores
        if score.metric not in _OF_ANOTHER
    )


def points(curves: Curves) -> Rows[PointRow]:
    return Rows(_points(curves))


def _points(curves: Curves) -> Iterator[PointRow]:
    for series in curves.series:
        for step, seconds, value in zip(series.steps, series.seconds, series.values, strict=True):
            yield PointRow(
                job=series.job,
                series=series.name,
                attempt=series.attempt,
                step=step,
                seconds=seconds,
                value=value,
            )


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    parameters = row.pop("parameters", {})
    return {**row, **{name: value for name, value in parameters.items() if name not in row}}
