"""What the code says of its own names: the `#:` lines over them."""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from reference.layout import Entry, Section

_MARK = "#:"


def of(thing: type[Any] | ModuleType) -> dict[str, str]:
    """What is said of each field or member of a class, or of each name that a module sets; empty where nothing is."""
    source = textwrap.dedent(inspect.getsource(thing))
    tree: ast.Module | ast.stmt = ast.parse(source)
    if isinstance(tree, ast.Module) and isinstance(thing, type):
        tree = tree.body[0]
    lines = source.splitlines()
    return {name: _above(lines, node) for node in getattr(tree, "body", ()) for name in _set_by(node)}


def _set_by(node: ast.stmt) -> Iterator[str]:
    targets = [node.target] if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [])
    return (target.id for target in targets if isinstance(target, ast.Name))


def _above(lines: list[str], node: ast.stmt) -> str:
    said: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith(_MARK):
            break
        said.insert(0, line.strip().removeprefix(_MARK).strip())
    return " ".join(said)


def doc(thing: Any) -> str:
    """Its own docstring, not one that it has inherited."""
    return inspect.cleandoc(thing.__doc__ or "")


def words(title: str, kind: Any) -> Section:
    """The members of an enumeration, each by its value."""
    said = of(kind)
    entries = tuple(Entry(name=str(member.value), text=said[member.name]) for member in kind)
    return Section(title=title, text=doc(kind), entries=entries)
