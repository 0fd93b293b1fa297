"""What doesn't fit its type in a YAML document: msgspec's words in the reader's, with the place and what was meant. Pure."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

import msgspec
import yaml

from runexpd.experiments import limits
from runexpd.experiments.problems import BadExperiment

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_NO_CHOICE = re.compile(r"Invalid enum value '?(.*?)'?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_WANTS_LIST = re.compile(r"Expected `array[^`]*`, got")
_WANTS_TEXT = re.compile(r"Expected `[^`]*\bstr\b[^`]*`, got")
#: An entry of a mapping, which msgspec doesn't name.
_ENTRY = "[...]"
_EXPECTED = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "nothing",
    "date": "a date",
    "datetime": "a date",
}


def problem(
    error: msgspec.ValidationError, document: object, root: yaml.Node, where: str, kind: type, described: str
) -> BadExperiment:
    """What to tell of a document that isn't of a kind: it as plain data, and as YAML has it.

    `where` names its file; `described`: what tells how it is written.
    """
    match = _AT.match(str(error))
    assert match is not None
    path = (match["path"] or "$").removeprefix("$").removeprefix(".")
    named = _named(path, document, kind, str(error))
    node = find(root, named)
    at = place(where, _mark(node, match["what"]))
    what, hint = _said(match["what"], _Kind(kind), path)
    if match["key"]:
        what, hint = f"a key is no text: {what}", "quote it"
    elif isinstance(node, yaml.ScalarNode) and _WANTS_TEXT.match(match["what"]):
        value = limits.shown(node.value)
        hint = f'YAML reads {value} as something else than text; quote it: "{value}"'
    elif isinstance(node, yaml.ScalarNode) and _WANTS_LIST.match(match["what"]) and node.value:
        hint = f"a list is written [{limits.shown(node.value)}]"
    return BadExperiment(what, f"{at}: {limits.shown(named)}" if named else at, hint or described)


def _mark(node: yaml.Node, what: str) -> Any:
    """Where it begins; of a key that is none, where that stands."""
    unknown = _UNKNOWN.fullmatch(what)
    if unknown is None or not isinstance(node, yaml.MappingNode):
        return node.start_mark
    return next((key.start_mark for key, _ in node.value if key.value == unknown[1]), node.start_mark)


def place(where: str, mark: Any) -> str:
    """`FILE:LINE:COLUMN`, counted from 1."""
    return where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"


def find(root: yaml.Node, path: str) -> yaml.Node:
    """The node at a path such as `runs[0].name`, or the nearest above it. A key may hold dots."""
    node, rest = root, path
    while rest and (below := _below(node, rest)) is not None:
        node, rest = below
    return node


def _below(node: yaml.Node, path: str) -> tuple[yaml.Node, str] | None:
    """One step, and what is left of the path."""
    index = re.match(r"\[(\d+)\]\.?", path, re.ASCII)
    if index and isinstance(node, yaml.SequenceNode) and int(index[1]) < len(node.value):
        return node.value[int(index[1])], path[index.end() :]
    if not isinstance(node, yaml.MappingNode):
        return None
    keys = {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    begun = [key for key in keys if key and (path == key or path.startswith((f"{key}.", f"{key}[")))]
    key = max(begun, key=len, default="")
    return (keys[key], path[len(key) :].removeprefix(".")) if key else None


def _named(path: str, document: object, kind: type, said: str) -> str:
    """With the name of the entry that is meant: the first that is refused alone, in the same words."""
    outer, _, inner = path.partition(_ENTRY)
    entries = document.get(outer) if isinstance(document, dict) else None
    if not path.startswith(f"{outer}{_ENTRY}") or not isinstance(entries, dict):
        return path
    for name, entry in entries.items():
        try:
            msgspec.convert({**document, outer: {name: entry}}, kind)  # type: ignore[dict-item]
        except msgspec.ValidationError as error:
            if str(error) == said:
                return f"{outer}.{name}{inner}"
    return path


class _Kind:
    """What a type takes, as its JSON schema has it."""

    def __init__(self, kind: type) -> None:
        self._root = msgspec.json.schema(kind)
        self._parts: dict[str, Any] = self._root.get("$defs", {})

    def all_keys(self) -> set[str]:
        return {key for part in (self._root, *self._parts.values()) for key in part.get("properties", ())}

    def at(self, path: str) -> Mapping[str, Any]:
        """Of what stands at a path of msgspec's; of nothing known nothing."""
        part = self._resolved(self._root)
        for step in re.findall(r"\[[^\]]*\]|[^.\[\]]+", path):
            inner = part.get("properties", {}).get(step)
            if step.startswith("["):
                inner = part.get("items" if step != _ENTRY else "additionalProperties")
            part = self._resolved(inner if isinstance(inner, dict) else {})
        return part

    def _resolved(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """Of several that may be, the one that says most."""
        if "$ref" in part:
            return self._resolved(self._parts[part["$ref"].rpartition("/")[2]])
        return max(map(self._resolved, part["anyOf"]), key=len) if "anyOf" in part else part


def _said(what: str, kind: _Kind, path: str) -> tuple[str, str]:
    """In the reader's words, and what to do."""
    if unknown := _UNKNOWN.fullmatch(what):
        known = sorted(kind.at(path).get("properties", ()))
        return f"{limits.shown(unknown[1])} is no key here", _meant(unknown[1], known, kind)
    if missing := _MISSING.fullmatch(what):
        needed = kind.at(path).get("required", ())
        return f"{missing[1]} is missing", f"needed here: {', '.join(needed)}" if len(needed) > 1 else ""
    if (choice := _NO_CHOICE.fullmatch(what)) and (choices := kind.at(path).get("enum")):
        return f"{limits.shown(choice[1])} is none of {', '.join(map(str, choices))}", ""
    return _plain(what), ""


def _meant(unknown: str, known: list[str], kind: _Kind) -> str:
    """The key that was meant, as it seems, or those that there are."""
    if unknown in kind.all_keys():
        return "it is one at another place of this file"
    if near := get_close_matches(unknown, known, 1):
        return f"is {near[0]} meant?"
    return f"keys here: {', '.join(known)}" if known else ""


def _plain(what: str) -> str:
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        return f"expected {_kinds(match[1])}, found {_EXPECTED.get(match[2], match[2])}"
    if match := re.fullmatch(r"Expected `(.*)` (>=|<=|>) (.*)", what):
        bound = {">=": "at least", "<=": "at most", ">": "more than"}[match[2]]
        return f"expected {_kinds(match[1])}, {bound} {match[3]}"
    if match := re.fullmatch(r"Expected `str` of length <= (.*)", what):
        return f"expected a text of at most {match[1]} characters"
    if match := re.fullmatch(r"Expected `(.*)`", what):
        return f"expected {_kinds(match[1])}"
    return what


def _kinds(said: str) -> str:
    return " or ".join(_EXPECTED.get(kind.strip(), kind.strip()) for kind in said.split("|"))
