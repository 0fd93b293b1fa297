"""What charts have in common: sizes, words, and the look of their axes, as Vega-Lite has it. Pure; `drawing` draws them."""

from typing import Any

import msgspec

from runexp.reporting import palette

Spec = dict[str, Any]

#: Points of a line.
MOST_POINTS = 300


class Size(msgspec.Struct, frozen=True):
    """Of a chart, in CSS pixels; and how many columns its legend has."""

    name: str
    width: int
    #: Of the first panel and of the others.
    height: int
    low: int
    font: int
    columns: int
    points: int


WIDE = Size("wide", 780, 300, 120, 13, 4, MOST_POINTS)
NARROW = Size("narrow", 275, 220, 110, 12, 2, 150)


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    spec: Spec
    title: str
    #: For those who don't see it.
    description: str


def whole(spec: Spec, size: Size) -> Spec:
    font = {"labelFontSize": size.font, "titleFontSize": size.font, "titleFontWeight": "normal"}
    ink = {"labelColor": palette.INK, "titleColor": palette.SOFT}
    axis = {"gridColor": palette.GRID, "domainColor": palette.SOFT, "tickColor": palette.SOFT}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "background": None,
        # Labels are measured in another font than the reader's, which may be wider.
        "padding": {"left": 14, "right": 8, "top": 2, "bottom": 2},
        "config": {
            "font": "system-ui, sans-serif",
            "view": {"stroke": None},
            "axis": {**axis, **ink, **font, "labelOverlap": True},
            "title": {
                "anchor": "start",
                "frame": "group",
                "fontSize": size.font,
                "fontWeight": "normal",
                "color": palette.SOFT,
                "offset": 6,
            },
            "legend": {"labelColor": palette.INK, "labelFontSize": size.font},
        },
        **spec,
    }
