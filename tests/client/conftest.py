"""A client without a terminal, and a daemon that says what the test wants."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakes.daemon import FakeDaemon
from runexp.cli import main

Runexp = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A RUNEXP_HOME with no daemon; the current directory is no experiment."""
    monkeypatch.setenv("RUNEXP_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def daemon(home: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(home) as fake:
        yield fake


@pytest.fixture
def runexp(home: Path) -> Runexp:
    return lambda *args, **options: CliRunner().invoke(main, list(args), **options)
