"""Templates to text: everything is escaped, and what a browser would obey of somebody's name is spelled out."""

import json
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from anyio import CapacityLimiter, to_thread
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from runexp import report
from runexp.text import printable_lines
from runexp.ui import rows
from runexpd.web.assets import Files
from runexpd.web.policy import Policy


class Renderer:
    def __init__(self, files: Files, policy: Policy) -> None:
        self._environment = Environment(
            loader=PackageLoader("runexpd.web"),
            autoescape=True,
            undefined=StrictUndefined,
            finalize=_shown,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(FILTERS)
        self._environment.globals.update(static=partial(_static, files), actions=policy.actions)
        #: Pages of thousands of jobs take their time, beside the loop and not on it.
        self._limiter = CapacityLimiter(2)

    async def page(self, name: str, values: Mapping[str, Any]) -> str:
        make = partial(self.text, name, {"now": time.time(), **values})
        return await to_thread.run_sync(make, limiter=self._limiter)

    def text(self, name: str, values: Mapping[str, Any]) -> str:
        return self._environment.get_template(name).render(values)


def _static(files: Files, name: str) -> str:
    return f"/static/{name}?v={files[name].version}"


def _shown(value: Any) -> Any:
    """Escaping comes after this."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return printable_lines(value)
    return value


def _when(at: float | None) -> Markup:
    """A time for a reader anywhere: the script puts it into the browser's own zone."""
    if at is None:
        return Markup("&ndash;")
    iso = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    here = time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
    return Markup('<time datetime="{}">{}</time>').format(iso, here)


#: What a name is made of: where a line may end, after these; numbers, which are never broken.
_PARTS = re.compile(r"(?P<number>\d+(?:\.\d+)?[eE][-+]?\d+|\d+\.\d+)|(?P<end>[_/=,:]+)")


def _name(text: str) -> Markup:
    """A name or a path, with places where a line may end; none within a number."""
    made, at = [], 0
    shown = printable_lines(text)
    for found in _PARTS.finditer(shown):
        made += [escape(shown[at : found.start()]), _part(found)]
        at = found.end()
    return Markup("").join([*made, escape(shown[at:])])


def _part(found: re.Match[str]) -> Markup:
    if found["number"]:
        return Markup('<span class="whole">{}</span>').format(found["number"])
    return escape(found["end"]) + Markup("<wbr>")


def _number(value: float) -> str:
    return f"{value:.4g}"


FILTERS: dict[str, Callable[..., Any]] = {
    "when": _when,
    "duration": report.duration,
    "number": _number,
    "name": _name,
    "progress": rows.progress,
    "running_seconds": rows.running_seconds,
    "utilization": report.utilization,
    "as_json": partial(json.dumps, ensure_ascii=False),
}
