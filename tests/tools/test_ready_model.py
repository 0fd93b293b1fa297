"""An eval-only run: its checkpoint is looked at before anything is submitted. And what a script says of its evaluation."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from runexp.wire.jobs import RunSpec
from runexpd.tools import inspect_call, ready_model
from tools.cells import Cell, header
from tools.trainings import INDEX, SHARD, Trained


@pytest.mark.parametrize(
    ("type", "path", "found"),
    [
        ("eval-only", "/ck/epoch_1", "/ck/epoch_1"),
        ("eval-only", "../other/artifacts/epoch_1", "/other/artifacts/epoch_1"),
        ("eval-only", "ck/out/epoch_1", "/exp/ck/out/epoch_1"),
        ("eval-only", "meta-llama/Llama-3.2-1B", None),
        ("eval-only", None, None),
        ("eval-only", "/x\0", None),
        ("control", "/ck", None),
        ("fine-tuned", "/ck", None),
    ],
)
def test_where_the_model_is(type: str, path: str | None, found: str | None) -> None:
    run = RunSpec("r", type, parameters={"checkpoint_path": path})
    assert ready_model.named(run, "/exp") == found


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda epoch: None, ""),
        (lambda epoch: epoch.rename(epoch.with_name("gone")), "is missing"),
        (lambda epoch: (epoch / SHARD).unlink(), f"lacks {SHARD}"),
        (lambda epoch: (epoch / SHARD).write_bytes(b"cut"), "is no whole safetensors file"),
        (lambda epoch: (epoch / INDEX).write_text("{"), "has a broken index"),
    ],
)
def test_a_checkpoint_that_is_not_whole_holds_its_evaluations_back(
    trained: Trained, cell: Cell, damage: Callable[[Path], object], said: str
) -> None:
    trained.train()
    damage(trained.epoch(1))
    for path in (trained.epoch(1), trained.artifacts):
        cell.job = replace(cell.job, facts={**cell.job.facts, ready_model.FACT: str(path)})
        blocked = cell.verdict(None).blocked
        assert said in blocked
        assert bool(blocked) == bool(said)
    cell.log(header())
    assert cell.verdict(None).blocked == "", "it is done"


def test_an_adapter_whose_base_model_has_gone_holds_its_evaluations_back(
    trained: Trained, cell: Cell
) -> None:
    trained.train("--fate", "adapter")
    cell.job = replace(cell.job, facts={**cell.job.facts, ready_model.FACT: str(trained.epoch(1))})
    assert cell.verdict(None).blocked == ""
    (trained.dir / "base-model").rmdir()
    assert "names a base model that isn't there" in cell.verdict(None).blocked


CONFIG = json.dumps({"model": {"model": "hf/x", "args": {"model_path": "/m"}}})


@pytest.mark.parametrize(
    ("script", "log_dir", "model"),
    [
        ("inspect eval task.py --model hf/a --log-dir ./out", "./out", "hf/a"),
        ("OUT=/s/logs\ninspect eval task.py --log-dir=$OUT", "/s/logs", None),
        ('export INSPECT_LOG_DIR="/s/l"\ninspect eval task.py', "/s/l", None),
        ("INSPECT_LOG_DIR=$X inspect eval task.py", None, None),
        ("inspect eval --run-config eval.yaml", None, "hf/x"),
        ("inspect eval --run-config eval.yaml --model hf/a", None, "hf/a"),
        ("inspect eval --run-config plain.yaml", None, "hf/y"),
        ("inspect eval --run-config broken.yaml", None, None),
        ("inspect eval --run-config gone.yaml", None, None),
    ],
)
def test_what_a_script_says_of_its_evaluation(script: str, log_dir: str | None, model: str | None) -> None:
    texts = {"/r/eval.yaml": CONFIG, "/r/plain.yaml": "model: hf/y\n", "/r/broken.yaml": "model: ["}
    assert inspect_call.read(script, "/r", texts) == inspect_call.Call(log_dir, model)
