"""Two daemons, each with a ledger of its own, and one experiment: neither takes anything from what the other's jobs make."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions, overlaps, write_run
from fakes.home import Home, wait_for


@pytest.fixture
def homes(tmp_path: Path) -> Iterator[tuple[Home, Home]]:
    first, second = Home(tmp_path / "home"), Home(tmp_path / "other")
    with first.running(), second.running():
        yield first, second


def ends(home: Home) -> None:
    wait_for(lambda: home.outcome("words") is not None, "it ends")


@pytest.mark.long
def test_what_is_made_anew_takes_nothing_away_from_what_anothers_job_writes(
    homes: tuple[Home, Home], tmp_path: Path
) -> None:
    home, other = homes
    dir = build(tmp_path / "exp", Run("rank4", epochs=2))
    for each in homes:
        each.runexp("run", str(dir))
    write_run(dir, Run("rank4", epochs=2, seconds=6))
    home.runexp("rerun", "--yes", "--detach", "words", "rank4")
    saved = dir / "rank4/artifacts/epoch_0/config.json"
    wait_for(lambda: executions(dir).count("rank4") == 2 and saved.exists(), "its first epoch is saved")
    other.runexp("rerun", "--yes", "--detach", "words", "rank4")
    for each in homes:
        ends(each)
    assert home.outcome("words") == "succeeded"
    (job,) = (job for job in other.json("status", "words")["jobs"] if job["id"] == "rank4")
    assert job["detail"].startswith("its old results can't be moved aside: ")
    assert "is being trained into by job" in job["detail"]
    other.runexp("run", str(dir))  # as it says
    assert other.outcome("words") == "succeeded"
    assert executions(dir).count("rank4") == 2
    assert overlaps(dir) == ""


@pytest.mark.long
def test_what_anothers_job_writes_over_is_not_taken_up_before_that_is_over(
    homes: tuple[Home, Home], tmp_path: Path
) -> None:
    home, other = homes
    dir = build(tmp_path / "exp", Run("rank4"))
    script = dir / "rank4" / "finetune.slurm"
    trains = script.read_text()
    script.write_text(trains.replace("exec python3", "python3") + "exit 1\n")
    assert home.runexp("run", str(dir)).returncode == 4
    script.write_text(trains.replace("exec python3", "exec sleep 600; python3"))
    home.runexp("retry", "--detach", "words")
    wait_for(lambda: executions(dir) == ["rank4", "rank4"], "it trains again")
    other.runexp("run", "--detach", str(dir))
    assert other.states("words") == {"rank4": "UNCLEAR", "rank4/words/epoch0": "PLANNED"}
    assert "is being trained into by job" in other.json("status", "words")["jobs"][0]["detail"]
    home.runexp("cancel", "--yes", "words")
    ends(home)
    other.runexp("run", "--detach", str(dir))  # as it says
    ends(other)
    assert set(other.states("words").values()) == {"VERIFIED"}
