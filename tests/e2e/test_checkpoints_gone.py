"""Checkpoints that were deleted once everything was evaluated: nothing is owed, and where something is, it is said why."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import build, executions
from fakes.home import Home

pytestmark = pytest.mark.long
LOST = "its checkpoints are gone, and rank8/words/epoch1 has no log"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


@pytest.fixture
def dir(home: Home, tmp_path: Path) -> Path:
    """An experiment that succeeded, and whose checkpoints were deleted since."""
    dir = build(tmp_path / "exp")
    assert home.runexp("run", str(dir)).returncode == 0
    shutil.rmtree(dir / "rank8" / "artifacts")
    for weights in dir.glob("rank4/artifacts/epoch_*/*model*.safetensors*"):
        weights.unlink()
    return dir


def plan(home: Home, dir: Path) -> dict[str, tuple[str, str]]:
    return {line["job"]: (line["decision"], line["reason"]) for line in home.json("plan", str(dir))["lines"]}


def forget(home: Home) -> None:
    """The ledger is moved aside: nobody knows what was verified."""
    home.stop()
    for file in (home.dir / "state").glob("ledger.sqlite*"):
        file.unlink()
    home.start()


def test_where_all_evaluations_are_there_nothing_is_owed(home: Home, dir: Path) -> None:
    """By the ledger, and by what lies there alone."""
    before = executions(dir)
    for _ in range(2):
        assert {decision for decision, _ in plan(home, dir).values()} == {"skip"}
        assert home.runexp("run", str(dir)).returncode == 0
        assert set(home.states("words").values()) == {"VERIFIED"}
        forget(home)
    assert executions(dir) == before


def test_where_one_has_no_log_the_plan_says_why_it_is_trained_anew(home: Home, dir: Path) -> None:
    forget(home)
    shutil.rmtree(dir / "rank8" / "eval" / "words_epoch1" / "logs")
    before = executions(dir)
    found = plan(home, dir)
    assert found["rank8"] == ("submit", f"{LOST}: trained anew")
    assert found["rank4"][0] == "skip"
    assert f"{LOST}: trained anew" in home.runexp("plan", str(dir)).stdout
    done = home.runexp("run", str(dir))
    assert done.returncode == 0, done.stderr
    assert f"rank8: {LOST}: trained anew" in done.stdout
    assert f"TRAIN_ANEW: rank8\nDetails: {LOST}: trained anew" in (dir / "run-experiment.log").read_text()
    ran = sorted([*before, "rank8", "rank8/words_epoch0", "rank8/words_epoch1"])
    assert executions(dir) == ran, "what the old model scored doesn't count for the new one"


def test_what_was_verified_once_waits_for_a_person_who_is_told_what_is_missing(home: Home, dir: Path) -> None:
    shutil.rmtree(dir / "rank8" / "eval" / "words_epoch1" / "logs")
    before = executions(dir)
    decision, reason = plan(home, dir)["rank8"]
    assert decision == "blocked"
    assert LOST in reason
    assert "`runexp retry words rank8` submits it again" in reason
    assert home.runexp("run", str(dir)).returncode == 3
    assert executions(dir) == before
    assert LOST in home.runexp("status", "words").stdout
    assert home.runexp("retry", "words", "rank8").returncode == 0
    assert executions(dir) == sorted([*before, "rank8", "rank8/words_epoch0", "rank8/words_epoch1"])


def test_rerun_trains_what_is_archived_anew(home: Home, dir: Path) -> None:
    before = executions(dir)
    assert home.runexp("run", str(dir)).returncode == 0
    assert home.runexp("rerun", "--yes", "words", "rank4").returncode == 0
    assert executions(dir) == sorted([*before, "rank4", "rank4/words_epoch0"])
    assert set(home.states("words").values()) == {"VERIFIED"}
    assert list(dir.glob("rank4/artifacts/epoch_0/model-*.safetensors"))
