"""The torchtune module on results that no attempt vouches for: proven, owed, or left for a person; never trained over."""

import os
import time

import pytest

from runexp.wire.jobs import Finding
from tools.trainings import SHARD, Trained, age, kind, undecided


def test_a_training_of_an_earlier_time_proves_itself_by_its_own_log(trained: Trained) -> None:
    assert kind(trained.verdict(None)) == "not_trained"
    attempt = trained.train()
    verdict = trained.verdict(None)
    assert verdict.finding is Finding.GOOD
    assert verdict.begun_at is not None
    assert attempt.started_at is not None
    assert -1 <= verdict.begun_at - attempt.started_at < 20
    age(trained.epoch(1) / SHARD)
    assert "epoch_1 is older" in trained.verdict(None).detail
    assert kind(trained.verdict(None)) == "checkpoint"


def test_what_is_missing_or_broken_is_owed(trained: Trained) -> None:
    trained.train()
    (trained.epoch(1) / SHARD).write_bytes(b"cut")
    assert kind(trained.verdict(None)) == "checkpoint"
    trained.epoch(1).rename(trained.artifacts / "gone")
    assert kind(trained.verdict(None)) == "checkpoint"


def test_results_that_were_moved_aside_are_not_there(trained: Trained) -> None:
    trained.train()
    trained.artifacts.rename(trained.rundir / "artifacts.old")
    assert kind(trained.verdict(None)) == "not_trained"


def test_whole_epochs_without_a_sign_of_steps_are_left_for_a_person(trained: Trained) -> None:
    trained.train("--fate", "silent")
    assert "2 epochs, whole, but no sign of a training step" in undecided(trained.verdict(None))


def test_zero_steps_seen_are_owed(trained: Trained) -> None:
    trained.train("--fate", "no_steps")
    assert kind(trained.verdict(None)) == "no_steps"


def test_whole_epochs_that_are_older_than_a_training_of_no_steps_are_not_trained_over(
    trained: Trained,
) -> None:
    trained.train()
    hour_ago = time.time() - 3600
    for number in (0, 1):
        os.utime(trained.epoch(number) / SHARD, (hour_ago, hour_ago))
    trained.log.write_text("")
    assert "a later training made no step" in undecided(trained.verdict(None))


def test_an_output_that_shows_the_last_step_proves_a_training_without_logs(trained: Trained) -> None:
    trained.train()
    trained.log.unlink()
    assert trained.verdict(None).detail == "2 epochs, 8 steps"
    shown = trained.output.read_text()
    trained.output.write_text(shown[: shown.index("2|7|")])
    assert "no sign of a training step" in undecided(trained.verdict(None))


def test_an_output_from_before_the_checkpoints_does_not(trained: Trained) -> None:
    trained.train()
    trained.log.unlink()
    age(trained.output)
    assert "no sign of a training step" in undecided(trained.verdict(None))


def test_without_logs_an_epoch_that_is_older_than_the_one_before_it_was_left_by_another(
    trained: Trained,
) -> None:
    trained.train()
    trained.log.unlink()
    age(trained.epoch(1) / SHARD)
    verdict = trained.verdict(None)
    assert kind(verdict) == "checkpoint"
    assert "epoch_1 is older than the epoch before it" in verdict.detail


def test_a_training_that_was_resumed_keeps_the_epochs_before(trained: Trained) -> None:
    attempt = trained.train()
    age(trained.epoch(0) / SHARD)
    assert kind(trained.verdict(None)) == "checkpoint"
    for config in (trained.config, trained.artifacts / "torchtune_config.yaml"):
        config.write_text(f"{config.read_text()}resume_from_checkpoint: True\n")
    for whose in (attempt, None):
        assert trained.verdict(whose).finding is Finding.GOOD
    age(trained.epoch(1) / SHARD)
    assert kind(trained.verdict(None)) == "checkpoint", "the last epoch is the resumed training's own"


@pytest.mark.parametrize("fate", ["ok", "adapter"])
def test_only_epochs_that_hold_no_weights_at_all_are_gone(trained: Trained, fate: str) -> None:
    """Outputs of evaluations may stay in them, and what was copied from the base model."""
    trained.train("--fate", fate)
    assert not trained.verdict(None).is_absent
    (trained.epoch(0) / "slurm-8.out").write_text("an evaluation's")
    weights = [
        *trained.artifacts.glob("epoch_*/*model*.safetensors"),
        *trained.artifacts.glob("epoch_*/*.pt"),
    ]
    for left, path in enumerate(weights, start=1):
        path.unlink()
        assert trained.verdict(None).is_absent == (left == len(weights))


def test_epochs_that_cannot_be_read_are_not_gone(trained: Trained) -> None:
    trained.train()
    for number in (0, 1):
        (trained.epoch(number) / SHARD).unlink()
    assert not trained.verdict(None, withheld=[trained.epoch(0)]).is_absent
