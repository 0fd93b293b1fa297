"""The demo's experiment, the real torchtune and the real inspect-ai, on a real Slurm over a real SSH."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from scaffold import scaffold

from cluster import Cluster
from fakes.home import blocks, harvested
from fakes.remote import Remote

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
PACKAGES = sysconfig.get_path("purelib")


def usable(python: str, slurm: Cluster) -> bool:
    """Whether the cluster's user can run this Python, and read what is installed here, where its jobs run."""
    test = f"import sys; sys.path.append({PACKAGES!r}); import msgspec; print(sys.version_info[:2])"
    # By way of a shell, as in a job: a program that root hands over to another user is judged more leniently.
    shell = slurm.there("sh", "-c", '"$0" -c "$1"', python, test)
    done = subprocess.run(shell, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout.strip() == str(sys.version_info[:2])


@pytest.fixture
def environment(slurm: Cluster) -> Path:
    """A virtual environment that the cluster's user can activate, with the packages that are installed here."""
    pythons = [
        path
        for path in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3")
        if os.path.exists(path)
    ]
    python = next((path for path in pythons if usable(path, slurm)), None)
    if python is None:
        pytest.skip(f"{slurm.user} can neither read {PACKAGES} nor run a Python {sys.version_info[:2]}")
    venv = slurm.path / "env"
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    site = next((venv / "lib").glob("python3*/site-packages"))
    (site / "installed.pth").write_text(f"{PACKAGES}\n")
    for name in ("tune", "inspect"):
        script = (Path(sys.executable).parent / name).read_text().splitlines(keepends=True)
        (venv / "bin" / name).write_text(f"#!{venv}/bin/python\n{''.join(script[1:])}")
        (venv / "bin" / name).chmod(0o755)
    return venv


def scaffolded(dir: Path, environment: Path, real_experiment: Path) -> Path:
    """The demo's experiment, with the model and the data of one that is there."""
    dir.mkdir()
    shutil.copytree(real_experiment / "models", dir / "models")
    shutil.copy(real_experiment / "words.json", dir / "words.json")
    scaffold(dir, environment)
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
        assert 0.6 < scores["rank4/capitalization/epoch1"] < scores["rank8/capitalization/epoch1"]
        assert scores["rank8/capitalization/epoch1"] > 0.9
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
