"""Where a training would leave its results as its files stand now: where it was looked at, as long as nobody edits them."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fakes.evidence import answered, scaffold
from fakes.experiments import Run, build
from runexp.wire.jobs import JobSpec
from runexpd.tools.torchtune import TOOL

SCRIPT = "#!/bin/bash\n{before}\ntune run {recipe} --config {config} {overrides}\n"
USUAL = {
    "before": "cd .",
    "recipe": "lora_finetune_single_device",
    "config": "finetune.yaml",
    "overrides": "",
}


def job_of(dir: Path) -> JobSpec:
    (job,) = TOOL.discover(scaffold(dir)).jobs
    return job


def now(job: JobSpec) -> str:
    return answered(TOOL.results(job))


@pytest.mark.parametrize(
    ("words", "config", "place"),
    [
        ({}, "output_dir: artifacts\nepochs: 1\n", "rank8/artifacts"),
        ({}, "run: here\noutput_dir: ${run}/out\nepochs: 1\n", "rank8/here/out"),
        ({}, "output_dir: ../all/rank8/\nepochs: 1\n", "all/rank8"),
        ({"overrides": "output_dir=/far/away epochs=2"}, "output_dir: x\nepochs: 1\n", "/far/away"),
        ({"overrides": "\\\n  output_dir=there"}, "epochs: 1\n", "rank8/there"),
        (
            {"before": "#SBATCH --chdir=/elsewhere"},
            "output_dir: artifacts\nepochs: 1\n",
            "/elsewhere/artifacts",
        ),
        ({"config": "./finetune.yaml"}, "output_dir: artifacts\nepochs: 1\n", "rank8/artifacts"),
        ({"recipe": "mine.py"}, "\ufeffoutput_dir: artifacts\r\nepochs: 1\r\n", "rank8/artifacts"),
    ],
)
def test_it_is_where_it_was_looked_at(
    tmp_path: Path, words: Mapping[str, str], config: str, place: str
) -> None:
    dir = build(tmp_path / "exp", Run("rank8"))
    (dir / "rank8" / "finetune.slurm").write_text(SCRIPT.format(**{**USUAL, **words}))
    (dir / "rank8" / "finetune.yaml").write_bytes(config.encode())
    job = job_of(dir)
    assert now(job) == job.results == str(dir / place)


@pytest.mark.parametrize("gone", ["finetune.yaml", "finetune.slurm"])
def test_of_what_is_gone_or_says_nothing_it_is_not_known(tmp_path: Path, gone: str) -> None:
    dir = build(tmp_path / "exp", Run("rank8"))
    job = job_of(dir)
    assert now(job) == job.results
    (dir / "rank8" / gone).unlink()
    assert now(job) in ("", job.results)


def test_one_that_was_edited_is_elsewhere(tmp_path: Path) -> None:
    dir = build(tmp_path / "exp", Run("rank8"))
    job = job_of(dir)
    (dir / "rank8" / "finetune.yaml").write_text("output_dir: /far/away\nepochs: 1\n")
    assert now(job) == "/far/away"
    (dir / "rank8" / "finetune.yaml").write_text("output_dir: ${nosuch}\n")
    assert now(job) == ""
