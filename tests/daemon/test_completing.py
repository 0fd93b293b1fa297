"""What a Tab finds on a cluster, by a real daemon: directories, at once or nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home", "clusters: {far: {host: far.invalid}}\n")
    with home.running():
        yield home


def completed(home: Home, typed: str) -> list[str]:
    environment = {
        "_RUNEXP_COMPLETE": "fish_complete",
        "COMP_WORDS": f"runexp run {typed}",
        "COMP_CWORD": typed,
    }
    home.environment |= environment
    return [line.partition(",")[2] for line in home.runexp().stdout.splitlines() if line]


def test_directories_that_begin_so_and_nothing_else(home: Home, tmp_path: Path) -> None:
    for name in ("exp7", "exp 8", ".exp9", "other", "exp\x1b[2J"):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "exp.yaml").touch()
    place = f"local:{tmp_path}/runs"
    assert completed(home, f"{place}/exp") == [f"{place}/exp 8/", f"{place}/exp7/"]
    assert completed(home, f"{place}/.") == [f"{place}/.exp9/"]
    assert completed(home, f"{place}/none/") == []
    assert completed(home, "nowhere:/exp") == []
    assert completed(home, "far:/exp") == []  # which nobody has connected to
