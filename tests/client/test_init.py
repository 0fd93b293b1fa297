"""Experiments to begin with: what is written, what is asked, and what can't be made."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from fakes.home import Home
from runexp.cli import main
from runexp.scaffolding import datasets, example, own
from runexpd.experiments import summary

LLAMA = {
    "model_type": "llama", "tie_word_embeddings": True, "vocab_size": 271, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "hidden_size": 64, "intermediate_size": 128, "max_position_embeddings": 256, "rms_norm_eps": 1e-5,
    "rope_theta": 5e5, "rope_scaling": {"factor": 32.0},
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a model, data and a task."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model" / "original").mkdir(parents=True)
    for name in ("model.safetensors", "tokenizer.json", "original/tokenizer.model"):
        (tmp_path / "model" / name).touch()
    config(tmp_path, **LLAMA)
    (tmp_path / "data.json").write_text(json.dumps({"train": [{"input": "a", "output": "A"}]}))
    (tmp_path / "cap.py").write_text("@task\ndef cap(): ...\n")
    return tmp_path


def config(place: Path, **said: Any) -> None:
    (place / "model" / "config.json").write_text(json.dumps(said))


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def device(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


KNOWN = ("--model", "model", "--data", "data.json")


def init(*words: str) -> Result:
    return CliRunner().invoke(
        main, ["init", "exp", "--model", "model", "--data", "data.json", "--task", "cap.py", *words]
    )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


def test_what_is_written_can_be_planned(place: Path, home: Home) -> None:
    done = init(
        "--lora-rank", "4", "--lora-rank", "8", "--epochs", "1", "--device", "cpu", "--account", "phys"
    )
    assert done.exit_code == 0, done.output
    planned = home.json("plan", str(place / "exp"))
    assert {line["job"]: line["decision"] for line in planned["lines"]} == dict.fromkeys(
        ("rank4", "rank8", "base/cap", "rank4/cap/epoch0", "rank8/cap/epoch0"), "submit"
    )
    assert planned["warnings"] == []
    for dir in (place / "exp", example.TEMPLATE):
        first, _ = (dir / "experiment_summary.yaml").read_text().split("\n", 1)
        assert first == f"# yaml-language-server: $schema={own.SCHEMA.name}"
    assert (place / "exp" / own.SCHEMA.name).read_text() == own.SCHEMA.read_text()
    trained = yaml.safe_load((place / "exp" / "rank4" / "finetune.yaml").read_text())
    assert (trained["model"]["lora_rank"], trained["model"]["embed_dim"], trained["dataset"]["field"]) == (
        4,
        64,
        "train",
    )
    assert "#SBATCH --account=phys\n" in (place / "exp" / "rank4" / "finetune.slurm").read_text()
    for script in (place / "exp").rglob("*.slurm"):
        assert not re.search(r"(?<!py)@\w|\\\\", script.read_text()), script


def test_nothing_is_written_over(place: Path) -> None:
    (place / "exp").mkdir()
    (place / "exp" / "mine").touch()
    done = init()
    assert (done.exit_code, done.output.count("\n")) == (1, 2)
    assert "is not empty" in done.output
    assert [path.name for path in (place / "exp").iterdir()] == ["mine"]


@pytest.mark.parametrize(
    ("said", "component"),
    [
        (LLAMA, "torchtune.models.llama3_2.lora_llama3_2"),
        ({**LLAMA, "tie_word_embeddings": False}, "torchtune.models.llama3_1.lora_llama3_1"),
        ({**LLAMA, "model_type": "qwen2"}, "torchtune.models.qwen2.lora_qwen2"),
        ({**LLAMA, "model_type": "mistral"}, "torchtune.models.mistral.lora_mistral"),
        ({**LLAMA, "model_type": "gemma", "head_dim": 32}, "torchtune.models.gemma.lora_gemma"),
        ({**LLAMA, "vocab_size": 32000}, "torchtune.models.llama2.lora_llama2"),
    ],
)
def test_the_model_is_built_as_its_own_config_says(place: Path, said: dict[str, Any], component: str) -> None:
    config(place, **said)
    (place / "model" / "tokenizer.model").touch()
    assert init().exit_code == 0
    model = yaml.safe_load((place / "exp" / "rank8" / "finetune.yaml").read_text())["model"]
    assert model["_component_"] == component
    assert model["num_layers"] == 2
    assert model.get("rope_base") == (None if "llama2" in component else 500000)
    assert model.get("head_dim") == said.get("head_dim")
    assert ("q_proj" in model["lora_attn_modules"]) == ("qwen2" not in component)


@pytest.mark.parametrize(
    ("tokens", "family"), [("{}", "qwen2"), ('{"added_tokens": [{"content": "<tool_call>"}]}', "qwen2_5")]
)
def test_the_tokenizer_of_a_qwen_is_that_of_its_tokens(place: Path, tokens: str, family: str) -> None:
    config(place, **{**LLAMA, "model_type": "qwen2"})
    (place / "model" / "tokenizer.json").write_text(tokens)
    assert init().exit_code == 0
    tokenizer = yaml.safe_load((place / "exp" / "rank8" / "finetune.yaml").read_text())["tokenizer"]
    assert tokenizer["_component_"] == f"torchtune.models.{family}.{family}_tokenizer"
    assert tokenizer["special_tokens_path"] == str(place / "model" / "tokenizer.json"), (
        "its vocabulary is its own"
    )


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (
            lambda place: config(place, model_type="mamba"),
            "is a mamba: known here are llama (2 and 3), qwen2, mistral, gemma",
        ),
        (lambda place: config(place, **{**LLAMA, "model_type": "mistral"}), "has no tokenizer.model"),
        (lambda place: config(place, **{**LLAMA, "head_dim": 32}), "has heads of 32"),
        (lambda place: (place / "model" / "config.json").write_text("{"), "config.json can't be read"),
        (lambda place: (place / "model" / "config.json").write_text("[]"), "Expected `object`"),
        (lambda place: (place / "model" / "model.safetensors").unlink(), "has no *.safetensors"),
        (
            lambda place: (place / "model" / "original" / "tokenizer.model").unlink(),
            "has no original/tokenizer.model",
        ),
        (lambda place: (place / "data.json").write_text('{"test": []}'), "a row has test"),
        (lambda place: (place / "data.json").write_text("[]"), "there are no rows"),
        (lambda place: (place / "data.json").write_text("word"), "neither JSON nor JSON lines"),
        (lambda place: (place / "data.json").write_bytes(b"\xff"), "no text"),
        (lambda place: (place / "cap.py").write_text("def cap(): ..."), "no function there is decorated"),
        (lambda place: (place / "cap.py").write_text("def"), "is no Python"),
        (lambda place: (place / "cap.py").unlink(), "cap.py can't be read"),
        (lambda place: os.truncate(place / "data.json", datasets.MOST_BYTES + 1), "256 MB: too much"),
        (lambda place: (place / "model" / "config.json").write_text('{"vocab_size": "x"}'), "vocab_size"),
        (lambda place: config(place, **{**LLAMA, "vocab_size": 10**30}), "vocab_size"),
        (lambda place: config(place, **{**LLAMA, "rope_theta": 1e308}), "rope_theta"),
        (lambda place: os.truncate(place / "model" / "config.json", 1 << 30), "1024 MB: too much"),
        (lambda place: fifo(place / "model" / "config.json"), "config.json is no regular file"),
        (lambda place: device(place / "model" / "config.json"), "config.json is no regular file"),
        (lambda place: fifo(place / "data.json"), "data.json is no regular file"),
        (lambda place: device(place / "data.json"), "data.json is no regular file"),
        (lambda place: fifo(place / "cap.py"), "cap.py is no regular file"),
        (lambda place: (place / "data.json").write_text("[" * 100_000), "neither JSON nor JSON lines"),
        (lambda place: (place / "cap.py").write_text("@task\ndef é(): ..."), "'é' is no name for a task"),
        (lambda place: (place / "cap.py").write_text(f"@task\ndef {'t' * 300}(): ..."), "no name for a task"),
        (lambda place: (place / "model" / os.fsdecode(b"\xff.safetensors")).touch(), "isn't UTF-8"),
    ],
)
def test_what_can_not_be_made_is_said_and_nothing_is_written(place: Path, spoil: Any, why: str) -> None:
    spoil(place)
    done = init()
    assert (done.exit_code, done.output.count("\n")) == (1, 2)
    assert why in done.output
    assert not (place / "exp").exists()


def test_the_example_takes_no_model_of_ones_own(place: Path) -> None:
    done = CliRunner().invoke(main, ["init", "exp", "--example", "--model", "model"])
    assert done.exit_code == 2
    assert "--model can't be heeded" in done.output
    assert not (place / "exp").exists()


def test_what_is_missing_is_asked_for_in_a_terminal_alone(place: Path) -> None:
    done = CliRunner().invoke(main, ["init", "exp"])
    assert done.exit_code == 2
    assert "hint: --model: The base model's directory" in done.output


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('[{"input": "a", "output": "b"}]', {"_component_": "torchtune.datasets.instruct_dataset"}),
        ('{"input": "a", "output": "A"}\n{"input": "b", "output": "B"}\n', {"split": "train"}),
        ('{"train": [{"question": "a", "answer": "b"}]}', {"field": "train"}),
        ('{"prompt": "a", "completion": "b"}', {"column_map": {"input": "prompt", "output": "completion"}}),
        ('{"messages": []}\n{"messages": []}', {"_component_": "torchtune.datasets.chat_dataset"}),
    ],
)
def test_rows_are_read_as_they_are(tmp_path: Path, text: str, found: dict[str, Any]) -> None:
    (tmp_path / "data").write_text(text)
    dataset = datasets.read(tmp_path / "data")
    assert found.items() <= dataset.items()
    assert ("field" in dataset) == ("field" in found)


def test_tasks_of_files_and_of_packages(place: Path) -> None:
    (place / "two.py").write_text("@task\ndef first(): ...\n\n@inspect_ai.task()\ndef second(): ...\n")
    done = init(
        "--task", "two.py@second", "--task", "inspect_evals/gsm8k", "--lora-rank", "2,4", "--epochs", "1"
    )
    assert done.exit_code == 0, done.output
    found = summary.read((place / "exp" / "experiment_summary.yaml").read_text(), "s", str(place / "exp"))
    assert [run.name for run in found.runs] == ["base", "rank2", "rank4"]
    assert {cells.tasks for cells in found.matrix} == {("cap", "second", "gsm8k")}
    cell = place / "exp" / "rank4" / "eval"
    assert "inspect eval two.py@second " in (cell / "second_epoch0" / "cell.slurm").read_text()
    assert (cell / "second_epoch0" / "two.py").exists()
    assert "inspect eval inspect_evals/gsm8k " in (cell / "gsm8k_epoch0" / "cell.slurm").read_text()
    assert init("--lora-rank", "four").exit_code == 2
    assert (
        "has no task third"
        in CliRunner().invoke(main, ["init", "e", *KNOWN, "--task", "two.py@third"]).output
    )


def test_an_environment_that_can_not_make_the_example_is_said(place: Path) -> None:
    done = CliRunner().invoke(main, ["init", "exp", "--example", "--environment", "nowhere"])
    assert done.exit_code == 1
    assert "--environment is a virtual environment's directory" in done.output
    assert example.TEMPLATE.is_dir()


@pytest.mark.parametrize("name", ["models \U0001f999", "a\xa0b", 'say "no"', "x\x85y", "back\\slash: #1"])
def test_any_path_is_read_back_by_yaml(place: Path, name: str) -> None:
    (place / "model").rename(place / name)
    done = CliRunner().invoke(
        main, ["init", "exp", "--model", name, "--data", "data.json", "--task", "cap.py"]
    )
    assert done.exit_code == 0, done.output
    trained = yaml.safe_load((place / "exp" / "rank8" / "finetune.yaml").read_text())
    assert trained["tokenizer"]["path"].startswith(str(place / name))
    summary = yaml.safe_load((place / "exp" / "experiment_summary.yaml").read_text())
    assert summary["models"]["base"][0]["name"] == name
    assert trained["checkpointer"]["checkpoint_dir"] == str(place / name)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--name", "a\nb"),
        ("--name", " "),
        ("--partition", "#gpu"),
        ("--partition", 'a"b'),
        ("--account", "it's"),
        ("--time", "soon"),
        ("--time", "1:2:3:4"),
        ("--environment", os.fsdecode(b"\xff")),
        ("--task", "pack\x1bage/\x1b"),
    ],
)
def test_what_could_be_written_and_not_be_read_is_refused(place: Path, option: str, value: str) -> None:
    done = init(option, value)
    assert (done.exit_code, done.output.count("\n")) == (1, 2)
    assert done.output.replace("\n", "").isprintable()
    assert not (place / "exp").exists()


def test_what_a_qwens_tokenizer_would_hang_on_is_refused(place: Path) -> None:
    config(place, **{**LLAMA, "model_type": "qwen2"})
    fifo(place / "model" / "tokenizer.json")
    assert "tokenizer.json is no regular file" in init().output


def test_a_task_in_another_encoding_is_copied_as_it_is(place: Path) -> None:
    text = "# -*- coding: latin-1 -*-\n# é\n@task\ndef cap(): ...\n".encode("latin-1")
    (place / "cap.py").write_bytes(text)
    assert init().exit_code == 0
    assert (place / "exp" / "base" / "eval" / "cap" / "cap.py").read_bytes() == text


def test_what_is_said_to_be_typed_next_can_be(place: Path) -> None:
    done = CliRunner().invoke(main, ["init", "two words", *KNOWN, "--task", "cap.py"])
    assert f"runexp plan '{place / 'two words'}'" in done.output
