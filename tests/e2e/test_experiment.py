"""Whole experiments through both commands: real processes, fast stand-ins for the tools."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions, print_to, write_run
from fakes.home import BIN, Home, blocks, harvested, wait_for
from runexpd.clusters.local import processes

ALL = ["base/words", "rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0", "rank8/words_epoch1"]
CELLS = ["base/words", "rank4/words/epoch0", "rank8/words/epoch0", "rank8/words/epoch1"]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.start()
    yield home
    home.stop()


@pytest.fixture
def dir(tmp_path: Path) -> Path:
    return tmp_path / "exp"


def test_an_experiment_is_trained_evaluated_and_reported(home: Home, dir: Path) -> None:
    done = home.runexp("run", str(build(dir)))
    assert done.returncode == 0, done.stderr
    assert executions(dir) == ALL
    assert set(home.states("words").values()) == {"VERIFIED"}
    scores = [line.split("|")[1:4] for line in done.stdout.splitlines() if line.startswith("| rank8 ")][:2]
    assert [[cell.strip() for cell in row][:2] for row in scores] == [["rank8", "0"], ["rank8", "1"]]
    assert ["0.250" in scores[0][2], "0.500" in scores[1][2]] == [True, True]


def test_the_run_logs_say_each_thing_once_and_in_order(home: Home, dir: Path) -> None:
    home.runexp("run", str(build(dir)))
    actions = {name: [b.split(":")[0] for b in blocks(dir / f"run-{name}.log")] for name in LOGS}
    assert actions["experiment"] == [
        "DISCOVER_EXPERIMENT",
        "VERIFY_SCAFFOLDING",
        "RUN_OPTIMIZATION",
        "OPTIMIZATION_COMPLETE",
        "BARRIER",
        "RUN_EVALUATION",
        "EVALUATION_COMPLETE",
        "EXPERIMENT_COMPLETE",
    ]
    assert [actions["torchtune"][0], actions["torchtune"][-1]] == ["IDENTIFY_RUNS", "ALL_COMPLETE"]
    assert actions["inspect"][:2] == ["VERIFY_FINETUNING", "IDENTIFY_EVALS"]
    assert actions["inspect"].count("ALL_SUBMITTED") == 1
    for name, count in (("torchtune", 2), ("inspect", 4)):
        assert actions[name].count("COMPUTE_UTILIZATION") == count
        checks = [b for b in blocks(dir / f"run-{name}.log") if b.startswith("STATUS_CHECK: words")]
        assert f"Result: {count} jobs: " in checks[-1]
    jobs = {job["id"]: job["slurm_job_id"] for job in home.json("status", "words")["jobs"]}
    found = harvested(dir / "run-torchtune.log", "SUBMIT_JOB") + harvested(
        dir / "run-inspect.log", "SUBMIT_EVAL"
    )
    assert dict(found) == jobs
    assert len(found) == len(jobs)


LOGS = ("experiment", "torchtune", "inspect")


def test_a_log_that_is_deleted_is_written_again(home: Home, dir: Path) -> None:
    home.runexp("run", str(build(dir)))
    log = dir / "run-torchtune.log"
    before = log.read_text()
    log.unlink()
    home.runexp("run", str(dir))
    wait_for(lambda: log.exists() and log.read_text().startswith(before), "the log is written again")


def test_what_somebody_else_wrote_into_a_log_stays(home: Home, dir: Path) -> None:
    build(dir)
    (dir / "run-experiment.log").write_text("older\n")
    home.runexp("run", str(dir))
    assert (dir / "run-experiment.log").read_text().startswith("older\n[")


def test_running_again_submits_nothing_and_says_why(home: Home, dir: Path) -> None:
    home.runexp("run", str(build(dir)))
    again = home.runexp("run", str(dir))
    assert again.returncode == 0
    assert "nothing is submitted" in again.stderr
    assert executions(dir) == ALL
    assert [line["decision"] for line in home.json("plan", str(dir))["lines"]] == ["skip"] * 6


def test_a_forgotten_ledger_finds_what_lies_on_disk(tmp_path: Path, dir: Path) -> None:
    for name in ("first", "second"):
        home = Home(tmp_path / name)
        home.start()
        done = home.runexp("run", str(build(dir)))
        home.stop()
        assert done.returncode == 0
    assert executions(dir) == ALL


def test_a_plan_changes_nothing(home: Home, dir: Path) -> None:
    build(dir)
    before = sorted(dir.rglob("*"))
    lines = home.json("plan", str(dir))["lines"]
    assert [line["decision"] for line in lines] == ["submit"] * 6
    assert sorted(dir.rglob("*")) == before
    assert home.events() == []


def test_one_broken_config_leaves_the_others_to_be_evaluated_and_can_be_mended(home: Home, dir: Path) -> None:
    build(dir, Run("base", epochs=0), Run("rank4", fate="bad_config"), Run("rank8"))
    done = home.runexp("run", str(dir))
    assert done.returncode == 3
    assert "rank4: FAILED (bad_config): omegaconf.errors.ConfigAttributeError" in done.stdout
    assert f"output: {dir}/rank4/artifacts/slurm-" in done.stdout
    assert "rank4/words/epoch0: no checkpoint: rank4 is FAILED" in done.stdout
    assert executions(dir) == ["base/words", "rank4", "rank8", "rank8/words_epoch0"]

    write_run(dir, Run("rank4"))
    assert home.runexp("run", str(dir)).returncode == 3, "running again is no retry"
    assert home.runexp("retry", "words").returncode == 0
    ran_again = ["rank4", "rank4/words_epoch0"]
    assert executions(dir) == sorted(["base/words", "rank4", "rank8", "rank8/words_epoch0", *ran_again])


def test_if_all_are_broken_no_evaluation_is_submitted(home: Home, dir: Path) -> None:
    build(dir, Run("base", epochs=0), Run("rank4", fate="bad_config"), Run("rank8", fate="bad_config"))
    assert home.runexp("run", str(dir)).returncode == 4
    assert executions(dir) == ["rank4", "rank8"]


@pytest.mark.parametrize(
    ("fate", "kind"),
    [
        ("error", "eval_error"),
        ("no_scores", "not_scored"),
        ("started", "eval_started"),
        ("no_log", "missing_model"),
    ],
)
def test_the_log_decides_whether_an_evaluation_is_good(home: Home, dir: Path, fate: str, kind: str) -> None:
    build(dir, Run("rank4", eval_fate=fate))
    assert home.runexp("run", str(dir)).returncode == 3
    job = home.json("status", "words")["jobs"][1]
    assert job["failure"]["kind"] == kind


def test_some_samples_only_is_good_with_a_warning(home: Home, dir: Path) -> None:
    build(dir, Run("rank4", eval_fate="partial"))
    assert home.runexp("run", str(dir)).returncode == 0
    assert home.json("status", "words")["jobs"][1]["warnings"] == ["only 8 of 10 samples were completed"]


@pytest.mark.parametrize(
    ("fate", "said"), [("no_steps", "trained no step"), ("truncated", "has 100 of 132 bytes")]
)
def test_a_checkpoint_that_proves_nothing_is_not_verified(
    home: Home, dir: Path, fate: str, said: str
) -> None:
    build(dir, Run("rank4", fate=fate))
    assert home.runexp("run", str(dir)).returncode == 4
    job = home.json("status", "words")["jobs"][0]
    assert job["state"] == "UNVERIFIED"
    assert said in job["detail"] or fate == "truncated"


def test_an_epoch_that_an_earlier_training_left_is_not_verified(home: Home, dir: Path) -> None:
    build(dir, Run("rank8", epochs=2))
    assert home.runexp("run", str(dir)).returncode == 0
    for old in [*dir.glob("rank8/artifacts/epoch_1/*"), *dir.glob("rank8/artifacts/logs/*")]:
        os.utime(old, (1.7e9, 1.7e9))
    (dir / "rank8" / "artifacts" / "epoch_0" / "model-00001-of-00001.safetensors").unlink()
    assert home.runexp("run", str(dir)).returncode == 4
    (dir / "rank8" / "finetune.slurm").write_text(
        (dir / "rank8" / "finetune.slurm")
        .read_text()
        .replace("exec python3", "sed -i 's/epochs: 2/epochs: 1/' finetune.yaml; python3")
        + "sed -i 's/epochs: 1/epochs: 2/' finetune.yaml artifacts/torchtune_config.yaml\n"
    )
    assert home.runexp("retry", "words").returncode == 4
    job = home.json("status", "words")["jobs"][0]
    assert (job["state"], job["detail"]) == (
        "UNVERIFIED",
        "epoch_1 is older than this training: an earlier one left it",
    )


def test_out_of_gpu_memory_is_tried_with_a_smaller_batch(home: Home, dir: Path) -> None:
    build(dir, Run("rank4", fate="cuda_oom"))
    assert home.runexp("run", str(dir)).returncode == 0
    config = (dir / "rank4" / "finetune.yaml").read_text()
    assert "batch_size: 4  # as large as fits\n" in config
    assert "gradient_accumulation_steps: 4\n" in config
    assert executions(dir) == ["rank4", "rank4", "rank4", "rank4/words_epoch0"]
    assert sum(b.startswith("OOM_RETRY: rank4") for b in blocks(dir / "run-torchtune.log")) == 2


def test_cancel_ends_every_process_of_every_job(home: Home, dir: Path) -> None:
    build(dir, Run("rank4", fate="children"), Run("rank8", fate="children"), Run("base", epochs=0))
    home.runexp("run", "--detach", str(dir))
    outputs = [dir / run / "artifacts" for run in ("rank4", "rank8")]
    wait_for(
        lambda: all("hidden" in "".join(f.read_text() for f in o.glob("slurm*")) for o in outputs), "all run"
    )
    jobs = list((home.dir / "state" / "local" / "jobs").iterdir())
    assert all(len(processes.marked(job)) >= 2 for job in jobs)
    assert home.runexp("cancel", "words", "--yes").returncode == 0
    wait_for(lambda: home.outcome("words") == "cancelled", "it is cancelled")
    assert home.states("words") == {
        "rank4": "CANCELLED",
        "rank8": "CANCELLED",
        "rank4/words/epoch0": "SKIPPED",
        "rank8/words/epoch0": "SKIPPED",
        "base/words": "SKIPPED",
    }
    assert [processes.marked(job) for job in jobs] == [set(), set()]
    assert home.runexp("report", "words").returncode == 5


def test_optimize_only_and_later_the_rest(home: Home, dir: Path) -> None:
    build(dir)
    for cell in dir.glob("*/eval"):
        subprocess.run(["rm", "-r", cell], check=True)
    refused = home.runexp("run", str(dir))
    assert refused.returncode == 1
    assert "base/eval/words/cell.slurm" in refused.stderr
    assert "--optimize-only" in refused.stderr
    assert home.runexp("run", "--optimize-only", str(dir)).returncode == 0
    assert executions(dir) == ["rank4", "rank8"]
    assert home.runexp("run", str(build(dir))).returncode == 0
    assert executions(dir) == ALL


def test_both_layouts_may_mix(home: Home, dir: Path) -> None:
    build(dir, Run("base", epochs=0), Run("rank8", epochs=2, older_layout=True))
    assert home.runexp("run", str(dir)).returncode == 0
    jobs = {job["id"]: job for job in home.json("status", "words")["jobs"]}
    assert [s["value"] for e in (0, 1) for s in jobs[f"rank8/words/epoch{e}"]["scores"]] == [0.25, 0.5]
    assert "rank8/eval/logs/" in jobs["rank8/words/epoch0"]["artifacts"][0]


def test_a_running_experiment_is_to_be_attached_to(home: Home, dir: Path) -> None:
    build(dir, Run("rank4", seconds=60))
    home.runexp("run", "--detach", str(dir))
    again = home.runexp("run", str(dir))
    assert again.returncode == 1
    assert "words is running already" in again.stderr
    assert "runexp attach words" in again.stderr
    assert home.runexp("report", "words").returncode == 6
    home.runexp("cancel", "words", "--yes")
    wait_for(lambda: home.outcome("words") is not None, "it is cancelled")


def test_names_that_mean_nothing_or_too_much(home: Home, tmp_path: Path) -> None:
    for place in ("a", "b"):
        home.runexp("run", str(build(tmp_path / place, Run("base", epochs=0))))
    ambiguous = home.runexp("attach", "words")
    assert ambiguous.returncode == 1
    assert "2 experiments" in ambiguous.stderr
    assert home.runexp("attach", str(tmp_path / "a")).returncode == 0
    unknown = home.runexp("status", "nosuch")
    assert (unknown.returncode, "no experiment is called nosuch" in unknown.stderr) == (1, True)


def test_detaching_leaves_the_jobs_alone(home: Home, dir: Path) -> None:
    build(dir, Run("rank4", seconds=1.0))
    with subprocess.Popen(
        [BIN / "runexp", "run", dir],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as client:
        wait_for(lambda: executions(dir) == ["rank4"], "it runs")
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=20)
    assert client.returncode == 6
    assert "Come back: runexp attach words" in said
    assert home.runexp("attach", "words").returncode == 0


def test_events_are_followed_as_json_lines(home: Home, dir: Path) -> None:
    lines = [json.loads(line) for line in home.runexp("run", str(build(dir)), "--json").stdout.splitlines()]
    assert [line["seq"] for line in lines[:-1]] == list(range(2, len(lines) + 1))
    assert lines[-1]["outcome"] == "succeeded"


def test_the_output_of_a_job_can_be_read(home: Home, dir: Path) -> None:
    print_to(build(dir) / "rank8" / "finetune.slurm", "artifacts/%u-%N-%j.out")
    home.runexp("run", str(dir))
    assert "Loss:" in home.runexp("logs", "words", "rank8").stdout
    assert home.runexp("logs", "words", "rank4").returncode == 0
    assert "EXPERIMENT_COMPLETE" in home.runexp("logs", "words").stdout
    assert len(home.runexp("logs", "words", "rank8", "--tail", "10").stdout) == 10


def test_a_refused_script_fails_and_the_others_go_on(home: Home, dir: Path) -> None:
    build(dir)
    script = dir / "rank4" / "finetune.slurm"
    script.write_text(script.read_text().replace("#SBATCH --time=10", "#SBATCH --nodes=2"))
    done = home.runexp("run", str(dir))
    assert done.returncode == 3
    assert "rank4: SUBMIT_FAILED" in done.stdout
    assert "--nodes=2" in done.stdout


def test_a_second_daemon_is_turned_away(home: Home) -> None:
    second = subprocess.run(
        [BIN / "runexpd"], env=home.environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert second.returncode == 1
    assert "locked by another runexpd" in second.stderr
    assert "Traceback" not in second.stderr
    assert home.runexp("daemon").returncode == 0


def test_without_a_daemon_the_client_says_how_to_start_it(tmp_path: Path) -> None:
    asked = Home(tmp_path / "nobody").runexp("status")
    assert asked.returncode == 7
    assert "runexpd isn't running" in asked.stderr
    assert "RUNEXP_HOME" in asked.stderr
