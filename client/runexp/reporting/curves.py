"""Curves of all runs in one picture: losses, and below them the learning rate and the throughput. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from runexp.reporting import content as contents
from runexp.reporting import figures, palette, runs
from runexp.reporting.charts import MOST_POINTS, Chart, Size, Spec, whole
from runexp.reporting.content import Content
from runexp.wire import metrics
from runexp.wire.metrics import Series

#: Of all lines of a chart together.
_MOST_POINTS_OF_ALL = 9_000
#: Lines that have a colour of their own; the others are grey.
_COLOURED = len(palette.LINES)
#: Lines that are drawn at all.
MOST_LINES = 60
_OTHERS = "other runs"

PANELS = {
    metrics.LOSS: "training loss",
    metrics.VALIDATION_LOSS: "validation loss",
    metrics.LEARNING_RATE: "learning rate",
    metrics.TOKENS_PER_SECOND: "tokens per second and GPU",
}

#: How numbers stand at their axes: see d3-format.
_FORMATS = {metrics.LEARNING_RATE: "~e", metrics.TOKENS_PER_SECOND: "~s"}


def coloured(content: Content) -> tuple[str, ...]:
    """Runs whose curves stand out: all of few; of many those with the best scores, else the lowest losses."""
    names = list(dict.fromkeys(row.run for row in content.runs))
    if len(names) <= _COLOURED:
        return tuple(names)
    ranked = _ranked(content)
    return tuple(ranked[: _COLOURED - 1])


def chosen(content: Content, most: int = MOST_LINES) -> tuple[str, ...]:
    """Jobs whose curves are asked for: all of few; of many the best, the failed, and others evenly."""
    jobs = {row.run: row.job for row in content.runs}
    ranked = _ranked(content)
    if len(ranked) <= most:
        return tuple(jobs[run] for run in ranked)
    failed = [row.run for row in content.runs if row.is_failed][: most // 6]
    first = list(dict.fromkeys([*ranked[: most // 3], *failed]))
    rest = [run for run in ranked if run not in first]
    left = most - len(first)
    return tuple(jobs[run] for run in [*first, *(rest[at * len(rest) // left] for at in range(left))])


def _ranked(content: Content) -> list[str]:
    """Runs, the best scores of the first table first, then the lowest losses, then the others in their order."""
    best: dict[str, float] = {}
    for table in content.tables[:1]:
        sign = 1 if table.is_lower_better else -1
        for row in table.rows:
            best[row.run] = min(best.get(row.run, float("inf")), sign * row.value)
    infinity = float("inf")
    rows = sorted(
        content.runs,
        key=lambda row: (
            best.get(row.run, infinity),
            infinity if row.final_loss is None else row.final_loss,
        ),
    )
    return list(dict.fromkeys(row.run for row in rows))


def chart(content: Content, size: Size) -> Chart | None:
    """Loss, learning rate and throughput of all runs, one above the other; None where no run has any."""
    own = {row.job: row.run for row in content.runs}
    found = {
        name: {job: each for job, each in runs.newest(content.series, name).items() if job in own}
        for name in PANELS
    }
    panels = {name: lines for name, lines in found.items() if lines}
    if not panels:
        return None
    shown = list(dict.fromkeys(own[job] for lines in panels.values() for job in lines))
    stand_out = [run for run in coloured(content) if run in shown]
    domain = [*stand_out, *([_OTHERS] if len(stand_out) < len(shown) else [])]
    each = max(20, min(size.points, _MOST_POINTS_OF_ALL * size.points // MOST_POINTS // len(shown)))
    specs = [
        _panel(name, [(own[job], line) for job, line in lines.items()], domain, size, each, number == 0)
        for number, (name, lines) in enumerate(panels.items())
    ]
    named = ", ".join(PANELS[name] for name in panels)
    return Chart(
        spec=whole({"vconcat": specs, "spacing": 14}, size),
        title=f"{named[0].upper()}{named[1:]} of {figures.count(len(shown), 'run')} by training step",
        description=f"Final training loss: {_losses(content, shown)}.",
    )


def _losses(content: Content, shown: Sequence[str], most: int = 10) -> str:
    """In words."""
    known = [f"{row.run} {figures.loss(row.final_loss)}" for row in content.runs if row.run in shown]
    return ", ".join(known[:most]) + (f" and {len(known) - most} more" if len(known) > most else "")


def _panel(
    name: str, lines: Sequence[tuple[str, Series]], domain: Sequence[str], size: Size, most: int, first: bool
) -> Spec:
    rows = [
        {"r": run, "g": run if run in domain else _OTHERS, "x": x, "y": y}
        # What stands out lies above the others.
        for run, series in sorted(lines, key=lambda line: line[0] in domain)
        for x, y in thinned(series, most)
    ]
    x: Spec = {
        "field": "x",
        "type": "quantitative",
        "title": None,
        "axis": {"tickMinStep": 1, "tickCount": size.width // 70},
    }
    y: Spec = {"field": "y", "type": "quantitative", "title": None, "scale": _scale(name, rows)}
    form = {"format": _FORMATS[name]} if name in _FORMATS else {}
    return {
        "data": {"values": rows},
        "width": size.width,
        "height": size.height if first else size.low,
        "title": PANELS[name],
        "mark": {"type": "line", "strokeWidth": 1.6 if len(lines) <= _COLOURED else 1.2},
        "encoding": {
            "x": {**x, "scale": {"nice": False}},
            "y": {**y, "axis": {"tickCount": 6 if first else 4, **form}},
            "detail": {"field": "r"},
            "order": {"field": "x"},
            **_legend(domain, size),
        },
    }


def _scale(name: str, rows: Sequence[Mapping[str, Any]]) -> Spec:
    """Losses over more than a decade and a half are drawn by their logarithm."""
    values = [row["y"] for row in rows if row["y"] is not None]
    is_loss = name in (metrics.LOSS, metrics.VALIDATION_LOSS)
    if is_loss and values and min(values) > 0 and max(values) / min(values) > 30:
        return {"type": "log", "nice": False}
    return {"zero": not is_loss, "nice": True}


def _legend(domain: Sequence[str], size: Size) -> Spec:
    """Colour and dashes together say which run a line is; grey are those behind."""
    grey = domain[-1:] == [_OTHERS]
    count = len(domain) - grey
    legend = {
        "title": None,
        "orient": "top",
        "columns": size.columns,
        "symbolType": "stroke",
        "columnPadding": 18,
    }
    legend |= {"symbolSize": 400, "labelLimit": size.width // size.columns - 40, "symbolStrokeWidth": 2}
    dashes = [*(palette.DASHES[at % len(palette.DASHES)] for at in range(count)), *([[1, 0]] if grey else [])]
    colours = [*map(palette.line, range(count)), *([palette.FAINT] if grey else [])]
    shown: Spec | None = legend if len(domain) > 1 else None
    return {
        "color": {
            "field": "g",
            "type": "nominal",
            "scale": {"domain": domain, "range": colours},
            "legend": shown,
        },
        "strokeDash": {
            "field": "g",
            "type": "nominal",
            "scale": {"domain": domain, "range": dashes},
            "legend": shown,
        },
    }


def thinned(series: Series, most: int) -> Iterator[tuple[int, float | None]]:
    """At most so many points: the first, the last, and the lowest and the highest of each of the buckets between."""
    points = list(zip(series.steps, series.values, strict=True))
    if len(points) <= most:
        yield from points
        return
    inner, count = points[1:-1], max(1, (most - 2) // 2)
    yield points[0]
    for bucket in range(count):
        part = inner[bucket * len(inner) // count : (bucket + 1) * len(inner) // count]
        known = [point for point in part if point[1] is not None]
        if known:
            ends = {min(known, key=_height), max(known, key=_height)}
            yield from sorted(ends)
        elif part:  # a gap stays one
            yield part[0]
    yield points[-1]


def _height(point: tuple[int, float | None]) -> float:
    return point[1] if point[1] is not None else 0.0


def left_out(content: Content) -> str:
    """Runs whose curves aren't drawn, in words; empty where all are."""
    drawn = {series.job for series in content.series}
    own = [row for row in content.runs if row.attempts]
    less = len([row for row in own if row.job not in drawn])
    if not less or len(own) <= MOST_LINES:
        return ""
    return (
        f"{len(own) - less} of {len(own):,} runs are drawn: the best, some that failed, and others evenly; "
        f"all of them: runexp metrics {contents.typed(content.report)} --format csv"
    )
