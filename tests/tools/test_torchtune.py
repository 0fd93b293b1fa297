"""The torchtune module: what an attempt's results prove, and what stopped it."""

import json
import os
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fakes.evidence import Rounds, answered
from runexp.wire.jobs import Finding, Progress
from runexpd.hosts.base import ReadPart
from runexpd.tools.torchtune import TOOL
from runexpd.tools.torchtune_steps import progress
from runexpd.tools.torchtune_verdict import DIVERGED
from tools.trainings import INDEX, SHARD, Trained, age, awaited, kind, undecided


def test_whole_epochs_of_this_attempt_are_verified(trained: Trained) -> None:
    verdict = trained.verdict(trained.train())
    assert verdict.finding is Finding.GOOD
    assert verdict.detail == "2 epochs, 8 steps"
    assert verdict.artifacts == (f"{trained.artifacts}/epoch_0", f"{trained.artifacts}/epoch_1")
    assert verdict.warnings == ()


def test_a_verified_training_that_was_made_again_by_hand_was_begun_then(trained: Trained) -> None:
    attempt = trained.train()
    before = trained.verdict(attempt).begun_at
    assert before is not None
    trained.log.with_name(f"log_{int(before) + 50}.txt").write_text(trained.log.read_text())
    assert trained.verdict(attempt).begun_at == before + 50


def test_results_of_an_earlier_attempt_are_not_this_ones(trained: Trained) -> None:
    trained.train()
    age(*trained.artifacts.rglob("*"))
    trained.log.rename(trained.log.with_name("log_1700000000.txt"))
    trained.output.write_text("")
    verdict = trained.verdict(trained.attempt(started_at=time.time()))
    assert awaited(verdict) == "checkpoint"
    assert "epoch_0 is older than this training" in verdict.detail


def old_and_cut(shard: Path) -> None:
    shard.write_bytes(b"cut")
    age(shard)


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda epoch: (epoch / SHARD).unlink(), f"lacks {SHARD}"),
        (lambda epoch: (epoch / INDEX).unlink(), "holds no model"),
        (lambda epoch: epoch.rename(epoch.with_name("gone")), "is missing"),
        (lambda epoch: age(epoch / SHARD), "is older than this training: an earlier one left it"),
        (lambda epoch: old_and_cut(epoch / SHARD), "is older than this training"),
    ],
)  # fmt: skip
def test_what_is_not_there_yet_is_waited_for(
    trained: Trained, damage: Callable[[Path], object], said: str
) -> None:
    attempt = trained.train()
    damage(trained.epoch(1))
    verdict = trained.verdict(attempt)
    assert awaited(verdict) == "checkpoint"
    assert verdict.detail.startswith("epoch_1 ")
    assert said in verdict.detail


def tensors(*spans: tuple[int, int], data: int = 64) -> bytes:
    header = json.dumps(
        {f"w{n}": {"dtype": "F32", "shape": [1], "data_offsets": span} for n, span in enumerate(spans)}
    )
    return struct.pack("<Q", len(header)) + header.encode() + bytes(data)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda epoch: (epoch / SHARD).write_bytes((epoch / SHARD).read_bytes()[:-9]), "bytes"),
        (lambda epoch: (epoch / SHARD).write_bytes(b"\xff" * 200), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(b""), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(struct.pack("<Q", 2) + b"{}"), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(struct.pack("<Q", 19) + b'{"__metadata__":{}}'), "is no whole"),
        (lambda epoch: (epoch / SHARD).write_bytes(tensors((-8, 64))), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(tensors((0, 48), (16, 64))), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(tensors((0, 16), (32, 64))), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(tensors((0, 0), data=0)), "is no whole safetensors file"),
        (lambda epoch: (epoch / SHARD).write_bytes(tensors((0, 2**70))), "bytes"),
        (lambda epoch: (epoch / SHARD).write_bytes(struct.pack("<Q", 90_000) + b"[" * 90_000), "is no whole"),
        (lambda epoch: (epoch / INDEX).write_text("{"), "has a broken index"),
        (lambda epoch: (epoch / INDEX).write_text("[" * 100_000), "has a broken index"),
        (lambda epoch: (epoch / INDEX).write_text('{"weight_map": {}}'), "names no shard"),
        (lambda epoch: (epoch / INDEX).write_text('{"weight_map": {"w": "../x"}}'), "names no shard"),
        (lambda epoch: (epoch / INDEX).write_text(" " * 9_000_000), "too large to be read"),
        (lambda epoch: ((epoch / INDEX).unlink(), (epoch / INDEX).mkdir()), "has an index that is no regular file"),
        (lambda epoch: fifo(epoch / SHARD), "is no regular file"),
    ],
)  # fmt: skip
def test_what_is_not_whole_is_named(trained: Trained, damage: Callable[[Path], object], said: str) -> None:
    attempt = trained.train()
    damage(trained.epoch(1))
    verdict = trained.verdict(attempt)
    assert kind(verdict) == "checkpoint"
    assert verdict.detail.startswith("epoch_1 ")
    assert said in verdict.detail


def test_no_step_is_no_training(trained: Trained) -> None:
    assert kind(trained.verdict(trained.train("--fate", "no_steps"))) == "no_steps"


def test_without_a_disk_log_the_output_tells_the_steps(trained: Trained) -> None:
    attempt = trained.train()
    trained.log.unlink()
    assert trained.verdict(attempt).detail == "2 epochs, 8 steps"


def test_where_the_output_went_elsewhere_the_console_that_wandb_keeps_tells_the_steps(
    trained: Trained,
) -> None:
    attempt = trained.train()
    trained.log.unlink()
    kept = trained.artifacts / "logs" / "wandb" / "latest-run" / "files" / "output.log"
    kept.parent.mkdir(parents=True)
    trained.output.rename(kept)
    assert trained.verdict(attempt).detail == "2 epochs, 8 steps"
    age(kept)
    assert trained.verdict(attempt).detail == "2 epochs"


def test_whole_new_epochs_without_a_sign_of_steps_are_good_with_a_warning(trained: Trained) -> None:
    verdict = trained.verdict(trained.train("--fate", "silent"))
    assert verdict.finding is Finding.GOOD
    assert verdict.warnings == (
        f"no sign of a training step: not in {trained.artifacts}/logs, not in slurm-7.out",
    )


@pytest.mark.parametrize("loss", ["nan", "inf"])
def test_a_loss_that_is_no_number_in_the_end_is_warned_of(trained: Trained, loss: str) -> None:
    attempt = trained.train()
    with trained.log.open("a") as log:
        log.write(f"Step 8 | loss:{loss} lr:0.0003 \n")
    assert trained.verdict(attempt).finding is Finding.GOOD
    assert trained.verdict(attempt).warnings == (DIVERGED,)
    trained.log.unlink()
    trained.output.write_text(f"2|8|Loss: {loss}: 100%|##| 4/4 [00:01<00:00]\n")
    assert trained.verdict(attempt).warnings == (DIVERGED,)


def test_one_that_was_no_number_and_is_again_is_not(trained: Trained) -> None:
    attempt = trained.train()
    with trained.log.open("a") as log:
        log.write("Step 8 | loss:nan lr:0.0003 \nStep 9 | loss:0.5 lr:0.0003 \n")
    assert trained.verdict(attempt).warnings == ()


def test_a_log_that_shows_every_hundredth_step_says_nothing_by_being_blank(trained: Trained) -> None:
    trained.config.write_text(f"{trained.config.read_text()}log_every_n_steps: 100\n")
    verdict = trained.verdict(trained.train("--fate", "no_steps"))
    assert verdict.finding is Finding.GOOD
    assert "no sign of a training step" in verdict.warnings[0]


def test_a_traceback_as_the_last_thing_said_decides_at_once(trained: Trained) -> None:
    attempt = trained.train()
    with trained.output.open("a") as out:
        out.write("Traceback (most recent call last):\n  File x\nValueError: no\nwandb: Run summary:\n")
    assert kind(trained.verdict(attempt)) == "exception"
    with trained.output.open("a") as out:
        out.write("post_finetune: done\n")
    assert trained.verdict(attempt).finding is Finding.GOOD


def test_where_clocks_went_wrong_the_age_proves_nothing(trained: Trained) -> None:
    trained.train()
    for number in (0, 1):
        age(trained.epoch(number) / SHARD)
    unknown = trained.verdict(trained.attempt())
    assert unknown.finding is Finding.GOOD
    assert "when the job began isn't known" in unknown.warnings[0]
    backwards = trained.verdict(trained.attempt(started_at=time.time(), ended_at=time.time() - 3600))
    assert backwards.finding is Finding.GOOD
    assert "the job ended before it began" in backwards.warnings[0]


def test_results_that_can_not_be_read_wait_for_a_person(trained: Trained) -> None:
    attempt = trained.train()
    for path in (trained.artifacts, trained.epoch(1), trained.epoch(1) / INDEX, trained.epoch(1) / SHARD):
        for whose in (attempt, None):
            said = undecided(trained.verdict(whose, withheld=[path]))
            assert said.endswith("can't be read: Permission denied")
    aside = [
        trained.artifacts / "torchtune_config.yaml",
        trained.epoch(1) / "adapter_config.json",
        trained.output,
    ]
    assert trained.verdict(attempt, withheld=aside).finding is Finding.GOOD


def test_an_adapter_that_would_be_applied_twice_is_warned_of(trained: Trained, tmp_path: Path) -> None:
    environment = tmp_path / "env"
    cell = trained.rundir / "eval" / "words_epoch0" / "cell.slurm"
    cell.write_text(cell.read_text() + f"source {environment}/bin/activate\n")
    attempt = trained.train()
    (trained.epoch(0) / "adapter_config.json").write_text("{}")
    assert trained.verdict(attempt).warnings == ()
    (environment / "lib/python3.11/site-packages/peft").mkdir(parents=True)
    (environment / "lib/python3.11/site-packages/peft/__init__.py").touch()
    (warning,) = trained.verdict(attempt).warnings
    assert f"{environment} has peft" in warning
    assert trained.verdict(trained.train("--fate", "adapter")).finding is Finding.GOOD


def test_a_failed_job_says_why(trained: Trained) -> None:
    verdict = trained.verdict(trained.train("--fate", "bad_config"))
    assert kind(verdict) == "bad_config"
    assert verdict.detail == "omegaconf.errors.ConfigAttributeError: Missing key epochs"
    assert kind(trained.verdict(trained.attempt("TIMEOUT", started_at=time.time()))) == "timeout"
    assert kind(trained.verdict(trained.attempt("FAILED", "0:53"))) == "no_output_directory"


def test_out_of_gpu_memory_has_a_remedy_until_the_batch_is_one(trained: Trained) -> None:
    verdict = trained.verdict(trained.train("--fate", "cuda_oom"))
    assert kind(verdict) == "cuda_out_of_memory"
    assert verdict.remedy is not None
    assert verdict.remedy.values == {"batch_size": 8, "gradient_accumulation_steps": 2}
    trained.config.write_text(trained.config.read_text().replace("batch_size: 16", "batch_size: 5"))
    assert trained.verdict(trained.train("--fate", "cuda_oom")).remedy is None


@pytest.mark.parametrize("epochs", ["0", "[]", "null", "2000000", "999999999999999999", "-3", "many"])
def test_a_count_of_epochs_that_can_not_be_is_said(trained: Trained, epochs: str) -> None:
    attempt = trained.train()
    for config in (trained.config, trained.artifacts / "torchtune_config.yaml"):
        config.write_text(config.read_text().replace("epochs: 2", f"epochs: {epochs}"))
    rounds: Rounds = []
    assert kind(trained.verdict(attempt, rounds)) == "bad_config"
    assert len(rounds) == 1


def test_the_rounds_are_few_whatever_the_number_of_epochs_and_shards(trained: Trained) -> None:
    trained.config.write_text(trained.config.read_text().replace("epochs: 2", "epochs: 12"))
    attempt = trained.train()
    for number in range(12):
        names = [f"model-{n:05}.safetensors" for n in range(40)]
        (trained.epoch(number) / INDEX).write_text(json.dumps({"weight_map": {name: name for name in names}}))
        for name in names:  # headers longer than the first look
            header = b'{"w": {"data_offsets": [0, 64]}}' + b" " * 300_000
            shard = struct.pack("<Q", len(header)) + header + bytes(64)
            (trained.epoch(number) / name).write_bytes(shard if name == names[0] else tensors((0, 64)))
    rounds: Rounds = []
    assert trained.verdict(attempt, rounds).detail == "12 epochs, 48 steps"
    assert len(rounds) == 3
    asked = sum(
        ask.size for asks in rounds[1:] for ask in asks if isinstance(ask, ReadPart) and "model-" in ask.path
    )
    assert asked <= 64 * 1024 * 1024


#: Cut from a real run: nested bars, carriage returns and escapes.
BARS = (
    "\r2|63|Loss: 0.6300067901611328:   2%|▏         | 1/62 [00:00<00:01, 57.37it/s]\x1b[A\n\r"
    "2|64|Loss: 0.5900067901611328:   3%|▎         | 2/62 [00:00<00:01, 57.37it/s]\x1b[A\n\n"
    "  2%|▏         | 1/62 [00:00<00:01, 57.37it/s]\n"
)


def test_progress_is_that_of_the_last_bar() -> None:
    assert progress(BARS, 2) == Progress(
        epoch=1, epochs=2, done=64, total=124, unit="steps", loss=0.5900067901611328
    )
    assert progress("1|7|Loss: nan:  50%|#| 7/14 [", None) == Progress(epoch=0, done=7)
    assert progress("1|7|Loss: -inf:  50%|#| 7/14 [", None) == Progress(epoch=0, done=7)
    assert progress("1|7|Loss: 1.2.3:  50%|#| 7/14 [", None) == Progress(epoch=0, done=7)
    assert progress("Writing logs to x\n", 2) is None


def test_a_training_that_says_its_last_words_is_finishing(trained: Trained) -> None:
    for fate in ("ok", "adapter"):
        seen = answered(TOOL.progress(trained.job, trained.train("--fate", fate)))
        assert seen is not None
        assert (seen.done, seen.epochs, seen.finishing) == (8, 2, True)


def test_where_no_bars_are_shown_the_log_tells_how_far_it_is(trained: Trained) -> None:
    attempt = trained.train()
    trained.output.write_text("")
    assert answered(TOOL.progress(trained.job, attempt)) == Progress(epochs=2, done=8)
    trained.log.unlink()
    assert answered(TOOL.progress(trained.job, attempt)) is None
