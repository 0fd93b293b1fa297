"""YAML documents to structs, or a line that says what is wrong, where in the file, and where in the document. Pure."""

import re
from collections.abc import Hashable, Iterator
from typing import Any, TypeVar

import msgspec
import yaml

from runexpd.experiments.problems import BadExperiment

T = TypeVar("T")
#: Aliases can make a small document huge; ours need none of that.
_MOST_NODES = 100_000

_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_EXPECTED = {
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of keys to values",
    "null": "nothing",
}


class _Loader(yaml.SafeLoader):
    """Safe, and strict where YAML is lax: a key that is there twice is a mistake."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"{key.value} is there twice", key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


def load(text: str, where: str, kind: type[T]) -> T:
    """A document as a struct. `where` names the file in errors. Raises BadExperiment."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            raise BadExperiment("the file is empty", where)
        if sum(1 for _ in _nodes(root, _MOST_NODES)) >= _MOST_NODES:
            raise BadExperiment("the document is too large", where)
        document = loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise BadExperiment(f"not YAML: {_problem(error)}", _place(where, error.problem_mark)) from None
    except yaml.YAMLError as error:
        raise BadExperiment(f"not YAML: {_one_line(str(error))}", where) from None
    except (ValueError, RecursionError) as error:
        raise BadExperiment(f"not YAML that can be read: {_one_line(str(error))}", where) from None
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise _bad(error, root, where) from None


def _nodes(node: yaml.Node, budget: int) -> Iterator[yaml.Node]:
    """Every node, aliases counted each time, up to a budget."""
    stack = [node]
    while stack and budget > 0:
        budget -= 1
        current = stack.pop()
        yield current
        if isinstance(current, yaml.MappingNode):
            stack += [part for pair in current.value for part in pair]
        elif isinstance(current, yaml.SequenceNode):
            stack += current.value


def _bad(error: msgspec.ValidationError, root: yaml.Node, where: str) -> BadExperiment:
    match = _AT.match(str(error))
    assert match is not None
    path = (match["path"] or "$").removeprefix("$").removeprefix(".")
    node = find(root, path)
    place = _place(where, node.start_mark)
    hint = ""
    if isinstance(node, yaml.ScalarNode) and "`str`" in match["what"]:
        hint = f'YAML reads {node.value} as something else than text; quote it: "{node.value}"'
    return BadExperiment(_plain(match["what"]), f"{place}: {path}" if path else place, hint)


def find(root: yaml.Node, path: str) -> yaml.Node:
    """The node at a path such as `runs[0].name`, or the nearest above it."""
    node = root
    for step in re.findall(r"\[(\d+|\.\.\.)\]|([^.\[\]]+)", path):
        below = _below(node, *step)
        if below is None:
            break
        node = below
    return node


def _below(node: yaml.Node, index: str, key: str) -> yaml.Node | None:
    if index.isdigit() and isinstance(node, yaml.SequenceNode) and int(index) < len(node.value):
        found: yaml.Node = node.value[int(index)]
        return found
    if key and isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    return None


def line_of(text: str, path: str) -> int:
    """The line, counted from 1, of what stands at a path in a document that is known to be YAML."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    return int(find(root, path).start_mark.line) + 1 if root is not None else 1


def _plain(what: str) -> str:
    """msgspec's words in the reader's."""
    if match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", what):
        wanted = [_EXPECTED.get(kind.strip(), kind.strip()) for kind in match[1].split("|")]
        return f"expected {' or '.join(wanted)}, found {_EXPECTED.get(match[2], match[2])}"
    if match := re.fullmatch(r"Expected `(.*)` (>=|<=|>) (.*)", what):
        bound = {">=": "at least", "<=": "at most", ">": "more than"}[match[2]]
        return f"expected {_EXPECTED.get(match[1], match[1])}, {bound} {match[3]}"
    if match := re.fullmatch(r"Object missing required field `(.*)`", what):
        return f"{match[1]} is missing"
    if match := re.fullmatch(r"Object contains unknown field `(.*)`", what):
        return f"{match[1]} is no key here"
    return what


def _problem(error: yaml.MarkedYAMLError) -> str:
    return _one_line(" ".join(filter(None, (error.context, error.problem))))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _place(where: str, mark: yaml.Mark | None) -> str:
    return where if mark is None else f"{where}:{mark.line + 1}:{mark.column + 1}"
