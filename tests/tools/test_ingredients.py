"""What a training is made of, and where its summary and its config disagree."""

import pytest

from runexp.wire.jobs import RunSpec
from runexpd.tools import ingredients
from runexpd.tools.torchtune_ingredients import disagreeing

CONFIG = """
run_dir: /e/rank4
output_dir: ${run_dir}/artifacts
model:
  lora_rank: 4  # of the adapter
  lora_alpha: 8
optimizer: {lr: 2e-3}
encoder: {lora_alpha: 8}
resume_from_checkpoint: False
"""


COMMAND = "tune run x --config finetune.yaml"


def said(parameters: dict[str, str | int | float | bool | None], script: str = COMMAND) -> list[str]:
    return disagreeing(
        RunSpec("rank4", "fine-tuned", parameters=parameters), CONFIG, "/e/finetune.yaml", script
    )


def test_a_summary_that_says_otherwise_than_the_config_is_noticed() -> None:
    assert said({"lora_rank": 2}) == ["rank4: the summary says lora_rank 2, and /e/finetune.yaml 4"]
    assert said({"lora_rank": 2}, f"{COMMAND} model.lora_rank=2") == []


@pytest.mark.parametrize(
    "parameters",
    [
        {"lora_rank": 4},
        {"lora_rank": "4"},
        {"lr": 0.002},
        {"resume_from_checkpoint": False},
        {"lora_alpha": 16},  # of which of the two nobody knows
        {"what_it_is": "a name"},
    ],
)
def test_what_agrees_or_is_not_there_is_not(parameters: dict[str, str | int | float | bool | None]) -> None:
    assert said(parameters) == []


def test_values_are_resolved_and_named_by_their_keys() -> None:
    assert ingredients.values({"a": {"b": "${c}/x", "d": [1, None]}, "c": "/e"}) == {
        "a.b": "/e/x",
        "a.d": "[1,null]",
        "c": "/e",
    }


def test_only_what_looks_like_a_path_may_be_a_file() -> None:
    assert ingredients.files(["../words.json", "a b/c", "https://x/y", "plain", "$X/y", "/m/t"], "/e/r") == (
        "/e/words.json",
        "/m/t",
    )
