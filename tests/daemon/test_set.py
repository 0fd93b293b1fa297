"""`runexp set`, by a real daemon: at once, remembered, and refused in a line."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import Home, wait_for


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


@pytest.mark.long
def test_it_holds_at_once_and_after_a_restart(home: Home, tmp_path: Path) -> None:
    runs = [Run(name, seconds=60) for name in ("a", "b", "c")]
    (home.dir / "config.yaml").write_text("local: {max_running: 4, max_submit: 1, stagger_seconds: 3000}\n")
    assert home.runexp("daemon", "reload").returncode == 0
    assert home.runexp("run", "--detach", str(build(tmp_path / "words", *runs))).returncode == 0
    assert home.json("set", "words", "max_submit=2", "stagger_seconds=0", "on_failure=stop")["policy"] == {
        **home.json("status", "words")["policy"]
    }
    home.kill()
    home.start()
    said = home.runexp("set", "words").stdout
    assert "on_failure = stop\n" in said
    assert "max_submit = 2\n" in said
    (home.dir / "config.yaml").write_text("local: {max_running: 4, stagger_seconds: 3000}\n")
    assert home.runexp("daemon", "reload").returncode == 0
    wait_for(lambda: len(home.of_type("SubmitAccepted")) == 2, "the second goes, with no distance")
    assert home.runexp("set", "words", "max_submit=").returncode == 0
    wait_for(lambda: len(home.of_type("SubmitAccepted")) == 3, "and the third")
    assert "SETTINGS: words" in (tmp_path / "words" / "run-experiment.log").read_text()
    assert home.runexp("cancel", "--yes", "words").returncode == 0


@pytest.mark.parametrize(
    ("word", "why", "hint"),
    [
        ("max_submit=0", "max_submit", "it may be a whole number from 1"),
        ("max_submit=many", "max_submit", "it may be a whole number from 1"),
        ("on_failure=shrug", "on_failure", "it may be continue or stop"),
        ("optimize_only=1", "is no setting", "NAME=VALUE"),
        ("max_submit", "max_submit has no value", "max_submit=VALUE: a whole number from 1"),
        ("stagger_seconds=-1", "stagger_seconds can't be -1", "it may be a number from 0"),
        ("on_failure=", "on_failure", "it may be continue or stop"),
    ],
)
def test_what_can_not_be_set_is_refused_in_a_line(tmp_path: Path, word: str, why: str, hint: str) -> None:
    done = Home(tmp_path / "home").runexp("set", "words", word)
    assert done.returncode == 2
    assert why in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[1].startswith(f"hint: {hint}")
