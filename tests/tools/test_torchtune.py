"""The torchtune module: what proves a checkpoint, how far a training is, what stopped it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.experiments import JOBS, Run, build
from runexp.wire.jobs import JobSpec, Progress, Verdict
from runexpd.hosts.local import LocalHost
from runexpd.runtime.reader import read_experiment
from runexpd.tools import registry
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune import TOOL, parse_progress

SHARD = "model-00001-of-00001.safetensors"


class Trained:
    """A run of two epochs, trained by the stand-in."""

    def __init__(self, dir: Path, job: JobSpec) -> None:
        self.job = job
        self.artifacts = Path(job.workdir) / "artifacts"
        self.output = dir / "slurm-7.out"

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
            "--seconds",
            "0",
            *options,
        ]
        with self.output.open("w") as output:
            done = subprocess.run(command, cwd=self.job.workdir, stdout=output, stderr=output, check=False)
        state = "FAILED" if done.returncode else "COMPLETED"
        code = f"{done.returncode}:0"
        return Attempt(
            slurm_job_id="7",
            state=state,
            exit_code=code,
            started_at=began,
            ended_at=time.time(),
            output=str(self.output),
        )

    async def verdict(self, attempt: Attempt | None) -> Verdict:
        return await TOOL.verify(LocalHost(), self.job, attempt)

    def age(self, *paths: Path) -> None:
        for path in paths:
            os.utime(path, (1.7e9, 1.7e9))


@pytest.fixture
async def trained(tmp_path: Path) -> Trained:
    reading = await read_experiment(
        LocalHost(), str(build(tmp_path, Run("rank8", epochs=2))), registry.load(), False
    )
    return Trained(tmp_path, reading.jobs[0])


def kind(verdict: Verdict) -> str:
    assert not verdict.good
    assert verdict.failure is not None
    return verdict.failure.kind


async def test_whole_epochs_of_this_attempt_are_verified(trained: Trained) -> None:
    verdict = await trained.verdict(trained.train())
    assert verdict.good
    assert verdict.detail == "2 epochs, 8 steps"
    assert verdict.artifacts == (f"{trained.artifacts}/epoch_0", f"{trained.artifacts}/epoch_1")


async def test_a_training_of_an_earlier_time_proves_itself_by_its_own_log(trained: Trained) -> None:
    assert kind(await trained.verdict(None)) == "not_trained"
    attempt = trained.train()
    verdict = await trained.verdict(None)
    assert verdict.good
    assert verdict.begun_at is not None
    assert attempt.started_at is not None
    assert -1 <= verdict.begun_at - attempt.started_at < 20
    trained.age(trained.artifacts / "epoch_1" / SHARD)
    assert "epoch_1 is older" in (await trained.verdict(None)).detail


async def test_a_verified_training_that_was_made_again_by_hand_was_begun_then(trained: Trained) -> None:
    attempt = trained.train()
    before = (await trained.verdict(attempt)).begun_at
    assert before is not None
    log = next((trained.artifacts / "logs").iterdir())
    log.with_name(f"log_{int(before) + 50}.txt").write_text(log.read_text())
    assert (await trained.verdict(attempt)).begun_at == before + 50


async def test_results_of_an_earlier_attempt_are_not_this_ones(trained: Trained) -> None:
    trained.train()
    for path in trained.artifacts.rglob("*"):
        trained.age(path)
    logs = list((trained.artifacts / "logs").iterdir())
    logs[0].rename(logs[0].with_name("log_1700000000.txt"))
    trained.output.write_text("")
    later = Attempt(slurm_job_id="8", state="COMPLETED", started_at=time.time(), output=str(trained.output))
    assert kind(await trained.verdict(later)) == "no_steps"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda epoch: (epoch / SHARD).unlink(), f"lacks {SHARD}"),
        (lambda epoch: (epoch / SHARD).write_bytes((epoch / SHARD).read_bytes()[:-9]), "bytes"),
        (lambda epoch: (epoch / SHARD).write_bytes(b"\xff" * 200), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(b""), "is no whole safetensors file"),
        (lambda epoch: (epoch / "model.safetensors.index.json").write_text("{"), "has a broken index"),
        (lambda epoch: (epoch / "model.safetensors.index.json").write_text('{"weight_map": {}}'), "names no shard"),
        (lambda epoch: (epoch / "model.safetensors.index.json").write_text('{"weight_map": {"w": "../x"}}'), "names no shard"),
        (lambda epoch: (epoch / "model.safetensors.index.json").unlink(), "holds no model"),
        (lambda epoch: epoch.rename(epoch.with_name("gone")), "is missing"),
    ],
)  # fmt: skip
async def test_what_is_not_whole_is_named(
    trained: Trained, damage: Callable[[Path], object], said: str
) -> None:
    attempt = trained.train()
    damage(trained.artifacts / "epoch_1")
    verdict = await trained.verdict(attempt)
    assert kind(verdict) == "checkpoint"
    assert verdict.detail.startswith("epoch_1 ")
    assert said in verdict.detail


async def test_adapter_weights_alone_can_not_be_evaluated(trained: Trained) -> None:
    attempt = trained.train()
    for epoch in (0, 1):
        for file in (trained.artifacts / f"epoch_{epoch}").glob("model*"):
            file.unlink()
        (trained.artifacts / f"epoch_{epoch}" / "adapter_model.safetensors").write_text("")
    assert "save_adapter_weights_only" in (await trained.verdict(attempt)).detail


async def test_no_step_is_no_training(trained: Trained) -> None:
    assert kind(await trained.verdict(trained.train("--fate", "no_steps"))) == "no_steps"


async def test_without_a_disk_log_the_output_tells_the_steps(trained: Trained) -> None:
    attempt = trained.train()
    for log in (trained.artifacts / "logs").iterdir():
        log.unlink()
    assert (await trained.verdict(attempt)).good


async def test_an_adapter_that_would_be_applied_twice_is_warned_of(trained: Trained, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    cell = Path(trained.job.workdir) / "eval" / "words_epoch0" / "cell.slurm"
    cell.write_text(cell.read_text() + f"source {environment}/bin/activate\n")
    reading = await read_experiment(LocalHost(), str(tmp_path), registry.load(), False)
    trained.job = reading.jobs[0]
    attempt = trained.train()
    (trained.artifacts / "epoch_0" / "adapter_config.json").write_text("{}")
    assert (await trained.verdict(attempt)).warnings == ()
    (environment / "lib/python3.11/site-packages/peft").mkdir(parents=True)
    (environment / "lib/python3.11/site-packages/peft/__init__.py").touch()
    (warning,) = (await trained.verdict(attempt)).warnings
    assert f"{environment} has peft" in warning


async def test_a_failed_job_says_why(trained: Trained) -> None:
    verdict = await trained.verdict(trained.train("--fate", "bad_config"))
    assert kind(verdict) == "bad_config"
    assert verdict.detail == "omegaconf.errors.ConfigAttributeError: Missing key epochs"
    timeout = Attempt(slurm_job_id="7", state="TIMEOUT", started_at=time.time(), output=str(trained.output))
    assert kind(await trained.verdict(timeout)) == "timeout"
    unopened = Attempt(slurm_job_id="7", state="FAILED", exit_code="0:53", output="/none/slurm-7.out")
    assert kind(await trained.verdict(unopened)) == "no_output_directory"


async def test_out_of_gpu_memory_has_a_remedy_until_the_batch_is_one(trained: Trained) -> None:
    verdict = await trained.verdict(trained.train("--fate", "cuda_oom"))
    assert kind(verdict) == "cuda_out_of_memory"
    assert verdict.remedy is not None
    assert verdict.remedy.values == {"batch_size": 8, "gradient_accumulation_steps": 2}
    config = Path(trained.job.workdir) / "finetune.yaml"
    config.write_text(config.read_text().replace("batch_size: 16", "batch_size: 5"))
    assert (await trained.verdict(trained.train("--fate", "cuda_oom"))).remedy is None


#: Cut from a real run: nested bars, carriage returns and escapes.
BARS = (
    "\r2|63|Loss: 0.6300067901611328:   2%|▏         | 1/62 [00:00<00:01, 57.37it/s]\x1b[A\n\r"
    "2|64|Loss: 0.5900067901611328:   3%|▎         | 2/62 [00:00<00:01, 57.37it/s]\x1b[A\n\n"
    "  2%|▏         | 1/62 [00:00<00:01, 57.37it/s]\n"
)


def test_progress_is_that_of_the_last_bar() -> None:
    assert parse_progress(BARS, 2) == Progress(
        epoch=1, epochs=2, done=64, total=124, unit="steps", loss=0.5900067901611328
    )
    assert parse_progress("1|7|Loss: nan:  50%|#| 7/14 [", None) == Progress(epoch=0, done=7)
    assert parse_progress("Writing logs to x\n", 2) is None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "cuda_out_of_memory"),
        ("RuntimeError: CUDA out of memory. Tried", "cuda_out_of_memory"),
        ("RuntimeError: [enforce fail] DefaultCPUAllocator: can't allocate memory", "host_out_of_memory"),
        ("omegaconf.errors.InterpolationKeyError: Interpolation key 'nosuch' not found", "bad_config"),
        ("TypeError: lora_llama3_2() got an unexpected keyword argument 'nosuch_arg'", "bad_config"),
        ("Are you sure that 'nosuch' is importable from module 'torchtune.models'?", "bad_config"),
        ("ValueError: No file with name: nosuch.safetensors found in /m", "missing_model"),
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/nonexistent/config.json'",
            "missing_model",
        ),
        ("FileNotFoundError: Unable to find '/nonexistent.json'", "missing_data"),
        ("/var/spool/slurm/script: line 9: tune: command not found", "missing_command"),
        ("finetune.slurm: line 4: /no/bin/activate: No such file or directory", "missing_command"),
        ("ZeroDivisionError: division by zero", "exception"),
    ],
)
def test_failures_are_told_apart(said: str, kind: str) -> None:
    failure = TOOL.classify(
        f"Traceback (most recent call last):\n  File x\n{said}\n\r1|2|Loss: 0.5: 3%|#| 2/62 ["
    )
    assert failure is not None
    assert failure.kind == kind
    assert failure.message == said


def test_an_output_that_says_nothing_is_no_class() -> None:
    assert TOOL.classify("all is well\n") is None
