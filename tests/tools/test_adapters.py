"""Epochs that are adapter weights alone: whole by their header, their config, and a base model that is there."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from runexp.wire.jobs import Finding
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune_verdict import OWN_ADAPTERS
from tools.trainings import SHARD, Trained, age, awaited, kind, undecided

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
OWN = "adapter_model.pt"


def test_adapter_weights_alone_are_whole(trained: Trained) -> None:
    attempt = trained.train("--fate", "adapter")
    verdict = trained.verdict(attempt)
    assert (verdict.finding, verdict.detail, verdict.warnings) == (Finding.GOOD, "2 epochs, 8 steps", ())
    assert trained.verdict(None).finding is Finding.GOOD


@pytest.mark.parametrize("base", ["meta-llama/Llama-3.2-1B", "", None, 7])
def test_a_base_model_that_goes_by_its_name_is_not_looked_for(trained: Trained, base: object) -> None:
    attempt = trained.train("--fate", "adapter")
    (trained.epoch(1) / CONFIG).write_text(json.dumps({"base_model_name_or_path": base}))
    assert trained.verdict(attempt).finding is Finding.GOOD


def test_a_base_model_that_has_gone_is_named_with_what_to_do(trained: Trained) -> None:
    attempt = trained.train("--fate", "adapter")
    (trained.dir / "base-model").rmdir()
    verdict = trained.verdict(attempt)
    assert kind(verdict) == "STALE_LOCAL_BASE_PATH"
    assert f"{trained.dir}/base-model" in verdict.detail
    assert "mend base_model_name_or_path in its adapter_config.json" in verdict.detail
    assert f"{trained.dir}/base-model" in undecided(trained.verdict(None)), "it is no reason to train anew"
    (trained.epoch(0) / CONFIG).write_text('{"base_model_name_or_path": "/exp/${models_dir}/x"}')
    assert "/exp/${models_dir}/x, whose ${...} nobody resolved: mend" in trained.verdict(attempt).detail


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda epoch: (epoch / WEIGHTS).write_bytes((epoch / WEIGHTS).read_bytes()[:-9]), "bytes"),
        (lambda epoch: (epoch / WEIGHTS).write_bytes(b""), f"{WEIGHTS} is no whole safetensors file"),
        (lambda epoch: (epoch / CONFIG).write_text("{"), f"has a broken {CONFIG}"),
        (lambda epoch: (epoch / CONFIG).write_text("[]"), f"has a broken {CONFIG}: no object"),
        (lambda epoch: (epoch / CONFIG).write_text("[" * 100_000), f"has a broken {CONFIG}"),
        (lambda epoch: (epoch / CONFIG).write_text("1" * 5_000), f"has a broken {CONFIG}"),
        (lambda epoch: (epoch / CONFIG).write_text(" " * 2_000_000), "are too many"),
        (lambda epoch: (epoch / CONFIG).write_text('{"base_model_name_or_path": "/x\\u0000"}'), "no path that can be"),
        (lambda epoch: (epoch / CONFIG).write_text('{"base_model_name_or_path": "/\\ud800"}'), "no path that can be"),
    ],
)  # fmt: skip
def test_what_is_broken_is_named(trained: Trained, damage: Callable[[Path], object], said: str) -> None:
    attempt = trained.train("--fate", "adapter")
    damage(trained.epoch(1))
    verdict = trained.verdict(attempt)
    assert kind(verdict) == "checkpoint"
    assert said in verdict.detail


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda epoch: (epoch / CONFIG).unlink(), f"lacks {CONFIG}"),
        (lambda epoch: (epoch / WEIGHTS).unlink(), "holds no model"),
        (lambda epoch: age(epoch / WEIGHTS), "is older than this training"),
    ],
)
def test_what_may_still_come_is_waited_for(
    trained: Trained, damage: Callable[[Path], object], said: str
) -> None:
    attempt = trained.train("--fate", "adapter")
    damage(trained.epoch(1))
    verdict = trained.verdict(attempt)
    assert awaited(verdict) == "checkpoint"
    assert said in verdict.detail


def test_of_merged_shards_and_an_adapter_the_shards_decide(trained: Trained) -> None:
    attempt = trained.train()
    (trained.epoch(1) / WEIGHTS).write_bytes(b"cut")
    (trained.epoch(1) / CONFIG).write_text("cut")
    assert trained.verdict(attempt).finding is Finding.GOOD
    (trained.epoch(1) / SHARD).write_bytes(b"cut")
    assert kind(trained.verdict(attempt)) == "checkpoint"


def saved_as_its_own(trained: Trained, checkpointer: str) -> Attempt:
    """What torch saves is a zip archive."""
    component = f"checkpointer:\n  _component_: torchtune.training.{checkpointer}"
    trained.config.write_text(trained.config.read_text().replace("checkpointer:", component))
    attempt = trained.train("--fate", "adapter")
    for number in (0, 1):
        for name in (WEIGHTS, CONFIG):
            (trained.epoch(number) / name).unlink()
        with zipfile.ZipFile(trained.epoch(number) / OWN, "w") as file:
            file.writestr("data.pkl", "x" * 1000)
    return attempt


@pytest.mark.parametrize("checkpointer", ["FullModelTorchTuneCheckpointer", "FullModelMetaCheckpointer"])
def test_adapters_in_torchtunes_own_format_are_whole_and_said_to_be_what_nobody_else_loads(
    trained: Trained, checkpointer: str
) -> None:
    attempt = saved_as_its_own(trained, checkpointer)
    verdict = trained.verdict(attempt)
    assert (verdict.finding, verdict.warnings) == (Finding.GOOD, (OWN_ADAPTERS,))
    assert trained.verdict(None).finding is Finding.GOOD
    weights = trained.epoch(1) / OWN
    weights.write_bytes(weights.read_bytes()[:-9])
    assert kind(trained.verdict(attempt)) == "checkpoint"
    weights.unlink()
    assert awaited(trained.verdict(attempt)) == "checkpoint"


def test_where_peft_s_format_is_saved_beside_it_that_is_waited_for(trained: Trained) -> None:
    verdict = trained.verdict(saved_as_its_own(trained, "FullModelHFCheckpointer"))
    assert awaited(verdict) == "checkpoint"
    assert "holds no model but adapter_model.pt" in verdict.detail
