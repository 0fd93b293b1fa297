"""The beginning of a large JSON object: its first keys, up to those that aren't wanted. Pure."""

import json
import re
from collections.abc import Collection
from typing import Any

_KEY = re.compile(r'\s*,?\s*"(\w{1,100})"\s*:\s*')
_END = re.compile(r"\s*\}\s*\Z")


class CutShort(Exception):
    """Raised when the text ends before the object does, or before a key that isn't wanted."""


class NoObject(Exception):
    """Raised when it is no JSON object."""


def read(text: str, until: Collection[str]) -> dict[str, Any]:
    """The object's keys with their values, as far as the first of `until`. Raises CutShort, NoObject."""
    opened = re.match(r"\s*\{", text)
    if opened is None:
        raise NoObject("no object") if text.strip() else CutShort
    found: dict[str, Any] = {}
    place, decoder = opened.end(), json.JSONDecoder()
    while key := _KEY.match(text, place):
        if key[1] in until:
            return found
        try:
            found[key[1]], place = decoder.raw_decode(text, key.end())
        except RecursionError:
            raise NoObject("nested too deeply") from None
        except ValueError:
            raise CutShort from None
    if _END.match(text, place):
        return found
    raise CutShort
