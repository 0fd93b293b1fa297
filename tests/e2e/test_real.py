"""The real torchtune and the real inspect-ai, through both commands, on the example that `make demo` runs."""

import shutil
from pathlib import Path

import pytest

from fakes.adapters import save_adapters_alone
from fakes.home import Home, blocks, harvested

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


def test_the_base_model_fails_and_the_ranks_climb(real_home: Home, real_experiment: Path) -> None:
    jobs = {job["id"]: job for job in real_home.json("status", str(real_experiment))["jobs"]}
    assert {job["state"] for job in jobs.values()} == {"VERIFIED"}
    scores = {id: job["scores"][0]["value"] for id, job in jobs.items() if job["scores"]}
    assert scores["base/capitalization"] == 0.0
    assert 0.6 < scores["rank4/capitalization/epoch1"] < scores["rank8/capitalization/epoch1"]
    assert scores["rank8/capitalization/epoch1"] > 0.9


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
    shutil.copytree(
        real_experiment, experiment, ignore=lambda _, names: {"artifacts", "base", "rank4"} & set(names)
    )
    summary = experiment / "experiment_summary.yaml"
    lines = summary.read_text().replace("capitalization-tiny", "nothing-learned").splitlines()
    summary.write_text("\n".join(line for line in lines if "base" not in line and "rank4" not in line) + "\n")
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
    """Its exit code is 0: status error for one, success over no scores for the other."""
    experiment = real_home.dir.parent / "failing"
    cells = {"raising": "", "unscored": ", fail_on_error=False"}
    for name, options in cells.items():
        cell = experiment / "base" / "eval" / name
        shutil.copytree(
            real_experiment / "base" / "eval" / "capitalization", cell, ignore=lambda *_: {"logs"}
        )
        (cell / "task.py").write_text(RAISES.format(name=name, options=options))
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


def adapter_only(real_experiment: Path, experiment: Path, base: Path) -> None:
    """The example's second rank alone, of which only the adapter is saved."""
    shutil.copytree(
        real_experiment, experiment, ignore=lambda _, names: {"artifacts", "base", "rank4"} & set(names)
    )
    for log in (*experiment.glob("run-*.log"), *experiment.glob("rank8/eval/*/logs")):
        log.unlink() if log.is_file() else shutil.rmtree(log)
    summary = experiment / "experiment_summary.yaml"
    lines = summary.read_text().replace("capitalization-tiny", experiment.name).splitlines()
    summary.write_text("\n".join(line for line in lines if "base" not in line and "rank4" not in line) + "\n")
    save_adapters_alone(experiment / "rank8", base)


def test_an_adapter_alone_is_a_whole_epoch_and_is_evaluated(real_home: Home, real_experiment: Path) -> None:
    experiment = real_home.dir.parent / "adapter-only"
    adapter_only(real_experiment, experiment, real_experiment / "models" / "tiny-llama")
    real_home.runexp("run", str(experiment))
    jobs = {job["id"]: job for job in real_home.json("status", "adapter-only")["jobs"]}
    epoch = experiment / "rank8" / "artifacts" / "epoch_1"
    assert (epoch / "adapter_model.safetensors").exists()
    assert not (epoch / "model.safetensors.index.json").exists()
    assert (jobs["rank8"]["state"], jobs["rank8"]["warnings"]) == ("VERIFIED", [])
    cells = [job for id, job in jobs.items() if id != "rank8"]
    assert [len(job["attempts"]) for job in cells] == [1, 1], "its evaluations were submitted"


def test_a_base_model_that_has_gone_is_told_before_anything_is_evaluated(
    real_home: Home, real_experiment: Path
) -> None:
    experiment = real_home.dir.parent / "model-gone"
    adapter_only(real_experiment, experiment, Path("/nowhere/tiny-llama"))
    assert real_home.runexp("run", str(experiment)).returncode == 4
    jobs = {job["id"]: job for job in real_home.json("status", "model-gone")["jobs"]}
    assert jobs["rank8"]["failure"]["kind"] == "stale_base_path"
    assert {job["state"] for id, job in jobs.items() if id != "rank8"} == {"SKIPPED"}
