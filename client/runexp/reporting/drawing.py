"""Charts as SVG for a page: in its colours, as wide as there is room, with words for those who don't see them.

By Vega-Lite, in vl-convert: one wheel without dependencies, 85 MB on disk, 0.1 s to import and 0.1 GB; matplotlib with numpy takes
150 MB, starts slower, and knows no themes. Imported only when something is drawn.
"""

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from runexp.reporting import palette
from runexp.reporting.charts import Chart
from runexp.text import on_one_line

_VEGA_LITE = "5.21"
#: What Vega says of each of its groups, and of no use once the whole has a title and a description.
_NOISE = re.compile(r' (?:class|aria-[a-z]+|role|style|version|xmlns(?::xlink)?)="[^"]*"')
_HEAD = re.compile(r'<svg[^>]* width="([0-9.]+)" height="([0-9.]+)"[^>]*>')
_ID = re.compile(r'(\bid="|url\(#|href="#)')
_PLACES = re.compile(r' (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"')
_NUMBER = re.compile(r"-?\d+\.\d{2,}")


def drawn(charts: Sequence[tuple[str, Chart]]) -> dict[str, str]:
    """By name, an `<svg>` each. The same charts give the same text. Names are of letters, digits and dashes."""
    import vl_convert

    found = {}
    for name, chart in charts:
        svg = vl_convert.vegalite_to_svg(json.dumps(_printable(chart.spec)), vl_version=_VEGA_LITE)
        found[name] = dressed(svg, name, chart)
    return found


def _printable(part: Any) -> Any:
    """A character that controls, in any text of a picture, would have vl-convert abort the whole process."""
    if isinstance(part, str):
        return on_one_line(part)
    if isinstance(part, dict):
        return {key: _printable(said) for key, said in part.items()}
    return [_printable(each) for each in part] if isinstance(part, list | tuple) else part


def dressed(svg: str, name: str, chart: Chart) -> str:
    """As it stands in a page."""
    head = _HEAD.search(svg)
    if head is None:
        raise ValueError("vl-convert made no picture")
    body = _NOISE.sub("", svg[head.end() :])
    body = _ID.sub(lambda start: f"{start[1]}{name}-", body)
    body = _PLACES.sub(lambda place: _NUMBER.sub(_rounded, place[0]), body)
    title, description = (escape(on_one_line(text)) for text in (chart.title, chart.description))
    return (
        f'<svg class="chart" viewBox="0 0 {head[1]} {head[2]}" role="img" aria-labelledby="{name}-t {name}-d">'
        f'<title id="{name}-t">{title}</title><desc id="{name}-d">{description}</desc>{palette.themed(body)}'
    )


def _rounded(number: re.Match[str]) -> str:
    """To a tenth of a pixel."""
    return f"{float(number[0]):.1f}".removesuffix(".0")
