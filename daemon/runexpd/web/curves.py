"""Curves as a picture that needs no script: lines in the box of an SVG. Pure."""

import math
import re
from collections.abc import Iterator, Sequence

import msgspec

from runexp.wire.metrics import Series

WIDTH, HEIGHT = 720.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 72.0, 8.0, 8.0, 26.0
#: Colours, and patterns of dashes for what comes after: no meaning hangs on a colour alone.
COLOURS, DASHES = 8, 4
#: The list below names these; so many more in a fold.
MOST_NAMED, MOST_MORE = 12, 100


class Line(msgspec.Struct, frozen=True):
    #: Among all lines of the picture, from 0.
    place: int
    label: str
    #: Class names.
    look: str
    #: Of a polyline each, where there are gaps.
    pieces: tuple[str, ...]
    #: An attempt that another one has followed.
    is_earlier: bool
    last: float | None


class Tick(msgspec.Struct, frozen=True):
    at: float
    text: str


class Picture(msgspec.Struct, frozen=True):
    name: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]

    @property
    def named(self) -> tuple[Line, ...]:
        return self._newest[:MOST_NAMED]

    @property
    def more(self) -> tuple[Line, ...]:
        return self._newest[MOST_NAMED : MOST_NAMED + MOST_MORE]

    @property
    def unnamed(self) -> int:
        return max(0, len(self._newest) - MOST_NAMED - MOST_MORE)

    @property
    def _newest(self) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if not line.is_earlier)


def picture(name: str, series: Sequence[Series]) -> Picture | None:
    """None where there is nothing to draw."""
    drawn = [each for each in series if each.name == name and any(v is not None for v in each.values)]
    if not drawn:
        return None
    steps = [step for each in drawn for step in each.steps]
    values = [value for each in drawn for value in each.values if value is not None]
    across, up = _span(min(steps), max(steps)), _span(min(values), max(values))
    looks = {job: look(place) for place, job in enumerate(dict.fromkeys(each.job for each in drawn))}
    newest = {each.job: each.attempt for each in drawn}
    return Picture(
        name=name,
        lines=tuple(
            Line(
                place=place,
                label=each.job + (f", attempt {each.attempt}" if each.attempt != newest[each.job] else ""),
                look=looks[each.job],
                pieces=tuple(_pieces(each, across, up)),
                is_earlier=each.attempt != newest[each.job],
                last=next((value for value in reversed(each.values) if value is not None), None),
            )
            for place, each in enumerate(drawn)
        ),
        across=tuple(Tick(_x(at, across), _said(at)) for at in ticks(*across) if at == int(at)),
        up=tuple(Tick(_y(at, up), _said(at)) for at in ticks(*up)),
    )


def look(place: int) -> str:
    return f"c{place % COLOURS} d{place // COLOURS % DASHES}"


def _span(low: float, high: float) -> tuple[float, float]:
    if low == high:
        return low - 0.5, high + 0.5
    return low, high


def _x(step: float, span: tuple[float, float]) -> float:
    share = (step - span[0]) / (span[1] - span[0])
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float, span: tuple[float, float]) -> float:
    share = (value - span[0]) / (span[1] - span[0])
    return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)


def _pieces(each: Series, across: tuple[float, float], up: tuple[float, float]) -> Iterator[str]:
    piece: list[str] = []
    for step, value in zip(each.steps, each.values, strict=True):
        if value is None:
            if piece:
                yield " ".join(piece)
            piece = []
        else:
            piece.append(f"{_x(step, across):g},{_y(value, up):g}")
    if piece:
        yield " ".join(piece)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers within a span, about so many."""
    rough = (high - low) / about
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in (1, 2, 5, 10) if size * factor >= rough)
    first = math.ceil(low / step)
    return [round(step * place, 12) for place in range(first, math.floor(high / step) + 1)]


def _said(value: float) -> str:
    return re.sub(r"e([-+])0+", r"e\1", f"{value:g}")
