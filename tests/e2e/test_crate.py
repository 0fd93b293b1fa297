"""A crate of a whole experiment, by its daemon: what ran is in it, what failed has no action, and no secret got that far."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes import crates
from fakes.experiments import Run, build
from fakes.home import Home

pytestmark = pytest.mark.long

RUNS = (Run("base", epochs=0), Run("rank4"), Run("rank8", fate="bad_config"))
SECRET = "hf_abcdefghijklmnopqrstuvwxyz"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


def experiment(dir: Path) -> Path:
    """One that fails in part, with a secret in a script and one in the summary."""
    build(dir, *RUNS)
    script = dir / "rank4" / "finetune.slurm"
    script.write_text(script.read_text().replace("exec 9>>", f"export HF_TOKEN={SECRET}\nexec 9>>"))
    summary = dir / "experiment_summary.yaml"
    summary.write_text(f"{summary.read_text()}notes: {{hub_token: {SECRET}}}\n")
    return dir


def exported(home: Home, target: Path) -> Path:
    done = home.runexp("export", "words", str(target), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["left_out"] == []
    with zipfile.ZipFile(target) as archive:
        archive.extractall(target.with_suffix(""))
    return target.with_suffix("")


def test_an_experiment_that_ended_and_one_of_its_jobs_made_anew(home: Home, tmp_path: Path) -> None:
    assert home.runexp("run", str(experiment(tmp_path / "exp"))).returncode == 3
    crate = exported(home, tmp_path / "first.zip")
    assert crates.broken(crate) == []
    actions = {action["@id"] for action in crates.of_type(crate, "CreateAction")}
    assert actions == {"#base-words-1", "#rank4-1", "#rank4-words-epoch0-1", "#report"}
    texts = {path: path.read_bytes() for path in crate.rglob("*") if path.is_file()}
    assert not [path for path, text in texts.items() if SECRET.encode() in text]
    assert b"HF_TOKEN=***" in texts[crate / "recipes/rank4-1/finetune.slurm"]
    assert b"output_dir: ${run_dir}/artifacts" in texts[crate / "recipes/rank4-1/finetune.yaml"]
    assert crate / "recipes/rank8-1.json" in texts
    assert texts[crate / "metrics.csv"].startswith(b"job,attempt,name,step,seconds,value\nrank4,1,loss,1,")
    assert b"base,control" in texts[crate / "scores.csv"]
    numbers = [json.loads(line)["seq"] for line in texts[crate / "events.jsonl"].splitlines()]
    assert len(numbers) > 10
    assert numbers == sorted(set(numbers))

    assert home.runexp("rerun", "words", "rank4/words/epoch0", "--yes", "--detach").returncode == 0
    home.runexp("wait", "words")
    again = crates.entities(exported(home, tmp_path / "second.zip"))
    assert crates.refers(again["#rank4-words-epoch0-1"], "result") == ["events.jsonl"]
    assert "scores.csv" in crates.refers(again["#rank4-words-epoch0-2"], "result")
