"""Scores as a picture: a row a run, a mark an epoch, the standard error as a bar. Pure."""

from collections.abc import Sequence

from runexp.reporting import figures, palette, scores
from runexp.reporting.charts import WIDE, Chart, Size, Spec, whole

#: Of the axis.
Span = tuple[float, float]

#: Runs that have a row.
MOST_RUNS = 30


def chart(table: scores.Table, size: Size) -> Chart | None:
    """A row a run, a mark an epoch, the standard error as a bar, the base model as a line; None for a single value."""
    rows = shown(table)
    if len(rows) < 2:
        return None
    epochs = [figures.NONE if row.epoch is None else f"epoch {row.epoch}" for row in rows]
    names = list(dict.fromkeys(row.run for row in rows))
    values = [_mark(row, epoch) for row, epoch in zip(rows, epochs, strict=True)]
    domain = sorted(set(epochs), key=lambda said: (said != figures.NONE, len(said), said))
    base = [row.value for row in rows if row.type == "control"][:1]
    span = _span(rows)
    layers = [*_base(base, span), *_bars(names, domain, size, span)]
    return Chart(
        spec=whole(
            {
                "data": {"values": values},
                "width": size.width - (130 if size is WIDE else 60),
                "height": {"step": _step(len(names), len(domain)), "for": "position"},
                "layer": layers,
            },
            size,
        ),
        title=table.title,
        description=". ".join(_said(row) for row in rows[:12]) + (" ..." if len(rows) > 12 else "."),
    )


def shown(table: scores.Table) -> tuple[scores.Row, ...]:
    """All rows; of more than MOST_RUNS runs those of the best ones, the best run first."""
    if len({row.run for row in table.rows}) <= MOST_RUNS + 1:
        return table.rows
    order = {row.run: place for place, row in enumerate(scores.leaders(table, MOST_RUNS))}
    kept = [row for row in table.rows if row.run in order]
    return tuple(sorted(kept, key=lambda row: order[row.run]))


def _step(names: int, marks: int) -> int:
    """Of a row, in pixels: closer where there are many."""
    return 18 + 9 * marks if names <= 12 else 7 + 5 * marks


def _said(row: scores.Row) -> str:
    epoch = "" if row.epoch is None else f" epoch {row.epoch}"
    return f"{row.run}{epoch}: {figures.with_error(row.value, row.stderr)}"


def _mark(row: scores.Row, epoch: str) -> Spec:
    error = row.stderr or 0.0
    return {"r": row.run, "e": epoch, "v": row.value, "lo": row.value - error, "hi": row.value + error}


def _base(base: Sequence[float], span: Span) -> list[Spec]:
    rule: Spec = {"type": "rule", "strokeDash": [4, 3], "color": palette.SOFT}
    return [{"data": {"values": [{"v": value}]}, "mark": rule, "encoding": {"x": _x(span)}} for value in base]


def _x(span: Span, field: str = "v") -> Spec:
    axis = {"labelFlush": False, "tickCount": {"expr": "width < 400 ? 4 : 9"}}
    scale = {"domain": list(span), "nice": False}
    return {"field": field, "type": "quantitative", "title": None, "axis": axis, "scale": scale}


def _span(rows: Sequence[scores.Row]) -> Span:
    """From the lowest to the highest with some room; of shares not far beyond 0 and 1."""
    low = min(row.value - (row.stderr or 0.0) for row in rows)
    high = max(row.value + (row.stderr or 0.0) for row in rows)
    room = 0.04 * (high - low) or 0.04 * abs(high) or 1.0
    if all(0.0 <= row.value <= 1.0 for row in rows):
        return min(low, max(low - room, -0.02)), max(high, min(high + room, 1.02))
    return low - room, high + room


def _bars(names: Sequence[str], domain: Sequence[str], size: Size, span: Span) -> list[Spec]:
    """Those of epochs beside each other in their run's row; what has none in the middle of it."""
    label = {"labelLimit": 190 if size is WIDE else 110, "ticks": False, "domain": False}
    y: Spec = {
        "field": "r",
        "type": "nominal",
        "sort": list(names),
        "title": None,
        "axis": label,
        "scale": {"paddingInner": 0.3},
    }
    epochs = [epoch for epoch in domain if epoch != figures.NONE]
    offset: Spec = {"yOffset": {"field": "e", "sort": epochs}} if len(epochs) > 1 else {}
    plain = {"color": {"value": palette.INK}, "shape": {"value": palette.SHAPES[-1]}}
    without = _marks({"y": y}, plain, f"datum.e === '{figures.NONE}'", span) if figures.NONE in domain else []
    by_epoch = _by_epoch(epochs) if epochs else {}
    return [
        *without,
        *(_marks({"y": y, **offset}, by_epoch, f"datum.e !== '{figures.NONE}'", span) if epochs else []),
    ]


def _by_epoch(epochs: Sequence[str]) -> Spec:
    """Colour and shape together say which epoch a mark is."""
    legend: Spec | None = (
        {"title": None, "orient": "top", "symbolSize": 90, "columnPadding": 18} if len(epochs) > 1 else None
    )
    count = range(len(epochs))
    colours = {"domain": list(epochs), "range": [palette.line(at) for at in count]}
    shapes = {"domain": list(epochs), "range": [palette.SHAPES[at % len(palette.SHAPES)] for at in count]}
    same: Spec = {"field": "e", "type": "nominal", "legend": legend}
    return {"color": {**same, "scale": colours}, "shape": {**same, "scale": shapes}}


def _marks(place: Spec, look: Spec, rows: str, span: Span) -> list[Spec]:
    """A bar and a mark for each of the rows that are meant."""
    only = {"transform": [{"filter": rows}]}
    rule = {"mark": {"type": "rule", "strokeWidth": 2}}
    point = {"mark": {"type": "point", "filled": True, "size": 75, "opacity": 1}}
    ends: Spec = {"x": _x(span, "lo"), "x2": {"field": "hi"}, "color": look["color"]}
    return [
        {**only, **rule, "encoding": {**place, **ends}},
        {**only, **point, "encoding": {**place, "x": _x(span), **look}},
    ]
