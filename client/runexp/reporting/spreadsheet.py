"""Every score, and every point of a curve, as a row of CSV (RFC 4180): for a notebook, or a spreadsheet. Pure."""

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import chain

from runexp.reporting import varied
from runexp.reporting.content import Content
from runexp.reporting.scores import Row, Table
from runexp.text import on_one_line
from runexp.wire.jobs import RunSpec
from runexp.wire.metrics import Series

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "|", "%")
_FIXED = ("experiment", "run", "type", "model")
_SCORED = ("task", "epoch", "metric", "value", "stderr", "samples", "best")
_POINT = ("job", "attempt", "name", "step", "seconds", "value")
_COMPARED = ("base", "common_samples", "difference", "low", "high", "not_compared", "job", "log")

Cell = str | int | float | None


def spreadsheet(content: Content) -> str:
    """A header, and a row a run, epoch, task and metric. Numbers are whole; nothing is rounded or left out."""
    runs = varied.by_name(content.report.runs)
    names = list(dict.fromkeys(name for run in content.report.runs for name in run.parameters))
    cells = (
        _cells(content.report.name, table, row, runs.get(row.run), names)
        for table in content.tables
        for row in table.rows
    )
    return "".join(lines([*_FIXED, *names, *_SCORED, *_COMPARED], cells)).rstrip("\n")


def points(series: Iterable[Series]) -> Iterator[str]:
    """Lines: a header, and one a point: its step, the seconds since the attempt began, the value, `nan` where it is none."""
    return lines(_POINT, (cells for each in series for cells in _points(each)))


def lines(header: Iterable[Cell], rows: Iterable[Iterable[Cell]]) -> Iterator[str]:
    """Each with its end. Numbers are written whole."""
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    for row in chain((header,), rows):
        writer.writerow(map(_written, row))
        yield line.getvalue()
        line.seek(0)
        line.truncate()


def _points(series: Series) -> Iterator[tuple[Cell, ...]]:
    for step, seconds, value in zip(series.steps, series.seconds, series.values, strict=True):
        found = "nan" if value is None else value
        yield series.job, series.attempt, series.name, step, round(seconds, 3), found


def _cells(experiment: str, table: Table, row: Row, run: RunSpec | None, names: list[str]) -> Iterator[Cell]:
    yield from (experiment, row.run, row.type, run.model if run else None)
    yield from (run.parameters.get(name) if run else None for name in names)
    yield from (table.task, row.epoch, table.metric, row.value, row.stderr, row.samples, int(row.is_best))
    found = row.comparison
    if found is not None and found.difference is not None:
        yield from (found.base, found.common, found.difference, found.low, found.high)
    else:
        yield from (None,) * 5
    yield from (row.why, row.job, row.log)


def _written(cell: Cell) -> str:
    """Text that no spreadsheet takes for a formula: a quotation mark before it, as OWASP has it. Numbers stay numbers."""
    if cell is None:
        return ""
    if not isinstance(cell, str):
        return repr(cell).lower() if isinstance(cell, bool) else repr(cell)
    text = on_one_line(cell)
    return f"'{text}" if text.startswith(_FORMULA) else text
