"""Experiments side by side as text, as Markdown and as CSV. Pure."""

from collections.abc import Iterator, Sequence

from runexp import report as summary
from runexp.comparing import Cell, Compared, Difference, Row, columns, together
from runexp.reporting import spreadsheet
from runexp.styles import MARKDOWN, TEXT, Style
from runexp.text import on_one_line

_COLUMNS = ("experiment", "id", "run", "task", "epoch", "score", "metric", "value", "stderr", "low", "high", "samples")  # fmt: skip


def text(found: Compared) -> str:
    """For a terminal."""
    return "\n".join(map(on_one_line, _lines(found, TEXT)))


def markdown(found: Compared) -> str:
    """For a document."""
    return "\n".join(map(on_one_line, _lines(found, MARKDOWN)))


def as_csv(found: Compared) -> str:
    """A line a score and experiment, for whoever reads tables; text that a spreadsheet would compute has a mark before it."""
    rows = (
        (side.name, side.id, row.run, row.task, row.epoch, row.score, row.metric, *_figures(cell))
        for row in found.scores
        for side, cell in zip(found.experiments, row.cells, strict=True)
        if cell is not None
    )
    return "".join(spreadsheet.lines(_COLUMNS, rows))


def _figures(cell: Cell) -> tuple[float | int | None, ...]:
    return cell.value, cell.stderr, cell.low, cell.high, cell.samples


def _lines(found: Compared, style: Style) -> Iterator[str]:
    names = columns([side.name for side in found.experiments])
    yield from (style.heading(2, "Experiments"), "")
    yield from _table(style, list(_sides(found, names)))
    yield from ("", style.heading(2, "What differs"), "")
    values = [[d.what, *(value or "-" for value in d.values)] for d in together(found.differing)]
    yield from _table(style, [["what", *names], *values]) if values else ["Nothing that the summaries say."]
    yield from ("", style.heading(2, "Scores"), "")
    if not found.scores:
        yield "None yet."
        return
    changes = [f"{name} - {names[0]}" for name in names[1:]]
    header = ["run", "task", "epoch", "score", *names, *changes]
    yield from _table(style, [header, *map(_shown, found.scores)])
    yield ""
    yield "In brackets: 95 % intervals. Differences as of two independent sets of samples; * where the interval leaves out 0."


def _table(style: Style, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    return summary.table([list(map(style.cell, row)) for row in rows])


def _sides(found: Compared, names: list[str]) -> Iterator[list[str]]:
    are_letters = [side.name for side in found.experiments] != names
    yield [*[""] * are_letters, "experiment", "directory", "outcome", "question"]
    for name, side in zip(names, found.experiments, strict=True):
        place = f"{side.cluster}:{side.dir}"
        yield [*[name] * are_letters, side.name, place, side.outcome or "under way", side.question]


def _shown(row: Row) -> list[str]:
    epoch = "-" if row.epoch is None else str(row.epoch)
    values = ["-" if cell is None else f"{cell.value:.3f}{_interval(cell)}" for cell in row.cells]
    changes = [
        "-" if change is None else f"{change.value:+.3f}{_interval(change)}{' *' * change.is_clear}"
        for change in row.differences
    ]
    return [row.run, row.task, epoch, f"{row.score} {row.metric}", *values, *changes]


def _interval(of: Cell | Difference) -> str:
    return "" if of.low is None or of.high is None else f" [{of.low:.3f}, {of.high:.3f}]"
