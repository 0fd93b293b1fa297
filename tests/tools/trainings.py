"""A run that the stand-in trains, and what the torchtune module says of it."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from fakes.evidence import Rounds, answered, scaffold
from fakes.experiments import JOBS, Run, build
from runexp.wire.jobs import Finding, JobSpec, Verdict
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune import TOOL

SHARD = "model-00001-of-00001.safetensors"
INDEX = "model.safetensors.index.json"
LONG_AGO = 1.7e9


class Trained:
    """A run of two epochs."""

    def __init__(self, dir: Path) -> None:
        build(dir, Run("rank8", epochs=2))
        self.dir = dir
        self.rundir = dir / "rank8"
        self.config = self.rundir / "finetune.yaml"
        self.artifacts = self.rundir / "artifacts"
        self.output = self.artifacts / "slurm-7.out"
        self.artifacts.mkdir()

    @property
    def job(self) -> JobSpec:
        (job,) = TOOL.discover(scaffold(self.dir)).jobs
        return job

    @property
    def log(self) -> Path:
        return next((self.artifacts / "logs").glob("log_*.txt"))

    def epoch(self, number: int) -> Path:
        return self.artifacts / f"epoch_{number}"

    def train(self, *options: str) -> Attempt:
        """Run the stand-in as a job does."""
        began = time.time()
        command: list[str | Path] = [
            sys.executable,
            "-I",
            "-S",
            JOBS / "train.py",
            "--output-dir",
            "artifacts",
        ]
        command += ["--seconds", "0", *options]
        with self.output.open("w") as output:
            done = subprocess.run(command, cwd=self.rundir, stdout=output, stderr=output, check=False)
        return self.attempt(
            state="FAILED" if done.returncode else "COMPLETED",
            exit_code=f"{done.returncode}:0",
            started_at=began,
            ended_at=time.time(),
        )

    def attempt(
        self,
        state: str = "COMPLETED",
        exit_code: str = "0:0",
        started_at: float | None = None,
        ended_at: float | None = None,
    ) -> Attempt:
        return Attempt(
            slurm_job_id="7",
            state=state,
            exit_code=exit_code,
            started_at=started_at,
            ended_at=ended_at,
            output=str(self.output),
        )

    def verdict(
        self, attempt: Attempt | None, rounds: Rounds | None = None, withheld: Sequence[Path] = ()
    ) -> Verdict:
        return answered(TOOL.verify(self.job, attempt), rounds, [str(path) for path in withheld])


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))


def kind(verdict: Verdict) -> str:
    """Of what is bad at once."""
    assert verdict.finding is Finding.BAD
    assert verdict.failure is not None
    assert verdict.failure.message == verdict.detail
    return verdict.failure.kind


def awaited(verdict: Verdict) -> str:
    """What it will be if nothing more comes to light."""
    assert verdict.finding is Finding.UNCLEAR
    assert verdict.failure is not None
    return verdict.failure.kind


def undecided(verdict: Verdict) -> str:
    """What a person is told who has to decide."""
    assert verdict.finding is Finding.UNCLEAR
    assert verdict.failure is None
    return verdict.detail
