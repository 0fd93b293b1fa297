"""The real torchtune and the real inspect-ai, through both commands, on the example that `make demo` runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.adapters import name_another_base, only
from fakes.home import Home, blocks, harvested, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


def test_the_base_model_fails_and_the_ranks_climb(real_home: Home, real_experiment: Path) -> None:
    jobs = {job["id"]: job for job in real_home.json("status", str(real_experiment))["jobs"]}
    assert {job["state"] for job in jobs.values()} == {"VERIFIED"}
    scores = {id: job["scores"][0]["value"] for id, job in jobs.items() if job["scores"]}
    assert scores["base/capitalization"] == 0.0
    assert 0.6 < scores["rank4/capitalization/epoch1"] < scores["rank8/capitalization/epoch1"]
    assert scores["rank8/capitalization/epoch1"] > 0.9
    assert scores["rank8-adapter/capitalization/epoch1"] > 0.9, "peft applied it to its base model"


def test_merged_weights_have_their_adapter_put_away_and_an_adapter_alone_names_its_base(
    real_home: Home, real_experiment: Path
) -> None:
    """Where both lie together peft applies the adapter twice, and the scores are silently wrong."""
    merged = real_experiment / "rank8" / "artifacts" / "epoch_1"
    assert (merged / "adapter_weights" / "adapter_model.safetensors").exists()
    assert not list(merged.glob("adapter_*.*"))
    alone = real_experiment / "rank8-adapter" / "artifacts"
    assert not (alone / "epoch_1" / "model.safetensors.index.json").exists()
    named = json.loads((alone / "epoch_1" / "adapter_config.json").read_text())["base_model_name_or_path"]
    assert Path(named).samefile(real_experiment / "models" / "tiny-llama")
    assert list(alone.glob("logs/wandb/offline-run-*")), "its steps are logged by Weights & Biases alone"
    assert not list(alone.glob("logs/log_*.txt"))
    jobs = {job["id"]: job for job in real_home.json("status", str(real_experiment))["jobs"]}
    assert [job["warnings"] for job in jobs.values()] == [[]] * len(jobs)


def test_its_logs_hold_every_job(real_home: Home, real_experiment: Path) -> None:
    jobs = {job["id"]: job["slurm_job_id"] for job in real_home.json("status", str(real_experiment))["jobs"]}
    trained = harvested(real_experiment / "run-torchtune.log", "SUBMIT_JOB")
    evaluated = harvested(real_experiment / "run-inspect.log", "SUBMIT_EVAL")
    assert dict(trained + evaluated) == jobs
    assert "EXPERIMENT_COMPLETE" in blocks(real_experiment / "run-experiment.log")[-1]


def test_a_batch_larger_than_the_data_trains_nothing_and_is_not_verified(
    real_home: Home, real_experiment: Path
) -> None:
    """torchtune exits 0 and saves epochs that look complete."""
    experiment = real_home.dir.parent / "nothing-learned"
    only(real_experiment, experiment, "rank8")
    config = experiment / "rank8" / "finetune.yaml"
    config.write_text(config.read_text().replace("batch_size: 16", "batch_size: 2000"))
    assert real_home.runexp("run", str(experiment)).returncode == 4
    job = real_home.json("status", "nothing-learned")["jobs"][0]
    assert (job["state"], job["failure"]["kind"]) == ("UNVERIFIED", "no_steps")
    assert (experiment / "rank8" / "artifacts" / "epoch_1" / "model.safetensors.index.json").exists()


RAISES = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import solver


@solver
def raises():
    async def solve(state, generate):
        raise RuntimeError("the solver raised")
    return solve


@task
def {name}(data_path: str) -> Task:
    return Task(dataset=[Sample(input=w, target=w.upper()) for w in "ab"], solver=raises(), scorer=match(){options})
"""


def test_an_evaluation_that_failed_is_told_by_its_log(real_home: Home, real_experiment: Path) -> None:
    """Its exit code is 0: status error for one, success over no scores for the other. Neither comes to ask its model."""
    experiment = real_home.dir.parent / "failing"
    cells = {"raising": "", "unscored": ", fail_on_error=False"}
    for name, options in cells.items():
        cell = experiment / "base" / "eval" / name
        shutil.copytree(
            real_experiment / "base" / "eval" / "capitalization", cell, ignore=lambda *_: {"logs"}
        )
        (cell / "task.py").write_text(RAISES.format(name=name, options=options))
        script = cell / "cell.slurm"
        script.write_text(re.sub(r"--model hf/\S+", "--model mockllm/model", script.read_text()))
    (experiment / "models").symlink_to(real_experiment / "models")
    (experiment / "words.json").symlink_to(real_experiment / "words.json")
    (experiment / "experiment_summary.yaml").write_text(
        "experiment: {name: failing}\ntools: {evaluation: inspect-ai}\nruns: [{name: base, type: control}]\n"
        "evaluation: {matrix: [{run: base, tasks: [raising, unscored]}]}\n"
    )
    assert real_home.runexp("run", str(experiment)).returncode == 4
    jobs = real_home.json("status", "failing")["jobs"]
    assert [job["attempts"][0]["exit_code"] for job in jobs] == ["0:0", "0:0"]
    assert [job["failure"]["kind"] for job in jobs] == ["eval_error", "not_scored"]
    assert "the solver raised" in jobs[0]["detail"]


def test_a_base_model_that_has_gone_is_told_before_anything_is_evaluated(
    real_home: Home, real_experiment: Path
) -> None:
    experiment = only(real_experiment, real_home.dir.parent / "model-gone", "rank8-adapter")
    config = experiment / "rank8-adapter" / "finetune.yaml"
    config.write_text(config.read_text().replace("max_steps_per_epoch: null", "max_steps_per_epoch: 2"))
    name_another_base(experiment / "rank8-adapter", "/nowhere/tiny-llama")
    assert real_home.runexp("run", str(experiment)).returncode == 4
    jobs = {job["id"]: job for job in real_home.json("status", "model-gone")["jobs"]}
    trained = jobs.pop("rank8-adapter")
    assert trained["failure"]["kind"] == "STALE_LOCAL_BASE_PATH"
    assert {job["state"] for job in jobs.values()} == {"SKIPPED"}


@pytest.mark.timeout(1200)
def test_an_evaluation_that_was_killed_is_finished_by_inspect_and_taken(
    real_home: Home, real_experiment: Path
) -> None:
    """What was scored by then is not scored again. Its script is none that goes on by itself."""
    experiment = only(real_experiment, real_home.dir.parent / "killed", "base")
    cell = experiment / "base" / "eval" / "capitalization"
    script = cell / "cell.slurm"
    slow = script.read_text().replace("--max-connections 100", "--max-connections 4")
    head, _, call = slow.rstrip().partition("\ninspect eval ")
    script.write_text(f"{head}\nfor once in 1; do\ninspect eval {call} &\ndone\necho $! > pid\nwait $!\n")
    real_home.runexp("run", "--detach", str(experiment))
    wait_for(
        lambda: any(re.search(r"Samples: +[1-9]\d/", o.read_text()) for o in cell.glob("slurm-*.out")),
        "ten samples",
        200,
    )
    os.kill(int((cell / "pid").read_text()), signal.SIGKILL)
    wait_for(lambda: real_home.outcome("killed") is not None, "it is over")
    (job,) = real_home.json("status", "killed")["jobs"]
    assert job["failure"]["kind"] == "killed"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    told = re.findall("`(inspect [^`]+)`", " ".join(job["warnings"]))
    assert len(told) == 2
    for command in told:
        subprocess.run(
            command, shell=True, cwd=cell, env=environment, check=True, capture_output=True, timeout=500
        )
    assert real_home.runexp("run", str(experiment)).returncode == 0
    (job,) = real_home.json("status", "killed")["jobs"]
    assert (job["state"], len(job["attempts"])) == ("VERIFIED", 1)
    assert job["detail"] == "100 of 100 samples"


def test_an_experiment_of_ones_own_runs_to_its_report(real_home: Home, real_experiment: Path) -> None:
    """As `runexp init` writes it for a model, data and a task."""
    place = real_home.dir.parent
    words = real_experiment / "words.json"
    (place / "own.py").write_text(
        (real_experiment / "base" / "eval" / "capitalization" / "task.py")
        .read_text()
        .replace("data_path: str,", f"data_path: str = {str(words)!r},")
        .replace("[split]", "[split][:20]")
    )
    made = real_home.runexp(
        *("init", str(place / "own"), "--model", str(real_experiment / "models" / "tiny-llama")),
        *("--data", str(words), "--task", str(place / "own.py"), "--lora-rank", "4", "--epochs", "1"),
        *("--device", "cpu", "--batch-size", "16", "--lr", "2e-3"),
    )
    assert made.returncode == 0, made.stderr
    done = real_home.runexp("run", str(place / "own"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(real_home.states("own").values()) == {"VERIFIED"}
