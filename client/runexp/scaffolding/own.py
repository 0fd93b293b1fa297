"""An experiment for a model, data and a task of one's own: LoRA by torchtune, evaluated by inspect-ai."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from runexp.scaffolding import datasets
from runexp.scaffolding.problems import CannotBe
from runexp.scaffolding.tasks import Task
from runexp.text import as_yaml

TEMPLATE = Path(__file__).parent / "own"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    model: Path
    #: Rows, as datasets.py knows them.
    data: Path
    tasks: tuple[Task, ...]
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
    base = {
        **values,
        "run": "base",
        "evaluated": shlex.quote(wish.model.name),
        "place": shlex.quote(values["model"]),
    }
    yield from _cells(directory / "base", "", wish, base)
    for rank in ranks:
        run = f"rank{rank}"
        own = {**values, "run": run}
        sections = {
            "model": _model(config, rank),
            "tokenizer": _tokenizer(wish.model, config),
            "dataset": datasets.read(wish.data),
        }
        yield (
            directory / run / "finetune.yaml",
            _filled("finetune.yaml", {**own, "model": as_yaml(values["model"])}) + _yaml(sections),
        )
        yield directory / run / "finetune.slurm", _filled("finetune.slurm", own)
        for epoch in range(wish.epochs):
            trained = {"evaluated": f"{run}_epoch{epoch}", "place": f"../../artifacts/epoch_{epoch}"}
            yield from _cells(directory / run, f"_epoch{epoch}", wish, {**own, **trained})


def _cells(run: Path, suffix: str, wish: Wish, values: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Evaluations, each with its task beside it: inspect takes relative paths alone."""
    for task in wish.tasks:
        cell = run / "eval" / f"{task.name}{suffix}"
        spec = shlex.quote(task.spec)
        yield cell / "cell.slurm", _filled("cell.slurm", {**values, "cell": cell.name, "task_spec": spec})
        if task.file is not None:
            yield cell / task.file.name, task.file.read_text()


def _values(directory: Path, wish: Wish, config: Mapping[str, Any]) -> dict[str, str]:
    if odd := [said for said in (wish.partition, wish.account, wish.time_limit) if len(said.split()) > 1]:
        raise CannotBe(f"{odd[0]!r} can't stand in an #SBATCH line", "one word each")
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
        "weights": as_yaml(weights),
        "model_type": _architecture(wish.model, config).model_type,
        "data": str(wish.data.absolute()),
        "epochs": str(wish.epochs),
        "batch_size": str(wish.batch_size),
        "lr": repr(wish.lr),
        "device": wish.device,
        **_NEEDS[wish.device],
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
        family = "qwen2_5" if _calls_tools(place) else "qwen2"
        return {
            "_component_": f"torchtune.models.{family}.{family}_tokenizer",
            "path": f"{place}/vocab.json",
            "merges_file": f"{place}/merges.txt",
            **_tokens(place),
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
    return {
        "_component_": "torchtune.models.llama3.llama3_tokenizer",
        "path": str(ranks),
        **_tokens(place),
        "max_seq_len": longest,
    }


#: Llama 3's and Qwen 2's own, whose special tokens torchtune knows.
_USUAL_VOCABULARIES = {128256, 151643, 151646, 151936, 152064}


def _calls_tools(place: Path) -> bool:
    """As Qwen 2.5 does, and Qwen 2 doesn't: they share a model_type, not the special tokens."""
    try:
        return "<tool_call>" in (place / "tokenizer.json").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True


def _tokens(place: Path) -> dict[str, str]:
    """Special tokens where a model has its own."""
    is_usual = _config(place).get("vocab_size") in _USUAL_VOCABULARIES
    is_there = (place / "tokenizer.json").exists()
    return {"special_tokens_path": f"{place}/tokenizer.json"} if is_there and not is_usual else {}


def _summary(values: Mapping[str, str], wish: Wish, runs: list[str]) -> str:
    quoted = as_yaml
    rows = [f"  - {{name: base, type: control, model: {quoted(wish.model.name)}, parameters: {{}}}}"]
    rows += [
        f"  - {{name: {run}, type: fine-tuned, model: {quoted(wish.model.name)}, parameters: {{lora_rank: {run[4:]}}}}}"
        for run in runs
    ]
    tasks = quoted([task.name for task in wish.tasks])
    matrix = [f"    - {{run: base, tasks: {tasks}, epochs: null}}"]
    matrix += [f"    - {{run: {run}, tasks: {tasks}, epochs: {list(range(wish.epochs))}}}" for run in runs]
    words = {name: quoted(values[name]) for name in ("name", "model_name", "model", "data")}
    lists = {
        "runs": "\n".join(rows),
        "matrix": "\n".join(matrix),
        "tasks": "\n".join(
            f"    - {{name: {quoted(task.name)}, script: {quoted(str(task.file.absolute()) if task.file else task.spec)}}}"
            for task in wish.tasks
        ),
        "ranks": ", ".join(run[4:] for run in runs),
    }
    question = quoted(f"What does fine-tuning do for {wish.model.name}?")
    return _filled("experiment_summary.yaml", {**values, **words, **lists, "question": question})


def _yaml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Values as JSON has them, which YAML reads."""
    return "".join(
        f"\n{title}:\n" + "".join(f"  {name}: {as_yaml(value)}\n" for name, value in section.items())
        for title, section in sections.items()
    )


def _filled(name: str, values: Mapping[str, str]) -> str:
    return _Template((TEMPLATE / name).read_text()).substitute(values)


class _Template(Template):
    """`@name`: dollars are the shell's and torchtune's own."""

    delimiter = "@"
