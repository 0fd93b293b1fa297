"""A real inspect-ai that is killed in the middle goes on by itself: locally, and on a real Slurm."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from fakes.home import Home, blocks, wait_for
from fakes.remote import Remote

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

TASK = """
import asyncio
from pathlib import Path
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput
from inspect_ai.scorer import match
from inspect_ai.solver import solver

# mockllm is never asked: nothing is fetched to count its tokens.
@solver
def answer():
    async def solve(state, generate):
        # While its log is the only one, most is done, and the rest never is.
        is_first = len(list(Path("logs").glob("*.eval"))) == 1
        await asyncio.sleep(600 if is_first and state.sample_id > 25 else 0.1)
        with open({scored!r}, "a") as scored:
            scored.write(f"{{state.sample_id}}\\n")
        state.output = ModelOutput.from_content("mockllm", "x")
        state.completed = True
        return state
    return solve

@task
def words():
    return Task(dataset=[Sample(id=n, input="x", target="x") for n in range(1, 41)], solver=answer(), scorer=match())
"""
SCRIPT = """#!/bin/bash
#SBATCH --time={minutes}
#SBATCH --output=slurm-%j.out
source {environment}/bin/activate
# It waits, for one sample after another: if it is killed, most are done.
inspect eval task.py --model mockllm/model --max-samples 1 --display plain --log-dir ./logs &
echo $! > pid
wait $!
"""
SUMMARY = """experiment: {name: slow}
tools: {evaluation: inspect-ai}
runs: [{name: base, type: control}]
evaluation: {matrix: [{run: base, tasks: [words]}]}
"""


def scaffolded(dir: Path, environment: Path, minutes: int = 5) -> Path:
    """One evaluation of forty samples, that stands still after the twenty-fifth."""
    cell = dir / "base" / "eval" / "words"
    cell.mkdir(parents=True)
    (dir / "experiment_summary.yaml").write_text(SUMMARY)
    (cell / "task.py").write_text(TASK.format(scored=str(cell / "scored")))
    (cell / "cell.slurm").write_text(SCRIPT.format(environment=environment, minutes=minutes))
    return cell


def scored(cell: Path) -> list[int]:
    path = cell / "scored"
    return [int(line) for line in path.read_text().splitlines()] if path.exists() else []


def check(cell: Path, job: dict[str, object], said: str) -> None:
    """It went on, and no sample that was finished was made again: at most the one that was under way."""
    assert job["state"] == "VERIFIED", job
    told = re.fullmatch(r"40 of 40 samples; (\d+) of them of an attempt that was killed", str(job["detail"]))
    assert told
    assert 24 <= int(told[1]) <= 26
    assert set(scored(cell)) == set(range(1, 41))
    assert len(scored(cell)) <= 41
    assert cell.joinpath("cell.slurm").read_text().count("eval-retry") == 0
    assert "runexp: it was killed, and goes on: inspect eval-retry ./logs/" in said


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home", "local: {results_seconds: 1}\n")
    home.start()
    yield home
    home.stop()


def killed(home: Home, cell: Path) -> dict[str, Any]:
    """The job, after a signal in the middle, and its end."""
    assert home.runexp("run", "--detach", str(cell.parents[2])).returncode == 0
    wait_for(lambda: len(scored(cell)) >= 25, "most are done", 100)
    os.kill(int((cell / "pid").read_text()), signal.SIGKILL)
    wait_for(lambda: home.outcome("slow") is not None, "it is over", 200)
    (job,) = home.json("status", "slow")["jobs"]
    return dict(job)


@pytest.mark.long
def test_where_the_function_gets_lost_it_says_that_all_was_made_anew(home: Home, tmp_path: Path) -> None:
    """As where a site's sbatch hands on no functions."""
    cell = scaffolded(tmp_path / "exp", Path(sys.prefix))
    script = cell / "cell.slurm"
    script.write_text(script.read_text().replace("source", "unset -f inspect\nsource"))
    job = killed(home, cell)
    assert job["detail"] == "40 of 40 samples; all of them made anew, though some were finished before"
    assert len(scored(cell)) > 60


def test_locally_by_a_signal(home: Home, tmp_path: Path) -> None:
    cell = scaffolded(tmp_path / "exp", Path(sys.prefix))
    job = killed(home, cell)
    first, second = job["attempts"]
    check(cell, job, (cell / f"slurm-{second['slurm_job_id']}.out").read_text())
    begun, finished = sorted(cell.glob("logs/*.eval"))
    assert (first["resumed_from"], second["resumed_from"]) == ("", str(begun))
    assert job["artifacts"] == [str(finished)]
    assert any(block.startswith("EVAL_RESUME") for block in blocks(tmp_path / "exp" / "run-inspect.log"))
    assert "an attempt that was killed" in home.runexp("report", "slow").stdout


@pytest.mark.long
def test_on_slurm_by_its_time_limit(slurm: Cluster, environment: Path, tmp_path: Path) -> None:
    """Most is done by then: what is left fits into the same time again."""
    remote = Remote(tmp_path / "home", slurm)
    cell = scaffolded(slurm.home / "slow", environment, minutes=1)
    remote.give(slurm.home / "slow")
    remote.start()
    try:
        assert remote.run(slurm.home / "slow", "--detach").returncode == 0
        wait_for(lambda: remote.outcome("slow") is not None, "it is over", 350)
        (job,) = remote.json("status", "slow")["jobs"]
        assert [attempt["state"] for attempt in job["attempts"]] == ["TIMEOUT", "COMPLETED"], job
        check(cell, job, (cell / f"slurm-{job['attempts'][1]['slurm_job_id']}.out").read_text())
        assert remote.slurm_jobs() == dict.fromkeys(remote.accepted(), 1)
    finally:
        remote.stop()
