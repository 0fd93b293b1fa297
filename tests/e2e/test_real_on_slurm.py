"""The demo's experiment, the real torchtune and the real inspect-ai, on a real Slurm over a real SSH."""

import shutil
from pathlib import Path

import pytest

from cluster import Cluster
from fakes.adapters import narrow
from fakes.home import blocks, harvested
from fakes.remote import Remote
from runexp.scaffolding.example import scaffold

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def scaffolded(dir: Path, environment: Path, real_experiment: Path) -> Path:
    """The demo's experiment, with the model and the data of one that is there: of its runs one, whose adapter is saved.

    One that is merged runs on Slurm in test_upstream.py.
    """
    dir.mkdir()
    shutil.copytree(real_experiment / "models", dir / "models")
    shutil.copy(real_experiment / "words.json", dir / "words.json")
    scaffold(dir, environment)
    narrow(dir, {"base": (), "rank8-adapter": (1,)})
    return dir


def test_the_demo_ends_as_it_does_locally(
    slurm: Cluster, environment: Path, real_experiment: Path, tmp_path: Path
) -> None:
    remote = Remote(tmp_path / "home", slurm, {"stagger_seconds": 1})
    dir = scaffolded(slurm.home / "demo", environment, real_experiment)
    remote.give(dir)
    remote.start()
    try:
        done = remote.run(dir)
        assert done.returncode == 0, done.stdout + done.stderr
        jobs = {job["id"]: job for job in remote.json("status", str(dir))["jobs"]}
        assert {job["state"] for job in jobs.values()} == {"VERIFIED"}
        scores = {id: job["scores"][0]["value"] for id, job in jobs.items() if job["scores"]}
        assert scores["base/capitalization"] == 0.0
        assert scores["rank8-adapter/capitalization/epoch1"] > 0.9
        found = harvested(dir / "run-torchtune.log", "SUBMIT_JOB") + harvested(
            dir / "run-inspect.log", "SUBMIT_EVAL"
        )
        assert dict(found) == {id: job["slurm_job_id"] for id, job in jobs.items()}
        assert "EXPERIMENT_COMPLETE" in blocks(dir / "run-experiment.log")[-1]
        assert remote.slurm_jobs() == dict.fromkeys(remote.accepted(), 1)
        print(done.stdout)
    finally:
        remote.stop()
