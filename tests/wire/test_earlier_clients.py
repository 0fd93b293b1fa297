"""The client of each release, as it was, talks to the daemon of today: it is answered, or told in two lines what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.home import Home

CLIENTS = sorted((Path(__file__).parent / "clients").glob("*.zip"))
RUN = "import sys; from runexp import __version__, cli; assert sys.argv.pop(1) == __version__; cli.main()"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


@pytest.mark.parametrize("client", CLIENTS, ids=lambda path: path.stem)
def test_it_is_answered_or_told_what_to_do(home: Home, client: Path) -> None:
    for words in (["ls"], ["status", "exp7"], ["plan", str(home.dir)]):
        done = subprocess.run(
            [sys.executable, "-c", RUN, client.stem, *words],
            env={**os.environ, **home.environment, "PYTHONPATH": str(client)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            what, hint = done.stderr.splitlines()
            assert what.startswith("error: ")
            assert hint.startswith("hint: ")
            assert "protocol" not in what or "upgrade" in hint


def test_there_is_one_of_each_release_before_this_one() -> None:
    changes = (Path(__file__).parents[2] / "CHANGELOG.md").read_text()
    released = [line.split()[1] for line in changes.splitlines() if line.startswith("## ")]
    assert {client.stem for client in CLIENTS} == set(released[1:])
