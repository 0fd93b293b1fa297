"""Scores as tables: one a task and metric, a row a run and epoch, beside the base model's. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from runexp.reporting import direction, varied
from runexp.wire.jobs import RunSpec, Score
from runexp.wire.views import Comparison, JobView, Report

_ERRORS = ("stderr", "bootstrap_stderr")
#: Metrics that are the mean over samples: their error is the log's `stderr`.
_MEANS = frozenset({"accuracy", "mean"})
NOT_A_MEAN = "not the mean of its samples"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    job: str
    run: str
    #: fine-tuned, control, eval-only; empty: not known.
    type: str
    #: As the table's `varied` names them.
    varied: tuple[str, ...]
    epoch: int | None
    value: float
    stderr: float | None
    samples: int | None
    comparison: Comparison | None
    #: Why there is no difference; empty where there is one, or where it is the base.
    why: str
    log: str
    is_best: bool = False


class Table(msgspec.Struct, frozen=True, kw_only=True):
    task: str
    #: `match accuracy`
    metric: str
    is_lower_better: bool
    varied: tuple[str, ...]
    #: In the order of the experiment: runs as the summary lists them, then epochs.
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        return f"{self.task}: {self.metric}"

    @property
    def has_epochs(self) -> bool:
        return any(row.epoch is not None for row in self.rows)

    @property
    def is_compared(self) -> bool:
        return any(row.comparison is not None and row.comparison.difference is not None for row in self.rows)

    @property
    def best(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.is_best)


def tables(report: Report, columns: Sequence[str]) -> tuple[Table, ...]:
    runs = varied.by_name(report.runs)
    compared = {(found.job, found.score): found for found in report.comparisons}
    found: dict[tuple[str, str, str], list[Row]] = {}
    for job in report.evaluation.jobs:
        for score in job.scores:
            if direction.is_result(score.metric):
                key = (job.task or "", score.name, score.metric)
                row = _row(job, score, runs, columns, compared.get((job.id, score.name)))
                found.setdefault(key, []).append(row)
    order = {name: place for place, name in enumerate(runs)}
    return tuple(
        _table(task, name, metric, sorted(rows, key=lambda row: _place(row, order)), columns)
        for (task, name, metric), rows in found.items()
    )


def _place(row: Row, order: Mapping[str, int]) -> tuple[int, int]:
    return order.get(row.run, len(order)), -1 if row.epoch is None else row.epoch


def _row(
    job: JobView, score: Score, runs: Mapping[str, RunSpec], columns: Sequence[str], found: Comparison | None
) -> Row:
    run = runs.get(job.run)
    is_mean = found is not None and math.isclose(found.mean, score.value, rel_tol=1e-4, abs_tol=1e-6)
    comparison = found if is_mean else None
    return Row(
        job=job.id,
        run=job.run,
        type=run.type if run else "",
        varied=varied.cells(run, columns),
        epoch=job.epoch,
        value=score.value,
        stderr=_stderr(job, score, comparison),
        samples=score.samples if score.samples is not None else comparison.samples if comparison else None,
        comparison=comparison,
        why=NOT_A_MEAN if found is not None and not is_mean else found.why if found is not None else "",
        log=job.artifacts[0] if job.artifacts else "",
    )


def _stderr(job: JobView, score: Score, comparison: Comparison | None) -> float | None:
    """The log's own, where it is this metric's; else that of the samples."""
    if score.metric in _MEANS or comparison is not None:
        for metric in _ERRORS:
            for other in job.scores:
                if (other.name, other.metric) == (score.name, metric):
                    return other.value
    return comparison.stderr if comparison is not None else None


def _table(task: str, name: str, metric: str, rows: Sequence[Row], columns: Sequence[str]) -> Table:
    is_lower_better = direction.is_lower_better(name, metric)
    best = (min if is_lower_better else max)(row.value for row in rows)
    kept = _telling(rows, columns)
    return Table(
        task=task,
        metric=f"{name} {metric}",
        is_lower_better=is_lower_better,
        varied=tuple(columns[at] for at in kept),
        rows=tuple(
            msgspec.structs.replace(
                row,
                varied=tuple(row.varied[at] for at in kept),
                is_best=len(rows) > 1 and row.value == best,
            )
            for row in rows
        ),
    )


def _telling(rows: Sequence[Row], columns: Sequence[str]) -> list[int]:
    """Columns in which these runs differ; all of them for a single run."""
    runs = {row.run: row for row in rows if row.type != "control"}
    every = range(len(columns))
    if len(runs) < 2:
        return list(every)
    return [at for at in every if len({row.varied[at] for row in runs.values()}) > 1]


def shown(table: Table, most: int) -> tuple[Row, ...]:
    """All rows; of more than `most`, the base model's and the best ones, in the order of the table."""
    if len(table.rows) <= most:
        return table.rows
    sign = 1 if table.is_lower_better else -1
    ranked = sorted(table.rows, key=lambda row: (row.type != "control", sign * row.value))
    kept = {row.job for row in ranked[:most]}
    return tuple(row for row in table.rows if row.job in kept)


def leaders(table: Table, most: int) -> tuple[Row, ...]:
    """The base models, and of the best runs each one's best row, the best first."""
    sign = 1 if table.is_lower_better else -1
    best: dict[str, Row] = {}
    for row in sorted(table.rows, key=lambda row: sign * row.value):
        best.setdefault(row.run, row)
    bases = [row for row in best.values() if row.type == "control"]
    return (*bases, *[row for row in best.values() if row.type != "control"][:most])


def whys(rows: Sequence[Row]) -> Iterator[tuple[str, int]]:
    """Why some have no difference, and how many."""
    counts: dict[str, int] = {}
    for row in rows:
        if row.why:
            counts[row.why] = counts.get(row.why, 0) + 1
    yield from counts.items()
