"""What changed since results were made: said by value, decided by a person, made anew with the old results moved aside."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import build, executions
from fakes.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.start()
    yield home
    home.stop()


@pytest.fixture
def dir(home: Home, tmp_path: Path) -> Path:
    dir = build(tmp_path / "exp")
    done = home.runexp("run", str(dir))
    assert done.returncode == 0, done.stderr
    return dir


def edit(dir: Path, old: str, new: str, run: str = "rank4") -> None:
    config = dir / run / "finetune.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


def decisions(home: Home, dir: Path) -> dict[str, str]:
    return {line["job"]: line["decision"] for line in home.json("plan", str(dir))["lines"]}


def test_a_comment_is_no_change(home: Home, dir: Path) -> None:
    edit(dir, "batch_size: 16  # as large as fits", "batch_size: 16\n# nothing to see\n")
    assert set(decisions(home, dir).values()) == {"skip"}
    assert home.runexp("run", str(dir)).returncode == 0


def test_what_changed_is_said_by_value_and_nothing_is_submitted_before_somebody_decides(
    home: Home, dir: Path
) -> None:
    before = executions(dir)
    edit(dir, "batch_size: 16", "batch_size: 8")
    (line,) = [line for line in home.json("plan", str(dir))["lines"] if line["decision"] == "changed"]
    assert line["job"] == "rank4"
    assert line["reason"].startswith("batch_size 16 -> 8; `runexp rerun words rank4`")
    assert "changed: batch_size 16 -> 8" in home.runexp("status", "words").stdout
    left = home.runexp("run", str(dir))
    assert left.returncode == 8
    assert "rank4 changed: batch_size 16 -> 8; nothing is submitted for it" in left.stderr
    assert "rank4: batch_size 16 -> 8" in home.runexp("report", "words").stdout
    assert executions(dir) == before
    edit(dir, "batch_size: 8", "batch_size: 16")
    assert home.runexp("run", str(dir)).returncode == 0
    assert "changed:" not in home.runexp("status", "words").stdout


def test_what_is_kept_is_kept_until_it_changes_again(home: Home, dir: Path) -> None:
    edit(dir, "batch_size: 16", "batch_size: 8")
    assert home.runexp("run", "--changed", "keep", str(dir)).returncode == 0
    assert home.runexp("run", str(dir)).returncode == 0
    assert "batch_size 16 -> 8 (kept)" in home.runexp("status", "words").stdout
    edit(dir, "batch_size: 8", "batch_size: 4")
    assert home.runexp("run", str(dir)).returncode == 8


def test_it_is_made_anew_with_its_evaluations_and_the_old_results_stay_beside(home: Home, dir: Path) -> None:
    before = executions(dir)
    edit(dir, "batch_size: 16", "batch_size: 8")
    done = home.runexp("run", "--changed", "rerun", str(dir))
    assert done.returncode == 0, done.stderr
    assert sorted(executions(dir)) == sorted([*before, "rank4", "rank4/words_epoch0"])
    assert list(dir.glob("rank4/artifacts/aside-*-1/epoch_0"))
    assert list(dir.glob("rank4/eval/words_epoch0/logs/aside-*-1/*.eval"))
    assert set(decisions(home, dir).values()) == {"skip"}
    shown = home.json("show", "words", "rank4", "--attempt", "1", "--with", "2")
    assert shown["changes"] == ["batch_size 16 -> 8"]


def test_one_is_made_anew_because_somebody_wants_it(home: Home, dir: Path) -> None:
    before = executions(dir)
    done = home.runexp("rerun", "--yes", "words", "rank8/words/epoch1")
    assert done.returncode == 0, done.stderr
    assert sorted(executions(dir)) == sorted([*before, "rank8/words_epoch1"])
    assert home.runexp("rerun", "--yes", "words", "nobody").returncode == 1


def test_what_ran_is_shown_without_secrets(home: Home, dir: Path) -> None:
    script = dir / "rank8" / "finetune.slurm"
    text = script.read_text()
    script.write_text(text.replace("echo", "export HF_TOKEN=hf_abcdefghijklmnopqrstuvwx\necho", 1))
    assert home.runexp("rerun", "--yes", "words", "rank8").returncode == 0
    shown = home.runexp("show", "words", "rank8").stdout
    assert "export HF_TOKEN=***" in shown
    assert "batch_size: 16" in shown
    kept = list(home.dir.rglob("*.sqlite*"))
    assert kept
    assert not any(b"hf_abcdefghijkl" in path.read_bytes() for path in kept)
    difference = home.runexp("show", "words", "rank8", "--attempt", "1", "--diff").stdout
    assert "+export HF_TOKEN=***" in difference
