"""Experiments side by side: what differs in them, and their scores with intervals. Pure."""

import math
from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase
from typing import TypeVar

import msgspec

from runexp.ui import cells
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
    """To the first experiment, as of two independent sets of samples: an upper bound where they are the same ones."""

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

    #: `rank4: lora_rank`
    what: str
    values: tuple[str | None, ...]
    #: The run or job that it is said of; empty: of all of it.
    of: str = ""

    @property
    def name(self) -> str:
        """Of what is said, without of which run: `lora_rank`."""
        return self.what.removeprefix(f"{self.of}: ")


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


def told_apart(ids_and_names: Sequence[tuple[str, str]]) -> list[str]:
    """Each one's name, with its id where another is called the same."""
    names = [name for _, name in ids_and_names]
    return [name if names.count(name) == 1 else f"{name} ({id})" for id, name in ids_and_names]


#: Names that are wider than this make columns that nobody can read.
_WIDE_CELLS = 20


def columns(names: Sequence[str]) -> list[str]:
    """What the columns are called: by the names, or, where one is wide, by a letter each."""
    are_wide = any(cells.width(name) > _WIDE_CELLS for name in names)
    return (
        list(ascii_uppercase[: len(names)]) if are_wide and len(names) <= len(ascii_uppercase) else [*names]
    )


#: Trainings whose recipes are compared.
_MOST_RECIPES = 50


def to_be_compared(reports: Sequence[Report]) -> list[str]:
    """The trainings that all of them have."""
    ids = [[job.id for job in report.optimization.jobs] for report in reports]
    return [id for id in ids[0] if all(id in each for each in ids)][:_MOST_RECIPES]


def compared(reports: Sequence[Report], recipes: Sequence[Mapping[str, Recipe]] = ()) -> Compared:
    """In the order in which they are given. `recipes`: by job, of each of them."""
    names = told_apart([(report.id, report.name) for report in reports])
    return Compared(
        experiments=tuple(
            Side(
                id=report.id,
                name=name,
                cluster=report.cluster,
                dir=report.dir,
                outcome=report.outcome,
                question=report.question,
            )
            for report, name in zip(reports, names, strict=True)
        ),
        differing=tuple(_differing(reports, recipes or [{}] * len(reports))),
        scores=tuple(_rows(reports)),
    )


def _differing(reports: Sequence[Report], recipes: Sequence[Mapping[str, Recipe]]) -> Iterator[Differing]:
    described = [
        {**dict(_described(report)), **dict(_of_recipes(report.dir, known))}
        for report, known in zip(reports, recipes, strict=True)
    ]
    for of, name in _in_order(described):
        values = tuple(each.get((of, name)) for each in described)
        if len(set(values)) > 1:
            yield Differing(what=f"{of}: {name}" if of else name, values=values, of=of)


_Said = tuple[tuple[str, str], str]
"""Of which run or job, what, and its value."""


def _described(report: Report) -> Iterator[_Said]:
    """All that is known of how it was made: its runs, what was chosen for each, and what was changed by rule."""
    yield ("", "cluster"), report.cluster
    for run in report.runs:
        yield (run.name, "type"), run.type
        if run.model is not None:
            yield (run.name, "model"), run.model
        for name, value in run.parameters.items():
            yield (run.name, name), str(value)
    for job in (*report.optimization.jobs, *report.evaluation.jobs):
        if job.mended:
            yield (job.id, "changed by rule"), "; ".join(job.mended)


def _of_recipes(dir: str, recipes: Mapping[str, Recipe]) -> Iterator[_Said]:
    """What ran: settings and versions. Where an experiment lies makes no difference."""
    for job, recipe in recipes.items():
        for key, value in recipe.values.items():
            yield (job, f"config {key}"), value.replace(dir, "...")
        for name, version in recipe.versions.items():
            yield (job, name), version
        if recipe.commit:
            yield (job, "commit"), recipe.commit[:12] + ("+" if recipe.dirty else "")


#: Runs that are named where the same differs in them; of more, how many there are.
_MOST_NAMED = 3


def together(differing: Sequence[Differing]) -> tuple[Differing, ...]:
    """The same difference in several runs is one: `rank4, rank8: lr`, `60 runs: lr`. In the order in which each first comes."""
    found: dict[tuple[str, tuple[str | None, ...]], list[str]] = {}
    for each in differing:
        found.setdefault((each.name, each.values), []).append(each.of)
    return tuple(
        Differing(what=f"{_named(of)}: {name}" if any(of) else name, values=values, of=_named(of))
        for (name, values), of in found.items()
    )


def _named(of: Sequence[str]) -> str:
    return ", ".join(of) if len(of) <= _MOST_NAMED else f"{len(of)} runs"


def _in_order(tables: Sequence[Mapping[K, object]]) -> list[K]:
    """The keys of all of them: each where it first comes."""
    return list(dict.fromkeys(key for table in tables for key in table))


_Key = tuple[str, str, int | None, str, str]


def _rows(reports: Sequence[Report]) -> Iterator[Row]:
    tables = [_cells(report.evaluation.jobs) for report in reports]
    for key in _by_run(_in_order(tables)):
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


def _by_run(keys: Sequence[_Key]) -> list[_Key]:
    """An epoch that only one of them has stands with the run's others, wherever that run first comes."""
    runs = {run: place for place, run in enumerate(dict.fromkeys(key[0] for key in keys))}
    tasks = {task: place for place, task in enumerate(dict.fromkeys(key[1] for key in keys))}
    return sorted(keys, key=lambda key: (runs[key[0]], tasks[key[1]], -1 if key[2] is None else key[2]))


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
