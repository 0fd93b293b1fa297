"""The house's own rules: small files and functions, thin imports, nothing that users can set or call without a word on it."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from runexp import cli
from runexpd import settings

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SOURCES = sorted([*(ROOT / "client").rglob("*.py"), *(ROOT / "daemon").rglob("*.py")])
TEXTS = {path: path.read_text() for path in SOURCES}


def test_files_and_functions_stay_small() -> None:
    """300 lines and 60, at most."""
    assert [str(path.relative_to(ROOT)) for path, text in TEXTS.items() if text.count("\n") > 300] == []
    assert [f"{path.relative_to(ROOT)}: {name}" for path in SOURCES for name in _large_functions(path)] == []


def _large_functions(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(TEXTS[path])):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _is_large(node):
            yield node.name


def _is_large(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    most = 80 if function.name in DISPATCH else 60
    return (function.end_lineno or 0) - function.lineno >= most


#: One arm an event: these grow with the events, and read like tables.
DISPATCH = {"words"}


def test_every_module_says_what_it_is() -> None:
    silent = [path for path, text in TEXTS.items() if not ast.get_docstring(ast.parse(text))]
    assert [str(path.relative_to(ROOT)) for path in silent] == []


def test_what_only_looks_like_a_number_is_taken_for_none() -> None:
    """'²' is a digit to Python, and `int` raises."""
    asking = [
        (path, line) for path, text in TEXTS.items() for line in text.splitlines() if ".isdigit()" in line
    ]
    careless = [(path, line) for path, line in asking if ".isascii()" not in line]
    assert careless == []


def test_nobody_is_taken_to_have_a_name_or_a_home() -> None:
    """In a container there may be neither, and these raise what nobody maps."""
    asking = ("getpass.getuser", "Path.home", ".expanduser()")
    found = {
        str(path.relative_to(ROOT)) for path, text in TEXTS.items() if any(each in text for each in asking)
    }
    assert found == {"client/runexp/paths.py"}


@pytest.mark.parametrize("name", sorted(cli.main.commands))
def test_every_command_is_in_the_readme_and_has_an_example(name: str) -> None:
    command = cli.main.commands[name]
    assert f"runexp {name}" in README
    assert "Example:" in (command.help or "")
    for option in command.params:
        assert isinstance(option, click.Argument) or getattr(option, "help", None)


FIELDS = [
    field for part in (settings.Local, settings.Cluster, settings.Notify) for field in part.__struct_fields__
]


@pytest.mark.parametrize("field", FIELDS)
def test_every_setting_is_in_the_readme(field: str) -> None:
    assert f"{field}:" in README


@pytest.mark.parametrize("field", settings.Web.__struct_fields__)
def test_every_setting_of_the_page_is_documented(field: str) -> None:
    assert f"{field}:" in (ROOT / "docs" / "page.md").read_text()


def imported_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_daemon_imports_no_torch() -> None:
    assert not imported_by("runexpd.daemon") & {"torch", "torchtune", "inspect_ai", "transformers"}


def test_the_daemon_imports_no_web_server_before_somebody_asks() -> None:
    assert not imported_by("runexpd.daemon") & {"starlette", "uvicorn", "jinja2", "plotly"}


def test_the_client_starts_thin() -> None:
    heavy = {
        "anyio",
        "jinja2",
        "vl_convert",
        "asyncio",
        "asyncssh",
        "rich",
        "yaml",
        "omegaconf",
        "loguru",
        "runexpd",
        "sqlite3",
        "textual",
        "rocrate",
        "requests",
    }
    assert not imported_by("runexp.cli") & heavy


def test_what_is_shown_is_worked_out_without_a_terminal() -> None:
    assert "textual" not in imported_by("runexp.ui.board")
    assert "textual" in imported_by("runexp.screen.app")


def test_every_kind_of_failure_is_one_of_those_that_are_described() -> None:
    """What makes one names it; no word is written out."""
    written = [
        f"{path.relative_to(ROOT)}: {ast.unparse(call)}"
        for path, text in TEXTS.items()
        for call in ast.walk(ast.parse(text))
        if isinstance(call, ast.Call) and ast.unparse(call.func) in {"Failure", "_bad", "_unclear"}
        if any(isinstance(word, ast.Constant) for word in call.args[:1])
    ]
    assert written == []


def test_make_runs_every_file_of_tests_once() -> None:
    """Of two paths that overlap pytest takes but one."""
    named = [file for call in _calls_of_pytest() for file in _files_of(call)]
    assert sorted(named) == sorted((ROOT / "tests").rglob("test_*.py"))


def _calls_of_pytest() -> list[list[str]]:
    """As `make test` would make them."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    said = subprocess.run(
        ["make", "-n", "test"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return [words for line in said.stdout.splitlines() if (words := line.split())[:1] == [".venv/bin/pytest"]]


def _files_of(call: list[str]) -> Iterator[Path]:
    """Those below the paths that it names, but for those that it leaves out."""
    paths = [ROOT / word for word in call if word.startswith("tests/")]
    assert [(a, b) for a in paths for b in paths if a in b.parents] == []
    assert not {"-k", "-m", "--deselect", "--lf"} & set(call)
    left_out = [ROOT / word.removeprefix("--ignore=") for word in call if word.startswith("--ignore=")]
    found = (file for path in paths for file in ([path] if path.is_file() else path.rglob("test_*.py")))
    return (file for file in found if not {file, *file.parents} & set(left_out))


def test_no_two_files_of_tests_are_called_alike() -> None:
    """pytest takes one for the other, where both are collected."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))
