"""Experiments to begin with: what is written, what is asked, and what can't be made."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from fakes.home import Home
from runexp.cli import main
from runexp.scaffolding import example, own

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
    (tmp_path / "cap.py").write_text("# a task\n")
    return tmp_path


def config(place: Path, **said: Any) -> None:
    (place / "model" / "config.json").write_text(json.dumps(said))


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
    trained = yaml.safe_load((place / "exp" / "rank4" / "finetune.yaml").read_text())
    assert (trained["model"]["lora_rank"], trained["model"]["embed_dim"], trained["dataset"]["field"]) == (
        4,
        64,
        "train",
    )
    assert "#SBATCH --account=phys\n" in (place / "exp" / "rank4" / "finetune.slurm").read_text()
    for script in (place / "exp").rglob("*.slurm"):
        assert not re.search(r"@\w|\\\\", script.read_text()), script


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
    ],
)
def test_the_model_is_built_as_its_own_config_says(place: Path, said: dict[str, Any], component: str) -> None:
    config(place, **said)
    assert init().exit_code == 0
    model = yaml.safe_load((place / "exp" / "rank8" / "finetune.yaml").read_text())["model"]
    assert model["_component_"] == component
    assert (model["num_layers"], model["rope_base"]) == (2, 500000)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda place: config(place, model_type="mamba"), "is a mamba"),
        (lambda place: (place / "model" / "config.json").write_text("{"), "config.json can't be read"),
        (lambda place: (place / "model" / "config.json").write_text("[]"), "is no object"),
        (lambda place: (place / "model" / "model.safetensors").unlink(), "has no *.safetensors"),
        (
            lambda place: (place / "model" / "original" / "tokenizer.model").unlink(),
            "has no original/tokenizer.model",
        ),
        (lambda place: (place / "data.json").write_text('{"test": []}'), "has no `train`"),
        (lambda place: (place / "data.json").write_bytes(b"\xff"), "is no text"),
    ],
)
def test_what_can_not_be_made_is_said_and_nothing_is_written(place: Path, spoil: Any, why: str) -> None:
    spoil(place)
    done = init()
    assert (done.exit_code, done.output.count("\n")) == (1, 2)
    assert why in done.output
    assert not (place / "exp").exists()


def test_what_is_missing_is_asked_for_in_a_terminal_alone(place: Path) -> None:
    done = CliRunner().invoke(main, ["init", "exp"])
    assert done.exit_code == 2
    assert "--model says" in done.output


def test_rows_of_a_line_each_have_no_splits(place: Path) -> None:
    (place / "data.json").write_text('{"input": "a", "output": "A"}\n{"input": "b", "output": "B"}\n')
    assert own._split(place / "data.json") == ""


def test_an_environment_that_can_not_make_the_example_is_said(place: Path) -> None:
    done = CliRunner().invoke(main, ["init", "exp", "--example", "--environment", "nowhere"])
    assert done.exit_code == 1
    assert "--environment is a virtual environment's directory" in done.output
    assert example.TEMPLATE.is_dir()
