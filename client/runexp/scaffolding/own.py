"""An experiment for a model, data and a task of one's own: LoRA by torchtune, evaluated by inspect-ai."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import msgspec

TEMPLATE = Path(__file__).parent / "own"


class CannotBe(Exception):
    """Raised where no experiment can be made of what was said: a line, and what to do."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    model: Path
    #: JSON: rows with `input` and `output`; or an object of splits, of which `train` is trained on.
    data: Path
    #: A Python file with an inspect-ai task.
    task: Path
    environment: Path
    name: str = ""
    ranks: tuple[int, ...] = (8, 16)
    epochs: int = 2
    batch_size: int = 4
    lr: float = 3e-4
    device: str = "cuda"
    partition: str = ""
    account: str = ""
    time_limit: str = "04:00:00"


class Architecture(msgspec.Struct, frozen=True):
    """What torchtune has for a model: see torchtune.models."""

    component: str
    model_type: str
    #: As the builder calls it, and the model's config.json.
    sizes: dict[str, str]


_SIZES = {
    "vocab_size": "vocab_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "num_kv_heads": "num_key_value_heads",
    "embed_dim": "hidden_size",
    "intermediate_dim": "intermediate_size",
    "max_seq_len": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "rope_base": "rope_theta",
}


def scaffold(directory: Path, wish: Wish) -> None:
    """Write it. Raises CannotBe, and OSError; nothing is written where it can't be made."""
    files = dict(_files(directory, wish))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _files(directory: Path, wish: Wish) -> Iterator[tuple[Path, str]]:
    config = _config(wish.model)
    values = _values(directory, wish, config)
    ranks = tuple(dict.fromkeys(wish.ranks))
    yield directory / "post_finetune.py", (TEMPLATE.parent / "example" / "post_finetune.py").read_text()
    yield directory / "experiment_summary.yaml", _summary(values, wish, [f"rank{rank}" for rank in ranks])
    base = {**values, "run": "base", "evaluated": wish.model.name, "place": shlex.quote(values["model"])}
    yield from _cell(directory / "base" / "eval" / wish.task.stem, wish, base)
    for rank in ranks:
        run = f"rank{rank}"
        own = {**values, "run": run}
        sections = {"model": _model(config, rank), "tokenizer": _tokenizer(wish.model, config)}
        yield directory / run / "finetune.yaml", _filled("finetune.yaml", own) + _yaml(sections)
        yield directory / run / "finetune.slurm", _filled("finetune.slurm", own)
        for epoch in range(wish.epochs):
            cell = directory / run / "eval" / f"{wish.task.stem}_epoch{epoch}"
            trained = {"evaluated": f"{run}_epoch{epoch}", "place": f"../../artifacts/epoch_{epoch}"}
            yield from _cell(cell, wish, {**own, **trained})


def _cell(cell: Path, wish: Wish, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """An evaluation with the task beside it: inspect takes relative paths alone."""
    yield cell / "cell.slurm", _filled("cell.slurm", {**values, "cell": cell.name})
    yield cell / wish.task.name, wish.task.read_text()


def _values(directory: Path, wish: Wish, config: Mapping[str, Any]) -> dict[str, str]:
    lines = [
        f"#SBATCH --{name}={value}\n"
        for name, value in (("partition", wish.partition), ("account", wish.account))
        if value
    ]
    gpu = "#SBATCH --gres=gpu:1\n" if wish.device == "cuda" else ""
    weights = sorted(path.name for path in wish.model.glob("*.safetensors"))
    if not weights:
        raise CannotBe(
            f"{wish.model} has no *.safetensors", "name the directory of a model as Hugging Face has it"
        )
    return {
        "name": wish.name or directory.name,
        "environment": shlex.quote(str(wish.environment)),
        "directives": "".join(lines) + gpu,
        "time": wish.time_limit,
        "model": str(wish.model.absolute()),
        "model_name": wish.model.name,
        "weights": json.dumps(weights),
        "model_type": _architecture(wish.model, config).model_type,
        "task": str(wish.task.absolute()),
        "task_name": wish.task.stem,
        "data": str(wish.data.absolute()),
        "split": _split(wish.data),
        "epochs": str(wish.epochs),
        "batch_size": str(wish.batch_size),
        "lr": repr(wish.lr),
        "device": wish.device,
        **_NEEDS[wish.device],
        "task_file": shlex.quote(wish.task.name),
    }


#: To begin with; scripts are there to be changed.
_NEEDS = {
    "cuda": {"dtype": "bf16", "cpus": "4", "memory": "32G"},
    "cpu": {"dtype": "fp32", "cpus": "1", "memory": "4G"},
}


def _config(model: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((model / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise CannotBe(
            f"{model}/config.json can't be read: {error}",
            "name the directory of a model as Hugging Face has it",
        ) from None
    if not isinstance(found, dict):
        raise CannotBe(
            f"{model}/config.json is no object", "name the directory of a model as Hugging Face has it"
        )
    return found


def _architecture(model: Path, config: Mapping[str, Any]) -> Architecture:
    match config.get("model_type"):
        case "llama" if config.get("tie_word_embeddings"):
            return Architecture("torchtune.models.llama3_2.lora_llama3_2", "LLAMA3_2", _SIZES)
        case "llama":
            return Architecture("torchtune.models.llama3_1.lora_llama3_1", "LLAMA3", _SIZES)
        case "qwen2":
            return Architecture("torchtune.models.qwen2.lora_qwen2", "QWEN2", _SIZES)
        case other:
            what = f"{model} is a {other or 'model of no kind'}: only llama (3) and qwen2 are known here"
            raise CannotBe(
                what, "begin with --example, and put torchtune's config for your model into its finetune.yaml"
            )


def _model(config: Mapping[str, Any], rank: int) -> dict[str, Any]:
    known = _architecture(Path(), config)
    rope = config.get("rope_parameters") or {}
    found = {ours: config.get(theirs, rope.get(theirs)) for ours, theirs in known.sizes.items()}
    scaling = config.get("rope_scaling") or rope
    if known.component.endswith("llama3_2") or known.component.endswith("llama3_1"):
        found["scale_factor"] = int(scaling["factor"]) if "factor" in scaling else None
        found["rope_base"] = int(found["rope_base"]) if found["rope_base"] else None
    else:
        found["tie_word_embeddings"] = bool(config.get("tie_word_embeddings"))
    lora = {
        "lora_attn_modules": ["q_proj", "v_proj", "output_proj"],
        "apply_lora_to_mlp": True,
        "lora_rank": rank,
        "lora_alpha": 2 * rank,
    }
    return {
        "_component_": known.component,
        **lora,
        **{name: value for name, value in found.items() if value is not None},
    }


def _tokenizer(model: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    place = model.absolute()
    longest = min(2048, int(config.get("max_position_embeddings") or 2048))
    if config.get("model_type") == "qwen2":
        return {
            "_component_": "torchtune.models.qwen2_5.qwen2_5_tokenizer",
            "path": f"{place}/vocab.json",
            "merges_file": f"{place}/merges.txt",
            "max_seq_len": longest,
        }
    ranks = next(
        (
            path
            for path in (place / "original" / "tokenizer.model", place / "tokenizer.model")
            if path.exists()
        ),
        None,
    )
    if ranks is None:
        raise CannotBe(
            f"{model} has no original/tokenizer.model, which torchtune's llama3_tokenizer reads",
            "download it with the model",
        )
    own = {"special_tokens_path": f"{place}/tokenizer.json"} if _has_tokens_of_its_own(place) else {}
    return {
        "_component_": "torchtune.models.llama3.llama3_tokenizer",
        "path": str(ranks),
        **own,
        "max_seq_len": longest,
    }


#: Llama 3's own, which torchtune knows.
_USUAL_VOCABULARY = 128256


def _has_tokens_of_its_own(place: Path) -> bool:
    return _config(place).get("vocab_size") != _USUAL_VOCABULARY and (place / "tokenizer.json").exists()


def _split(data: Path) -> str:
    """`field: train`, where the file has splits."""
    try:
        found = json.loads(data.read_bytes())
    except UnicodeDecodeError:
        raise CannotBe(f"{data} is no text", "rows with `input` and `output`, as JSON") from None
    except ValueError:
        return ""  # a line a row
    if isinstance(found, dict) and "train" not in found:
        raise CannotBe(f"{data} has no `train`", "a list of rows, or an object with the key train")
    return "  field: train\n" if isinstance(found, dict) else ""


def _summary(values: Mapping[str, str], wish: Wish, runs: list[str]) -> str:
    quoted = json.dumps
    rows = [f"  - {{name: base, type: control, model: {quoted(wish.model.name)}, parameters: {{}}}}"]
    rows += [
        f"  - {{name: {run}, type: fine-tuned, model: {quoted(wish.model.name)}, parameters: {{lora_rank: {run[4:]}}}}}"
        for run in runs
    ]
    matrix = [f"    - {{run: base, tasks: [{quoted(wish.task.stem)}], epochs: null}}"]
    matrix += [
        f"    - {{run: {run}, tasks: [{quoted(wish.task.stem)}], epochs: {list(range(wish.epochs))}}}"
        for run in runs
    ]
    words = {
        name: quoted(values[name]) for name in ("name", "model_name", "model", "data", "task", "task_name")
    }
    lists = {
        "runs": "\n".join(rows),
        "matrix": "\n".join(matrix),
        "ranks": ", ".join(run[4:] for run in runs),
    }
    return _filled("experiment_summary.yaml", {**values, **words, **lists})


def _yaml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Values as JSON has them, which YAML reads."""
    return "".join(
        f"\n{title}:\n" + "".join(f"  {name}: {json.dumps(value)}\n" for name, value in section.items())
        for title, section in sections.items()
    )


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _Template((TEMPLATE / name).read_text()).substitute(values)


class _Template(Template):
    """`@name`: dollars are the shell's and torchtune's own."""

    delimiter = "@"
