"""Colours of charts, for readers who see them differently, on white and on black. Okabe and Ito's eight, a little darker and
a little lighter for contrast. Charts are drawn in stand-ins, which become CSS variables. Pure.
"""

import re
from collections.abc import Iterator

#: By number: on white, on black.
LINES = (
    ("#0072b2", "#56b4e9"),
    ("#c75000", "#ff8f4a"),
    ("#00805c", "#2fcf9f"),
    ("#a3518a", "#e79ac6"),
    ("#8a6d00", "#f0c93a"),
    ("#5b4bb5", "#a99bff"),
    ("#4d4d4d", "#c9c9c9"),
)
#: Beside the colours: lengths of strokes and gaps.
DASHES: tuple[list[int], ...] = ([1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [4, 2], [12, 4], [2, 4])
SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "circle")

#: What the page calls them: ink, what is less important, lines behind all, what is drawn in grey.
_NAMED = {"ink": "#ab0001", "soft": "#ab0002", "grid": "#ab0003", "faint": "#ab0004"}
_FIRST = 0xAC0000
_STAND_IN = re.compile(r"#a[bc]00[0-9a-f]{2}")

INK, SOFT, GRID, FAINT = _NAMED.values()


def line(number: int) -> str:
    """The stand-in of a line's colour."""
    return f"#{_FIRST + number % len(LINES):06x}"


def themed(svg: str) -> str:
    """With the page's variables in place of the stand-ins."""
    names = {stand_in: name for name, stand_in in _NAMED.items()}
    names |= {line(number): f"c{number}" for number in range(len(LINES))}
    return _STAND_IN.sub(lambda found: f"var(--{names[found[0]]})" if found[0] in names else found[0], svg)


def variables(is_dark: bool) -> Iterator[str]:
    """`--c0: #0072b2;` ..."""
    yield from (f"--c{number}: {pair[is_dark]};" for number, pair in enumerate(LINES))
