"""Experiments side by side: what differs in them, and their scores with intervals. Pure."""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from runexp import report as summary
from runexp.styles import MARKDOWN, TEXT, Style
from runexp.text import on_one_line
from runexp.wire.jobs import Score
from runexp.wire.recipes import Recipe
from runexp.wire.views import JobView, Report

K = TypeVar("K")
#: Of a normal distribution, for 95 %.
_Z = 1.959964
#: What is said of another metric, and is none by itself.
_OF_ANOTHER = frozenset({"stderr", "lower", "upper"})


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """A score of one experiment."""

    value: float
    stderr: float | None = None
    #: The 95 % interval; None: no standard error is known.
    low: float | None = None
    high: float | None = None
    samples: int | None = None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """To the first experiment, as if the samples were others: an upper bound where they are the same ones."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no room for none."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    run: str
    task: str
    epoch: int | None
    score: str
    metric: str
    #: One an experiment; None where it has none.
    cells: tuple[Cell | None, ...]
    #: Of the second experiment and those after it.
    differences: tuple[Difference | None, ...]


class Differing(msgspec.Struct, frozen=True, kw_only=True):
    """Something that isn't the same in all of them."""

    what: str
    values: tuple[str | None, ...]


class Side(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    #: In the columns: its name, with its id where another is called the same.
    name: str
    cluster: str
    dir: str
    outcome: str | None
    question: str = ""


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    experiments: tuple[Side, ...]
    differing: tuple[Differing, ...]
    scores: tuple[Row, ...]


#: Trainings whose recipes are compared.
_MOST_RECIPES = 50


def to_be_compared(reports: Sequence[Report]) -> list[str]:
    """The trainings that all of them have."""
    ids = [[job.id for job in report.optimization.jobs] for report in reports]
    return [id for id in ids[0] if all(id in each for each in ids)][:_MOST_RECIPES]


def compared(reports: Sequence[Report], recipes: Sequence[Mapping[str, Recipe]] = ()) -> Compared:
    """In the order in which they are given. `recipes`: by job, of each of them."""
    names = [report.name for report in reports]
    return Compared(
        experiments=tuple(
            Side(
                id=report.id,
                name=report.name if names.count(report.name) == 1 else f"{report.name} ({report.id})",
                cluster=report.cluster,
                dir=report.dir,
                outcome=report.outcome,
                question=report.question,
            )
            for report in reports
        ),
        differing=tuple(_differing(reports, recipes or [{}] * len(reports))),
        scores=tuple(_rows(reports)),
    )


def _differing(reports: Sequence[Report], recipes: Sequence[Mapping[str, Recipe]]) -> Iterator[Differing]:
    described = [
        {**dict(_described(report)), **dict(_of_recipes(report.dir, known))}
        for report, known in zip(reports, recipes, strict=True)
    ]
    for what in _in_order(described):
        values = tuple(each.get(what) for each in described)
        if len(set(values)) > 1:
            yield Differing(what=what, values=values)


def _described(report: Report) -> Iterator[tuple[str, str]]:
    """All that is known of how it was made: its runs, what was chosen for each, and what was changed by rule."""
    yield "cluster", report.cluster
    for run in report.runs:
        yield f"{run.name}: type", run.type
        if run.model is not None:
            yield f"{run.name}: model", run.model
        for name, value in run.parameters.items():
            yield f"{run.name}: {name}", str(value)
    for job in (*report.optimization.jobs, *report.evaluation.jobs):
        if job.mended:
            yield f"{job.id}: changed by rule", "; ".join(job.mended)


def _of_recipes(dir: str, recipes: Mapping[str, Recipe]) -> Iterator[tuple[str, str]]:
    """What ran: settings and versions. Where an experiment lies makes no difference."""
    for job, recipe in recipes.items():
        for key, value in recipe.values.items():
            yield f"{job}: config {key}", value.replace(dir, "...")
        for name, version in recipe.versions.items():
            yield f"{job}: {name}", version
        if recipe.commit:
            yield f"{job}: commit", recipe.commit[:12] + ("+" if recipe.dirty else "")


def _in_order(tables: Sequence[Mapping[K, object]]) -> list[K]:
    """The keys of all of them: each where it first comes."""
    return list(dict.fromkeys(key for table in tables for key in table))


_Key = tuple[str, str, int | None, str, str]


def _rows(reports: Sequence[Report]) -> Iterator[Row]:
    tables = [_cells(report.evaluation.jobs) for report in reports]
    for key in _in_order(tables):
        run, task, epoch, score, metric = key
        cells = tuple(table.get(key) for table in tables)
        yield Row(
            run=run,
            task=task,
            epoch=epoch,
            score=score,
            metric=metric,
            cells=cells,
            differences=tuple(_difference(cells[0], cell) for cell in cells[1:]),
        )


def _cells(jobs: Sequence[JobView]) -> dict[_Key, Cell]:
    return {
        (job.run, job.task or "", job.epoch, score.name, score.metric): _cell(score, job.scores)
        for job in jobs
        for score in job.scores
        if score.metric not in _OF_ANOTHER
    }


def _cell(score: Score, all_scores: Sequence[Score]) -> Cell:
    errors = (each.value for each in all_scores if (each.name, each.metric) == (score.name, "stderr"))
    stderr = next(errors, None)
    reach = None if stderr is None or not math.isfinite(stderr) else _Z * stderr
    return Cell(
        value=score.value,
        stderr=stderr,
        low=None if reach is None else score.value - reach,
        high=None if reach is None else score.value + reach,
        samples=score.samples,
    )


def _difference(first: Cell | None, other: Cell | None) -> Difference | None:
    if first is None or other is None:
        return None
    value = other.value - first.value
    if first.stderr is None or other.stderr is None:
        return Difference(value=value)
    reach = _Z * math.hypot(first.stderr, other.stderr)
    return Difference(value=value, low=value - reach, high=value + reach)


def text(found: Compared) -> str:
    """For a terminal."""
    return "\n".join(map(on_one_line, _lines(found, TEXT)))


def markdown(found: Compared) -> str:
    """For a document."""
    return "\n".join(map(on_one_line, _lines(found, MARKDOWN)))


def _lines(found: Compared, style: Style) -> Iterator[str]:
    names = [side.name for side in found.experiments]
    yield style.heading(2, "Experiments")
    yield ""
    rows = [[s.name, f"{s.cluster}:{s.dir}", s.outcome or "under way", s.question] for s in found.experiments]
    yield from _table(style, [["experiment", "directory", "outcome", "question"], *rows])
    yield ""
    yield style.heading(2, "What differs")
    yield ""
    if found.differing:
        values = [[d.what, *(value or "-" for value in d.values)] for d in found.differing]
        yield from _table(style, [["what", *names], *values])
    else:
        yield "Nothing that the summaries say."
    yield ""
    yield style.heading(2, "Scores")
    yield ""
    if not found.scores:
        yield "None yet."
        return
    changes = [f"{name} - {names[0]}" for name in names[1:]]
    yield from _table(
        style, [["run", "task", "epoch", "score", *names, *changes], *(_shown(row) for row in found.scores)]
    )
    yield ""
    yield "In brackets: 95 % intervals. Differences as if the samples were others; * where the interval leaves out 0."


def _table(style: Style, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return summary.table([list(map(style.cell, row)) for row in rows])


def _shown(row: Row) -> list[str]:
    epoch = "-" if row.epoch is None else str(row.epoch)
    cells = ["-" if cell is None else f"{cell.value:.3f}{_interval(cell)}" for cell in row.cells]
    changes = [
        "-" if change is None else f"{change.value:+.3f}{_interval(change)}{' *' * change.is_clear}"
        for change in row.differences
    ]
    return [row.run, row.task, epoch, f"{row.score} {row.metric}", *cells, *changes]


def _interval(of: Cell | Difference) -> str:
    return "" if of.low is None or of.high is None else f" [{of.low:.3f}, {of.high:.3f}]"


def as_csv(found: Compared) -> str:
    """A line a score and experiment, for whoever reads tables."""
    columns = [
        "experiment",
        "id",
        "run",
        "task",
        "epoch",
        "score",
        "metric",
        "value",
        "stderr",
        "low",
        "high",
        "samples",
    ]
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(columns)
    for row in found.scores:
        for side, cell in zip(found.experiments, row.cells, strict=True):
            if cell is not None:
                key = (side.name, side.id, row.run, row.task, row.epoch, row.score, row.metric)
                table.writerow([*key, cell.value, cell.stderr, cell.low, cell.high, cell.samples])
    return written.getvalue()
