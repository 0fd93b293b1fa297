"""Evaluations as inspect-ai names them: FILE, FILE@task, or package/task."""

import ast
from pathlib import Path

import msgspec

from runexp import paths
from runexp.scaffolding import reading
from runexp.scaffolding.problems import CannotBe


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A task of inspect-ai."""

    #: In the matrix, in its log, and of its directory.
    name: str
    #: What `inspect eval` gets, where the file lies beside.
    spec: str
    #: None: of a package.
    file: Path | None = None


MOST_BYTES = 16 << 20
_HINT = "a task is FILE.py, FILE.py@task, or package/task as `inspect list tasks` shows them"


def read(said: str) -> list[Task]:
    """The tasks that a text names: one, or all of a file. Raises CannotBe."""
    file, _, name = said.partition("@")
    path = paths.expanded(file)
    if not file.endswith(".py"):
        if "/" not in file or path.exists():
            raise CannotBe(f"{said} is no task", _HINT)
        return [Task(name=said.rsplit("/", 1)[1], spec=said)]
    there = _defined(path)
    if not there or (name and name not in there):
        what = f"no task {name}" if name else "no task"
        raise CannotBe(
            f"{path} has {what}: {', '.join(there) or 'no function there is decorated with @task'}", _HINT
        )
    return [Task(name=each, spec=f"{path.name}@{each}", file=path) for each in ([name] if name else there)]


def text(path: Path) -> bytes:
    """Of a task's file. Raises CannotBe, OSError."""
    return reading.whole(path, MOST_BYTES, _HINT)


def _defined(path: Path) -> list[str]:
    try:
        tree = ast.parse(text(path))
    except OSError as error:
        raise CannotBe(f"{path} can't be read: {error.strerror}", _HINT) from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise CannotBe(f"{path} is no Python: {error}", _HINT) from None
    functions = (node for node in tree.body if isinstance(node, ast.FunctionDef))
    return [function.name for function in functions if any(map(_is_task, function.decorator_list))]


def _is_task(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (isinstance(called, ast.Name) and called.id == "task") or (
        isinstance(called, ast.Attribute) and called.attr == "task"
    )
