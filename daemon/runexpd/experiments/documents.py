"""YAML documents to structs or plain data, or a line that says what is wrong, and where. Pure.

What can be said about a document's shape is decided while its events are read, before anything is built of it: an alias bomb
is refused at its node, not after it went off.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import yaml

from runexpd.experiments import limits, misfits
from runexpd.experiments.nodes import QUOTE, Unfit, compose
from runexpd.experiments.problems import BadExperiment

T = TypeVar("T")

_MEND = "mend it there, or on the line before"


class _Constructor(yaml.constructor.SafeConstructor):
    """What looks like a number or a date and is none (2025-99-99) is said with its place."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise Unfit(str(error), node.start_mark, QUOTE) from None
        if isinstance(value, int) and abs(value) >= limits.WHOLE_NUMBER:
            raise Unfit("a whole number of more than 18 digits", node.start_mark, QUOTE)
        return value


def load(text: str, where: str, kind: type[T], described: str) -> T:
    """A document as a struct. `where` names the file in errors; `described`: what tells how it is written. Raises BadExperiment."""
    root = _composed(text, where)
    if root is None:
        raise BadExperiment("the file is empty", where, described)
    document = _built(root, where)
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise misfits.problem(error, document, root, where, kind, described) from None


def plain(text: str, where: str) -> Any:
    """A document as plain Python data; None for an empty one. Raises BadExperiment."""
    root = _composed(text, where)
    return None if root is None else _built(root, where)


def line_of(text: str, path: str) -> int:
    """The line, counted from 1, of what stands at a path in a document that is known to be YAML."""
    root = _composed(text, "")
    return int(misfits.find(root, path).start_mark.line) + 1 if root is not None else 1


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
            return BadExperiment(error.what, misfits.place(where, error.problem_mark), error.hint)
        case yaml.MarkedYAMLError():
            problem = " ".join(filter(None, (error.context, error.problem)))
            place = _end(text, where, error.problem_mark) or misfits.place(where, error.problem_mark)
            return BadExperiment(f"not YAML: {limits.shown(problem)}", place, _MEND)
        case yaml.reader.ReaderError() if isinstance(error.character, int):
            what = f"not YAML: a control character, #x{error.character:04x}"
            return BadExperiment(what, _first(chr(error.character), text, where), "take it out")
        case _:
            return BadExperiment(f"not YAML: {limits.shown(str(error))}", where, _MEND)


def _first(character: str, text: str, where: str) -> str:
    lines = text.partition(character)[0].split("\n")
    return f"{where}:{len(lines)}:{len(lines[-1]) + 1}"


def _end(text: str, where: str, mark: Any) -> str | None:
    """What is missing at the end is found missing on the line after it, where no editor can go."""
    lines = text.split("\n")
    if mark is None or not text or mark.line < len(lines):
        return None
    return f"{where}:{len(lines)}:{len(lines[-1]) + 1}"
