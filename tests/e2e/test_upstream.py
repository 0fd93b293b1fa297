"""What the scaffolder of runexp's users makes, run to its end by the real tools: on this machine, and on a real Slurm."""

import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from fakes import upstream
from fakes.home import Home, blocks, harvested
from fakes.remote import Remote
from fakes.upstream_texts import GRES

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200)]
MERGED, ADAPTER = (run.name for run in upstream.RUNS)
#: What the stand-in for nvidia-smi says, as the run logs have it.
GPU = "GPU Utilization: 40% (peak 60%) | GPU Memory: 13.7/79.6 GB (peak 30.0 GB)"
#: What each evaluation is to be called, and to score.
LABELS = {
    f"{MERGED}/capitalization/epoch1": "rank4_merged",
    f"{ADAPTER}/capitalization/epoch0": "rank8",
    f"{ADAPTER}/capitalization/epoch1": "rank8",
    f"{upstream.BASE}/capitalization": "base",
    f"{upstream.EARLIER}/capitalization": "earlier",
}
NEARLY = [pytest.approx(score, abs=0.1) for score in (0.8, 0.88, 1.0)]
SCORES = dict(zip(LABELS, (*NEARLY, 0.0, 0.0), strict=True))


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Home]:
    """A daemon whose jobs find what a site's shells have."""
    home = Home(tmp_path / "home", "local: {max_running: 2, stagger_seconds: 0, results_seconds: 1}\n")
    shell = upstream.site(tmp_path / "site", Path(sys.prefix))
    home.environment["BASH_ENV"] = str(shell)
    with home.running():
        yield home


def scaffolded(
    dir: Path, real_experiment: Path, gres: str = GRES, runs: tuple[upstream.Trained, ...] = upstream.RUNS
) -> Path:
    model, words = real_experiment / "models" / "tiny-llama", real_experiment / "words.json"
    return upstream.scaffold(dir, model, words, gres, runs)


def assert_all_is_well(view: dict[str, Any], experiment: Path, expected: Mapping[str, str]) -> None:
    """`expected`: the label of each evaluation that there is; before them come the trainings."""
    jobs = {job["id"]: job for job in view["jobs"]}
    trained = [run for run in (MERGED, ADAPTER) if any(id.startswith(run) for id in expected)]
    assert list(jobs) == [*trained, *expected]
    assert {id: job["state"] for id, job in jobs.items()} == dict.fromkeys(jobs, "VERIFIED")
    assert view["outcome"] == "succeeded"
    assert {id: len(job["attempts"]) for id, job in jobs.items()} == dict.fromkeys(jobs, 1)
    scores = {id: jobs[id]["scores"][0]["value"] for id in expected}
    assert scores == {id: SCORES[id] for id in expected}
    found = harvested(experiment / "logs" / "run-torchtune.log", "SUBMIT_JOB")
    found += harvested(experiment / "logs" / "run-inspect.log", "SUBMIT_EVAL")
    assert dict(found) == {id: job["slurm_job_id"] for id, job in jobs.items()}
    assert "EXPERIMENT_COMPLETE" in blocks(experiment / "logs" / "run-experiment.log")[-1]
    assert {id: jobs[id]["label"] for id in expected} == expected
    for log, count in (("run-torchtune.log", len(trained)), ("run-inspect.log", len(expected))):
        watched = [b for b in blocks(experiment / "logs" / log) if b.startswith("RESOURCE_STATUS")]
        assert len(watched) == count
        assert all(GPU in block for block in watched)


def test_it_ends_well_here(here: Home, real_experiment: Path, tmp_path: Path) -> None:
    experiment = scaffolded(tmp_path / "scratch", real_experiment, gres="")
    done = here.runexp("run", str(experiment), timeout_seconds=900)
    assert done.returncode == 0, done.stdout + done.stderr
    view = here.json("status", str(experiment))
    assert_all_is_well(view, experiment, LABELS)
    codes = {job["attempts"][0]["exit_code"] for job in view["jobs"] if job["phase"] == "evaluation"}
    assert codes == {"143:0"}, "that of the wait, whatever the evaluation came to"


def test_it_ends_well_on_slurm(
    slurm: Cluster, environment: Path, real_experiment: Path, tmp_path: Path
) -> None:
    shell = upstream.site(slurm.home / "site", environment)
    settings = {"stagger_seconds": 0, "prepend": [f"export BASH_ENV={shell}"]}
    remote = Remote(tmp_path / "home", slurm, settings)
    # One of its runs: on this machine there are both.
    experiment = scaffolded(slurm.home / "scratch", real_experiment, runs=upstream.RUNS[:1])
    remote.give(slurm.home / "scratch")
    try:
        with remote.running():
            done = remote.runexp("run", f"test:{experiment}", timeout_seconds=900)
            assert done.returncode == 0, done.stdout + done.stderr
            labels = {id: label for id, label in LABELS.items() if not id.startswith(ADAPTER)}
            assert_all_is_well(remote.json("status", str(experiment)), experiment, labels)
            assert remote.slurm_jobs() == dict.fromkeys(remote.accepted(), 1)
    finally:
        shutil.rmtree(slurm.home / "site")
