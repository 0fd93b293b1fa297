"""A cluster's stanza in the configuration's text: added or replaced line by line, so that comments stay. Pure."""

import re
from collections.abc import Mapping, Sequence

from runexp.text import as_yaml

#: What a cluster has: texts, and lists of them.
Settings = Mapping[str, str | Sequence[str]]

_CLUSTERS = re.compile(r"clusters:[ \t]*(#.*)?")
_PLAIN = re.compile(r"[A-Za-z_/~][A-Za-z0-9._/~@+-]*")
#: What YAML would read as something other than a text.
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"})


class Unwritable(Exception):
    """Raised where the text has its clusters in a form that lines can't be added to. Its text says which."""


def has(text: str, name: str) -> bool:
    """Whether there is a cluster of the name."""
    return _found(_lines(text), name) is not None


def put(text: str, name: str, settings: Settings) -> str:
    """The text with the cluster in it, in place of the one of its name if there is one. Raises Unwritable."""
    lines = _lines(text)
    if (there := _found(lines, name)) is not None:
        lines[there.start : there.stop] = _stanza(name, settings, _indentation(lines))
    else:
        begin = _begin(lines)
        if begin is None:
            lines += [""] * bool(lines and lines[-1].strip()) + ["clusters:"]
            begin = len(lines) - 1
        lines[begin + 1 : begin + 1] = _stanza(name, settings, _indentation(lines))
    return "\n".join(lines) + "\n"


def _lines(text: str) -> list[str]:
    """What ends at a newline and nowhere else: the rest is the user's."""
    return text.removesuffix("\n").split("\n") if text else []


def _stanza(name: str, settings: Settings, indentation: str) -> list[str]:
    return [
        f"{indentation}{_value(name)}:",
        *(f"{indentation}  {key}: {_value(said)}" for key, said in settings.items()),
    ]


def _value(said: str | Sequence[str]) -> str:
    if not isinstance(said, str):
        return as_yaml(list(said))
    is_plain = _PLAIN.fullmatch(said) and said.lower() not in _WORDS
    return said if is_plain else as_yaml(said)


def _begin(lines: list[str]) -> int | None:
    for number, line in enumerate(lines):
        if re.match(r"[\"']?clusters[\"']?\s*:", line):
            if not _CLUSTERS.fullmatch(line.rstrip()):
                raise Unwritable(f"line {number + 1} has the clusters in one line")
            return number
    return None


def _indentation(lines: list[str]) -> str:
    """That of the clusters' names."""
    begin = _begin(lines)
    for line in lines[begin + 1 :] if begin is not None else ():
        if line.strip() and not line.lstrip().startswith("#"):
            return line[: len(line) - len(line.lstrip(" "))] or "  "
    return "  "


def _found(lines: list[str], name: str) -> range | None:
    """The lines of the cluster of the name, comments behind it left to what follows."""
    begin = _begin(lines)
    if begin is None:
        return None
    heading = re.compile(rf"{_indentation(lines)}[\"']?{re.escape(name)}[\"']?\s*:")
    at = next((n for n in _below(lines, begin, "") if heading.match(lines[n])), None)
    if at is None:
        return None
    below = [n for n in _below(lines, at, _indentation(lines)) if not lines[n].lstrip().startswith("#")]
    return range(at, max(below, default=at) + 1)


def _below(lines: list[str], begin: int, indentation: str) -> list[int]:
    """The lines after one that are further in, empty ones left out."""
    found = []
    for number in range(begin + 1, len(lines)):
        line = lines[number]
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line.startswith(indentation + " "):
            break
        found.append(number)
    return found
