"""Curves of the chosen run over its siblings', as lines: the dots by plotille, two points a column, gaps where it is not a number. Pure."""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from runexp.ui import cells
from runexp.ui.palette import Line, Span
from runexp.wire import metrics
from runexp.wire.metrics import Series

#: So many siblings are drawn at most: more is a smear.
MOST_SIBLINGS = 24
_BARS = "▁▂▃▄▅▆▇█"
_LEAST_ROOM, _LEAST_HEIGHT = 24, 4

Point = tuple[float, float]


class _Shown(NamedTuple):
    name: str
    unit: str


#: In the order in which they are gone through.
_NAMES = {
    metrics.LOSS: _Shown("loss", ""),
    metrics.METRIC: _Shown("score so far", ""),
    metrics.VALIDATION_LOSS: _Shown("validation loss", ""),
    metrics.TOKENS_PER_SECOND: _Shown("tokens/s", ""),
    metrics.LEARNING_RATE: _Shown("learning rate", ""),
    metrics.GRADIENT_NORM: _Shown("gradient norm", ""),
    metrics.MEMORY: _Shown("memory", " GiB"),
    metrics.GPU_UTILIZATION: _Shown("GPU busy", " %"),
    metrics.GPU_MEMORY: _Shown("GPU memory", " GiB"),
    metrics.SAMPLES: _Shown("samples", ""),
}


def newest(series: Iterable[Series]) -> list[Series]:
    """Of each job and quantity the newest attempt that has a point."""
    found: dict[tuple[str, str], Series] = {}
    for each in series:
        known = found.get((each.job, each.name))
        if each.values and (known is None or each.attempt >= known.attempt):
            found[each.job, each.name] = each
    return list(found.values())


def names(series: Iterable[Series], job: str) -> list[str]:
    """The quantities that there are of a job, in the order in which they are gone through."""
    there = {each.name for each in series if each.job == job and each.values}
    return sorted(there, key=lambda name: (list(_NAMES).index(name) if name in _NAMES else len(_NAMES), name))


def lines(series: Sequence[Series], job: str, name: str, room: int, height: int) -> list[Line]:
    """The job's quantity over its siblings', and below it, where there is room, its other quantities in a row each.

    `series`: of all of them, the newest attempts alone. `room`, `height`: in cells.
    """
    own = {each.name: each for each in series if each.job == job}
    main = own.get(name)
    if main is None or room < _LEAST_ROOM or height < _LEAST_HEIGHT:
        return []
    others = [own[other] for other in names(series, job) if other != name]
    rows = [_row(other, room) for other in others[: max(0, (height - 8) // 3)]]
    beside = [each for each in series if each.name == name and each.job != job]
    picture = _drawn(main, beside[:MOST_SIBLINGS], room, height - 1 - len(rows))
    return [_caption(main, len(beside), room), *picture, *rows]


def number(value: float | None) -> str:
    """`0.412`, `1,234`, `3.0e-05`, `NaN`."""
    if value is None:
        return "NaN"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2e}" if value and abs(value) < 0.001 else f"{value:.4g}"


def _caption(main: Series, siblings: int, room: int) -> Line:
    shown = _NAMES.get(main.name, _Shown(main.name, ""))
    label = main.label or shown.name
    said = f" {label} {number(main.values[-1])}{shown.unit} at {main.steps[-1]}"
    beside = f", {siblings} sibling{'s' * (siblings > 1)} dotted" if siblings else ""
    return (Span(cells.cut_end(said, room), "strong"), Span(cells.cut_end(beside, room - len(said)), "dim"))


def _row(series: Series, room: int) -> Line:
    shown = _NAMES.get(series.name, _Shown(series.name, ""))
    last = f"{number(series.values[-1])}{shown.unit}"
    label = cells.left(f" {series.label or shown.name}", 17)
    return (
        Span(label, "dim"),
        Span(cells.right(last, 10)),
        Span("  "),
        Span(sparkline(series.values, room - 31), "busy"),
    )


def sparkline(values: Sequence[float | None], room: int) -> str:
    """A character a column, as high as the mean of what is in it; a blank where there is no number."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known or room < 1:
        return ""
    low, high = min(known), max(known)
    return "".join(_bar(bucket, low, high) for bucket in _buckets(values, min(room, len(values))))


def _bar(bucket: Sequence[float | None], low: float, high: float) -> str:
    known = [value for value in bucket if value is not None and math.isfinite(value)]
    if not known:
        return " "
    share = (sum(known) / len(known) - low) / (high - low) if high > low else 0.0
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]


def _buckets(values: Sequence[float | None], count: int) -> Iterator[Sequence[float | None]]:
    for place in range(count):
        yield values[place * len(values) // count : (place + 1) * len(values) // count]


def _drawn(main: Series, beside: Sequence[Series], room: int, height: int) -> list[Line]:
    """The picture with its axes: the highest and the lowest value, and steps."""
    steps = (main.steps[0], max(main.steps[-1], *(each.steps[-1] for each in beside), main.steps[0] + 1))
    values = [
        value
        for each in (main, *beside)
        for value in each.values
        if value is not None and math.isfinite(value)
    ]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if low == high:
        low, high = low - abs(low) / 10 - 0.01, high + abs(high) / 10 + 0.01
    labels = _labels(low, high, height - 2)
    margin = max(map(len, labels))
    window = _Window(room - margin - 2, height - 2, steps, (low, high))
    grey, own = _dots(beside, window, is_dotted=True), _dots([main], window, is_dotted=False)
    rows = zip(labels, grey, own, strict=True)
    return [
        *(
            (Span(f"{label:>{margin}} ┤" if label else f"{'':>{margin}} │", "dim"), *_over(g, o))
            for label, g, o in rows
        ),
        *_axis(margin, window),
    ]


class _Window(NamedTuple):
    """Where is drawn, in cells, and what is to be seen there."""

    width: int
    height: int
    steps: tuple[int, int]
    values: tuple[float, float]


def _dots(series: Sequence[Series], window: _Window, is_dotted: bool) -> list[str]:
    """In Braille, a text a row; dotted or as a line, so that they are told apart without a colour."""
    # 40 ms to import: only where there are curves.
    from plotille import Canvas

    (first, last), (low, high) = window.steps, window.values
    # The edges belong to the picture.
    canvas = Canvas(
        window.width, window.height, first, low, last + (last - first) * 1e-6, high + (high - low) * 1e-6
    )
    for each in series:
        for stretch in _stretches(each, first, last, (1 if is_dotted else 2) * window.width):
            for point in stretch if is_dotted else stretch[:1]:
                canvas.point(*point)
            for (x0, y0), (x1, y1) in itertools.pairwise(() if is_dotted else stretch):
                canvas.line(x0, y0, x1, y1)
    return [row.replace("\u2800", " ").ljust(window.width) for row in canvas.plot().split("\n")]


def _over(grey: str, own: str) -> Line:
    """One row over another."""
    spans: list[Span] = []
    for is_own, pairs in itertools.groupby(zip(grey, own, strict=True), key=lambda pair: pair[1] != " "):
        text = "".join(above if is_own else below for below, above in pairs)
        spans.append(Span(text, "busy" if is_own else "faint"))
    return tuple(spans)


def _labels(low: float, high: float, height: int) -> list[str]:
    """A label a row, from the top; most are empty."""
    marked = {0: high, height - 1: low} | ({height // 2: (low + high) / 2} if height > 5 else {})
    return [number(marked[row]) if row in marked else "" for row in range(height)]


def _axis(margin: int, window: _Window) -> Iterator[Line]:
    first, last = window.steps
    yield (Span(f"{'':>{margin}} └" + "─" * window.width, "dim"),)
    middle = f"{(first + last) // 2:,}" if window.width > 30 else ""
    half = window.width // 2
    left = cells.left(f"{first:,}", half - len(middle) // 2) + middle
    yield (Span(" " * (margin + 2) + left + cells.right(f"{last:,}", window.width - len(left)), "dim"),)


def _stretches(series: Series, first: int, last: int, columns: int) -> Iterator[list[Point]]:
    """What can be drawn without a break, thinned: of each column the lowest and the highest."""
    stretch: list[Point] = []
    column: list[Point] = []
    at = -1
    for step, value in zip(series.steps, series.values, strict=False):
        place = (step - first) * columns // max(1, last - first)
        if value is None or not math.isfinite(value):
            if done := [*stretch, *_ends(column)]:
                yield done
            stretch, column = [], []
            continue
        if place != at:
            stretch += _ends(column)
            column, at = [], place
        column.append((float(step), value))
    if done := [*stretch, *_ends(column)]:
        yield done


def _ends(column: list[Point]) -> list[Point]:
    if len(column) < 3:
        return column
    return sorted({min(column, key=lambda point: point[1]), max(column, key=lambda point: point[1])})
