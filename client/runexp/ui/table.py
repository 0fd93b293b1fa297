"""The one writer of aligned columns: it knows wide characters and the palette. Pure."""

from collections.abc import Iterator, Sequence

from runexp.text import on_one_line
from runexp.ui import cells
from runexp.ui.palette import Line, Span

_GAP = "  "

#: A text, or a text in a tone.
Cell = str | Span


def aligned(rows: Sequence[Sequence[Cell]], indent: str = "") -> Iterator[Line]:
    """Rows of the same number of cells, two blanks between the columns, nothing after the last. Nothing is cut."""
    spans = [[_span(cell) for cell in row] for row in rows]
    widths = (
        [max(map(cells.width, (row[place].text for row in spans))) for place in range(len(spans[0]))]
        if spans
        else []
    )
    for row in spans:
        yield tuple(_row(row, widths, indent))


def _row(row: Sequence[Span], widths: Sequence[int], indent: str) -> Iterator[Span]:
    last = max((place for place, span in enumerate(row) if span.text), default=-1)
    gap = indent
    for place, span in enumerate(row[: last + 1]):
        if gap:
            yield Span(gap)
        yield span
        gap = " " * (widths[place] - cells.width(span.text)) + _GAP


def _span(cell: Cell) -> Span:
    span = cell if isinstance(cell, Span) else Span(cell)
    return Span(on_one_line(span.text).rstrip(), span.tone)


def line(*parts: Cell) -> Line:
    """One line of one or more parts."""
    return tuple(
        Span(on_one_line(part.text), part.tone) if isinstance(part, Span) else Span(on_one_line(part))
        for part in parts
    )
