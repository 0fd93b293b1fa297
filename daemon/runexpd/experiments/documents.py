"""YAML documents to structs or plain data, or a line that says what is wrong, and where. Pure.

What can be said about a document's shape is decided while its events are read, before anything is built of it: an alias bomb
is refused at its node, not after it went off.
"""

import gc
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, TypeVar

import msgspec
import yaml

from runexpd.experiments import limits
from runexpd.experiments.nodes import Unfit, compose
from runexpd.experiments.problems import BadExperiment

T = TypeVar("T")

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?P<key>`key` in )?`(?P<path>[^`]*)`)?$", re.DOTALL)
_WANTS_TEXT = re.compile(r"Expected `[^`]*\bstr\b[^`]*`, got")
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


class _Constructor(yaml.constructor.SafeConstructor):
    """What looks like a number or a date and is none (2025-99-99) is said with its place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise Unfit(str(error), node.start_mark) from None
        if isinstance(value, int) and abs(value) >= limits.WHOLE_NUMBER:
            raise Unfit("a whole number of more than 18 digits", node.start_mark)
        return value


def load(text: str, where: str, kind: type[T]) -> T:
    """A document as a struct. `where` names the file in errors. Raises BadExperiment."""
    root = _composed(text, where)
    if root is None:
        raise BadExperiment("the file is empty", where)
    try:
        return msgspec.convert(_built(root, where), kind)
    except msgspec.ValidationError as error:
        raise _bad(error, root, where, kind) from None


def plain(text: str, where: str) -> Any:
    """A document as plain Python data; None for an empty one. Raises BadExperiment."""
    root = _composed(text, where)
    return None if root is None else _built(root, where)


def line_of(text: str, path: str) -> int:
    """The line, counted from 1, of what stands at a path in a document that is known to be YAML."""
    root = _composed(text, "")
    return int(find(root, path).start_mark.line) + 1 if root is not None else 1


def _composed(text: str, where: str) -> yaml.Node | None:
    try:
        with _uncollected():
            return compose(text)
    except yaml.YAMLError as error:
        raise _refused(error, where, text) from None


@contextmanager
def _uncollected() -> Iterator[None]:
    """Looking for garbage among nodes that are all alive takes longer than making them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _built(root: yaml.Node, where: str) -> Any:
    try:
        with _uncollected():
            return _Constructor().construct_document(root)
    except yaml.YAMLError as error:
        raise _refused(error, where) from None


def _refused(error: yaml.YAMLError, where: str, text: str = "") -> BadExperiment:
    match error:
        case Unfit():
            return BadExperiment(error.what, _place(where, error.problem_mark))
        case yaml.MarkedYAMLError():
            problem = " ".join(filter(None, (error.context, error.problem)))
            place = _end(text, where, error.problem_mark) or _place(where, error.problem_mark)
            return BadExperiment(f"not YAML: {limits.shown(problem)}", place)
        case _:
            return BadExperiment(f"not YAML: {limits.shown(str(error))}", where)


def _bad(error: msgspec.ValidationError, root: yaml.Node, where: str, kind: type) -> BadExperiment:
    match = _AT.match(str(error))
    assert match is not None
    path = (match["path"] or "$").removeprefix("$").removeprefix(".")
    node = find(root, path)
    place = _place(where, node.start_mark)
    what, hint = _plain(match["what"]), _meant(match["what"], kind)
    if match["key"]:
        what, hint = f"a key is no text: {what}", "quote it"
    elif isinstance(node, yaml.ScalarNode) and _WANTS_TEXT.match(match["what"]):
        value = limits.shown(node.value)
        hint = f'YAML reads {value} as something else than text; quote it: "{value}"'
    return BadExperiment(what, f"{place}: {limits.shown(path)}" if path else place, hint)


def _meant(what: str, kind: type) -> str:
    """For a key that is none: the one that was meant, as it seems."""
    unknown = re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL)
    if unknown is None:
        return ""
    schema = msgspec.json.schema(kind)
    parts = [schema, *schema.get("$defs", {}).values()]
    known = sorted({name for part in parts for name in part.get("properties", ())})
    if unknown[1] in known:
        return "it is one at another place of this file"
    near = get_close_matches(unknown[1], known, 1)
    return f"is {near[0]} meant?" if near else ""


def find(root: yaml.Node, path: str) -> yaml.Node:
    """The node at a path such as `runs[0].name`, or the nearest above it."""
    node = root
    for step in re.findall(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)", path, re.ASCII):
        below = _below(node, *step)
        if below is None:
            break
        node = below
    return node


def _below(node: yaml.Node, index: str, key: str) -> yaml.Node | None:
    if index.isdecimal() and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        found: yaml.Node = node.value[int(index)]
        return found
    if key and isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def _plain(what: str) -> str:
    """msgspec's words in the reader's."""
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        return f"expected {_kinds(match[1])}, found {_EXPECTED.get(match[2], match[2])}"
    if match := re.fullmatch(r"Expected `(.*)` (>=|<=|>) (.*)", what):
        bound = {">=": "at least", "<=": "at most", ">": "more than"}[match[2]]
        return f"expected {_kinds(match[1])}, {bound} {match[3]}"
    if match := re.fullmatch(r"Expected `str` of length <= (.*)", what):
        return f"expected a text of at most {match[1]} characters"
    if match := re.fullmatch(r"Expected `(.*)`", what):
        return f"expected {_kinds(match[1])}"
    if match := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{match[1]} is missing"
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what, re.DOTALL):
        return f"{limits.shown(match[1])} is no key here"
    return what


def _kinds(said: str) -> str:
    return " or ".join(_EXPECTED.get(kind.strip(), kind.strip()) for kind in said.split("|"))


def _end(text: str, where: str, mark: Any) -> str | None:
    """What is missing at the end is found missing on the line after it, where no editor can go."""
    lines = text.split("\n")
    if mark is None or not text or mark.line < len(lines):
        return None
    return f"{where}:{len(lines)}:{len(lines[-1]) + 1}"


def _place(where: str, mark: Any) -> str:
    return where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"
