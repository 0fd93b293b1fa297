"""Changes top-level values of a YAML config and leaves every other line, comments included, as it is. Pure."""

import re
from collections.abc import Mapping

from runexpd.experiments import documents
from runexpd.experiments.problems import BadExperiment


class CantAmend(Exception):
    """Raised when a config isn't of the form that can be changed safely."""


def set_values(text: str, values: Mapping[str, int]) -> str:
    """The text with `key: value` at top level for each, in place of the old value; a new key comes after the last one set.

    Raises CantAmend for a config that says a key twice, or in a form other than `key: scalar` on a line.
    """
    before, after, place = _mapping(text), text, len(text)
    for key, value in values.items():
        pattern = re.compile(rf"^({re.escape(key)}[ \t]*:[ \t]*)([^\s#]+)(?=[ \t]*(#.*)?\r?$)", re.MULTILINE)
        found = list(pattern.finditer(after))
        if len(found) > 1:
            raise CantAmend(f"{key} is there twice")
        if key in before and not found:
            raise CantAmend(f"{key} isn't written as `{key}: number` on a line of its own")
        if found:
            after = after[: found[0].start(2)] + str(value) + after[found[0].end(2) :]
            place = _line_end(after, found[0].start())
        else:
            line = f"{key}: {value}\n"
            after = f"{after[:place]}{_newline(after, place)}{line}{after[place:]}"
    if _mapping(after) != {**before, **values}:
        raise CantAmend(f"{', '.join(values)} can't be set in it line by line")
    return after


def _line_end(text: str, start: int) -> int:
    end = text.find("\n", start)
    return len(text) if end < 0 else end + 1


def _newline(text: str, place: int) -> str:
    return "" if place == 0 or text[place - 1] == "\n" else "\n"


def _mapping(text: str) -> dict[str, object]:
    try:
        document = documents.plain(text, "")
    except BadExperiment as bad:
        raise CantAmend(f"{bad.what} at {bad.where.strip(':')}" if bad.where else bad.what) from None
    if not isinstance(document, dict):
        raise CantAmend("not a mapping of keys to values")
    return document
