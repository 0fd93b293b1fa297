"""What the scaffolder of runexp's users makes, run to its end by the real tools: on this machine, and on a real Slurm."""

import shutil
import sys
from collections.abc import Iterator
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
EVALUATIONS = [
    f"{MERGED}/capitalization/epoch1",
    f"{ADAPTER}/capitalization/epoch0",
    f"{ADAPTER}/capitalization/epoch1",
    f"{upstream.BASE}/capitalization",
    f"{upstream.EARLIER}/capitalization",
]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Home]:
    """A daemon whose jobs find what a site's shells have."""
    home = Home(tmp_path / "home", "local: {max_running: 2, stagger_seconds: 0, results_seconds: 1}\n")
    shell = upstream.site(tmp_path / "site", Path(sys.prefix))
    home.environment["BASH_ENV"] = str(shell)
    with home.running():
        yield home


def scaffolded(dir: Path, real_experiment: Path, gres: str = GRES) -> Path:
    model, words = real_experiment / "models" / "tiny-llama", real_experiment / "words.json"
    return upstream.scaffold(dir, model, words, gres)


def assert_all_is_well(view: dict[str, Any], experiment: Path) -> None:
    jobs = {job["id"]: job for job in view["jobs"]}
    assert list(jobs) == [MERGED, ADAPTER, *EVALUATIONS]
    assert {id: job["state"] for id, job in jobs.items()} == dict.fromkeys(jobs, "VERIFIED")
    assert view["outcome"] == "succeeded"
    assert {id: len(job["attempts"]) for id, job in jobs.items()} == dict.fromkeys(jobs, 1)
    scores = [jobs[id]["scores"][0]["value"] for id in EVALUATIONS]
    assert scores[0] == pytest.approx(0.8, abs=0.1)
    assert scores[1] == pytest.approx(0.88, abs=0.1)
    assert scores[2] > 0.9
    assert scores[3:] == [0.0, 0.0]
    found = harvested(experiment / "logs" / "run-torchtune.log", "SUBMIT_JOB")
    found += harvested(experiment / "logs" / "run-inspect.log", "SUBMIT_EVAL")
    assert dict(found) == {id: job["slurm_job_id"] for id, job in jobs.items()}
    assert "EXPERIMENT_COMPLETE" in blocks(experiment / "logs" / "run-experiment.log")[-1]
    assert [jobs[id]["label"] for id in EVALUATIONS] == ["rank4_merged", "rank8", "rank8", "base", "earlier"]
    for log, count in (("run-torchtune.log", 2), ("run-inspect.log", len(EVALUATIONS))):
        watched = [b for b in blocks(experiment / "logs" / log) if b.startswith("RESOURCE_STATUS")]
        assert len(watched) == count
        assert all(GPU in block for block in watched)


def test_it_ends_well_here(here: Home, real_experiment: Path, tmp_path: Path) -> None:
    experiment = scaffolded(tmp_path / "scratch", real_experiment, gres="")
    done = here.runexp("run", str(experiment), timeout_seconds=900)
    assert done.returncode == 0, done.stdout + done.stderr
    view = here.json("status", str(experiment))
    assert_all_is_well(view, experiment)
    codes = {job["attempts"][0]["exit_code"] for job in view["jobs"] if job["phase"] == "evaluation"}
    assert codes == {"143:0"}, "that of the wait, whatever the evaluation came to"


def test_it_ends_well_on_slurm(
    slurm: Cluster, environment: Path, real_experiment: Path, tmp_path: Path
) -> None:
    shell = upstream.site(slurm.home / "site", environment)
    settings = {"stagger_seconds": 0, "prepend": [f"export BASH_ENV={shell}"]}
    remote = Remote(tmp_path / "home", slurm, settings)
    experiment = scaffolded(slurm.home / "scratch", real_experiment)
    remote.give(slurm.home / "scratch")
    try:
        with remote.running():
            done = remote.runexp("run", f"test:{experiment}", timeout_seconds=900)
            assert done.returncode == 0, done.stdout + done.stderr
            assert_all_is_well(remote.json("status", str(experiment)), experiment)
            assert remote.slurm_jobs() == dict.fromkeys(remote.accepted(), 1)
    finally:
        shutil.rmtree(slurm.home / "site")
