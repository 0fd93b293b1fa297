"""`runs[].parameters` as they are shown: names and plain values. Whatever is written there, it is somebody's note. Pure."""

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from runexp.text import printable
from runexpd.experiments import limits

#: Of a run.
_MOST = 64
_DEPTH = 8

Value = str | int | float | bool | None


def shown(parameters: Any) -> dict[str, Value]:
    """By name, what is nested as `lora.rank`; none where it is no mapping."""
    return (
        dict(islice(_flat("", parameters, _DEPTH), _MOST))
        if isinstance(parameters, dict) and parameters
        else {}
    )


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict) and value and depth:
        for key, part in value.items():
            yield from _flat(f"{name}.{key}" if name else str(key), part, depth - 1)
    else:
        yield _words(name), _plain(value)


def _plain(value: Any) -> Value:
    """A number JSON has no word for, a date or a list: as text."""
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return _words(", ".join(map(str, value)) if isinstance(value, list) else str(value))


def _words(text: str) -> str:
    return limits.shown(printable(text[: 4 * limits.SHOWN_CHARACTERS]))
