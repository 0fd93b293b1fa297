"""An experiment for a model, data and a task of one's own: LoRA by torchtune, evaluated by inspect-ai."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from string import Template
from typing import Any

import msgspec

from runexp.scaffolding import datasets, models, tasks
from runexp.scaffolding.problems import CannotBe
from runexp.scaffolding.tasks import Task
from runexp.text import as_yaml
from runexp.wire import names

TEMPLATE = Path(__file__).parent / "own"
#: For editors: the summary's first line names it.
SCHEMA = Path(__file__).parent / "experiment_summary.schema.json"
#: In an #SBATCH line: nothing that sbatch would take for something else.
_WORD = re.compile(r"[A-Za-z0-9._:,=+@%/-]*")
_TIME = re.compile(r"(\d{1,9}-)?\d{1,9}(:\d{1,9}){0,2}|UNLIMITED", re.ASCII)


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


def scaffold(directory: Path, wish: Wish) -> None:
    """Write it. Raises CannotBe, UnicodeError and OSError; nothing is written where it can't be made."""
    _check(directory, wish)
    files = {
        path: each if isinstance(each, bytes) else each.encode() for path, each in _files(directory, wish)
    }
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _check(directory: Path, wish: Wish) -> None:
    """Raises CannotBe for what could be written, and not be read."""
    name = wish.name or directory.name
    if not names.is_experiments(name):
        raise CannotBe(f"{name!r} is no name for an experiment", f"--name: {names.EXPERIMENT_RULE}")
    if not str(directory).isprintable():
        raise CannotBe(f"{str(directory)!r} can't be shown as it is", "name another directory")
    if odd := [task.name for task in wish.tasks if not names.PLAIN.fullmatch(task.name)]:
        raise CannotBe(f"{odd[0]!r} is no name for a task", names.PLAIN_RULE)
    if odd := [said for said in (wish.partition, wish.account) if not _WORD.fullmatch(said)]:
        raise CannotBe(f"{odd[0]!r} can't stand in an #SBATCH line", "one plain word each")
    if not _TIME.fullmatch(wish.time_limit):
        raise CannotBe(f"{wish.time_limit!r} is no time limit", "as sbatch has it: 90, 04:00:00 or 2-12")


def _files(directory: Path, wish: Wish) -> Iterator[tuple[Path, str | bytes]]:
    config = models.read(wish.model)
    dataset = datasets.read(wish.data)
    values = _values(directory, wish, config)
    ranks = tuple(dict.fromkeys(wish.ranks))
    yield directory / "post_finetune.py", (TEMPLATE.parent / "example" / "post_finetune.py").read_text()
    yield directory / SCHEMA.name, SCHEMA.read_bytes()
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
            "model": models.component(wish.model, config, rank),
            "tokenizer": models.tokenizer(wish.model, config),
            "dataset": dataset,
        }
        yield (
            directory / run / "finetune.yaml",
            _filled("finetune.yaml", {**own, "model": as_yaml(values["model"])}) + _yaml(sections),
        )
        yield directory / run / "finetune.slurm", _filled("finetune.slurm", own)
        for epoch in range(wish.epochs):
            trained = {"evaluated": f"{run}_epoch{epoch}", "place": f"../../artifacts/epoch_{epoch}"}
            yield from _cells(directory / run, f"_epoch{epoch}", wish, {**own, **trained})


def _cells(
    run: Path, suffix: str, wish: Wish, values: Mapping[str, str]
) -> Iterator[tuple[Path, str | bytes]]:
    """Evaluations, each with its task beside it: inspect takes relative paths alone."""
    for task in wish.tasks:
        cell = run / "eval" / f"{task.name}{suffix}"
        spec = shlex.quote(task.spec)
        yield cell / "cell.slurm", _filled("cell.slurm", {**values, "cell": cell.name, "task_spec": spec})
        if task.file is not None:
            yield cell / task.file.name, tasks.text(task.file)


def _values(directory: Path, wish: Wish, config: models.Config) -> dict[str, str]:
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
        "model_type": models.architecture(wish.model, config).model_type,
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
