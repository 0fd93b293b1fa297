"""An experiment laid out as cruijff_kit 0.3.4 scaffolds it, on a site as its users have one; a tiny model in place of theirs.

Names, directories and what the scripts do are the scaffolder's: absolute paths, a comment behind each directive, a watcher of the
GPU whose killing is an evaluation's exit code, outputs in the checkpoint's directory. The site has `module`, `conda` and
`nvidia-smi`, and the scaffolder's package, as far as jobs use it.
"""

import shutil
import stat
from pathlib import Path

import msgspec
import yaml

from fakes.upstream_texts import CELL, CONDA, FINETUNE, GRES, NVIDIA_SMI, RECIPE, TASK
from runexp.scaffolding import example

TEMPLATE = example.TEMPLATE
NAME, PROJECT, TASK_NAME = "cap_rank_comparison_2026-11-29", "capitalization", "capitalization"
QUESTION = "Does a rank of 8 learn more than one of 4?"
MODEL = "Llama-3.2-Tiny-Instruct"
ENVIRONMENT = "cruijff"
RECIPE_NAME = "cruijff_kit.tools.torchtune.custom_recipes.lora_finetune_single_device_nightly"


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A fine-tuned run."""

    rank: int
    epochs: tuple[int, ...]
    adapter_only: bool = True

    @property
    def label(self) -> str:
        return f"rank{self.rank}" if self.adapter_only else f"rank{self.rank}_merged"

    @property
    def name(self) -> str:
        return f"{MODEL}_{self.label}"


RUNS = (Trained(rank=4, epochs=(1,), adapter_only=False), Trained(rank=8, epochs=(0, 1)))
BASE, EARLIER = f"{MODEL}_base", f"{MODEL}_earlier"


def site(directory: Path, environment: Path) -> Path:
    """What login shells and jobs of the site have: a file for BASH_ENV. `environment`: a virtual one, as conda's."""
    package = directory / "packages" / "cruijff_kit" / "tools" / "torchtune"
    recipe = directory.joinpath("packages", *RECIPE_NAME.split("."))
    recipe.mkdir(parents=True)
    for each in (recipe, *recipe.parents):
        if each.is_relative_to(directory / "packages" / "cruijff_kit"):
            (each / "__init__.py").touch()
    (recipe / "__main__.py").write_text(RECIPE)
    shutil.copy(TEMPLATE / "post_finetune.py", package / "post_finetune.py")
    (directory / "bin").mkdir()
    (directory / "bin" / "nvidia-smi").write_text(NVIDIA_SMI)
    (directory / "bin" / "nvidia-smi").chmod(0o755)
    shell = directory / "site.sh"
    shell.write_text(CONDA.format(site=directory, environment=environment, name=ENVIRONMENT))
    return shell


def scaffold(
    directory: Path, model: Path, words: Path, gres: str = GRES, runs: tuple[Trained, ...] = RUNS
) -> Path:
    """`directory`/ck-projects/capitalization/NAME, with its own copies of the base model and of the data beside ck-projects."""
    experiment = directory / "ck-projects" / PROJECT / NAME
    (experiment / "logs").mkdir(parents=True)
    models, data = directory / "pretrained-llms", directory / "ck-data"
    shutil.copytree(model, models / MODEL)
    data.mkdir()
    shutil.copy(words, data / "words_5L.json")
    (data / "inspect_task.py").write_text(TASK)
    (experiment / "experiment_summary.yaml").write_text(
        yaml.safe_dump(_summary(experiment, runs), sort_keys=False)
    )
    for run in runs:
        _training(experiment, run, models, data, gres)
    for name, path in ((BASE, models / MODEL), (EARLIER, models / MODEL)):
        (experiment / name / "artifacts").mkdir(parents=True)
        label = name.removeprefix(f"{MODEL}_")
        _cell(experiment, name, label, path, None, gres)
    return experiment


def _summary(experiment: Path, runs: tuple[Trained, ...]) -> dict[str, object]:
    root = experiment.parents[2]
    trained = [
        {"name": run.name, "type": "fine-tuned", "model": MODEL, "parameters": {"lora_rank": run.rank, "save_adapter_weights_only": run.adapter_only}}
        for run in runs
    ]  # fmt: skip
    earlier = str(root / "pretrained-llms" / MODEL)
    return {
        "experiment": {
            "name": NAME,
            "project": PROJECT,
            "question": QUESTION,
            "date": "2026-11-29",
            "hypothesis": "It does.",
            "directory": str(experiment),
        },
        "tools": {"preparation": "torchtune", "evaluation": "inspect-ai"},
        "variables": {"lora_rank": [4, 8]},
        "controls": {"system_prompt": "", "prompt": "{input}", "epochs": 2, "batch_size": 16},
        "models": {"base": [{"name": MODEL, "path": str(root / "pretrained-llms" / MODEL), "size_gb": 0.001}]},
        "data": {"training": {"path": str(root / "ck-data" / "words_5L.json"), "label": "words_5L", "format": "json", "size_kb": 50, "splits": {"train": 1000, "validation": 0, "test": 100}}},
        "output": {"base_directory": str(experiment), "checkpoint_pattern": "{run_name}/artifacts/epoch_{N}", "wandb_project": PROJECT},
        "runs": [
            *trained,
            {"name": BASE, "type": "control", "model": MODEL, "parameters": {}},
            {"name": EARLIER, "type": "eval-only", "model": MODEL, "parameters": {"checkpoint_path": earlier}},
        ],
        "evaluation": {
            "system_prompt": "",
            "temperature": 0.0,
            "scorers": [{"name": "match"}],
            "tasks": [{"name": TASK_NAME, "script": str(root / "ck-data" / "inspect_task.py"), "dataset": str(root / "ck-data" / "words_5L.json"), "description": "capitals"}],
            "matrix": [
                *({"run": run.name, "vis_label": run.label, "tasks": [TASK_NAME], "epochs": list(run.epochs)} for run in runs),
                {"run": BASE, "vis_label": "base", "tasks": [TASK_NAME], "epochs": None},
                {"run": EARLIER, "vis_label": "earlier", "tasks": [TASK_NAME], "epochs": None},
            ],
        },
    }  # fmt: skip


def _training(experiment: Path, run: Trained, models: Path, data: Path, gres: str) -> None:
    directory = experiment / run.name
    output = f"{directory}/artifacts/"
    directory.mkdir()
    (directory / "finetune.yaml").write_text(
        yaml.safe_dump(_config(run, output, models, data), sort_keys=False)
    )
    script = FINETUNE.format(
        name=run.name, output=output, gres=gres, environment=ENVIRONMENT, recipe=RECIPE_NAME
    )
    (directory / "finetune.slurm").write_text(script)
    for epoch in run.epochs:
        _cell(experiment, run.name, run.label, Path(f"{output}epoch_{epoch}"), epoch, gres)


def _config(run: Trained, output: str, models: Path, data: Path) -> dict[str, object]:
    """The demo's, with what the scaffolder sets."""
    config: dict[str, object] = yaml.safe_load(
        (TEMPLATE / "finetune.yaml").read_text().replace("/tiny-llama", f"/{MODEL}")
    )
    del config["run_dir"]
    known = config["model"], config["dataset"]
    assert isinstance(known[0], dict)
    assert isinstance(known[1], dict)
    logger = {"_component_": "torchtune.training.metric_logging.WandBLogger", "mode": "offline"}
    return {
        "my_wandb_project": PROJECT,
        "my_wandb_run_name": run.name,
        "dataset_label": "words_5L",
        **config,
        "output_dir": output,
        "input_dir": f"{data}/",
        "models_dir": str(models),
        "model": {**known[0], "lora_rank": run.rank, "lora_alpha": 2 * run.rank},
        "dataset": {**known[1], "data_files": "${input_dir}/${dataset_label}.json"},
        "save_adapter_weights_only": run.adapter_only,
        "metric_logger": {**logger, "project": "${my_wandb_project}", "name": "${my_wandb_run_name}", "log_dir": "${output_dir}/logs"},
        "log_every_n_steps": 5,
    }  # fmt: skip


def _cell(experiment: Path, run: str, label: str, model: Path, epoch: int | None, gres: str) -> None:
    """Outputs lie where the model does, if it is of this experiment; else in the run's own directory."""
    cell = experiment / run / "eval" / (TASK_NAME if epoch is None else f"{TASK_NAME}_epoch{epoch}")
    cell.mkdir(parents=True)
    output = experiment / run / "artifacts" if epoch is None else model
    data = experiment.parents[2] / "ck-data"
    known = {
        "task_script": f"{data / 'inspect_task.py'}@{TASK_NAME}",
        "task_name": TASK_NAME,
        "model_path": str(model),
        "model_hf_name": f"hf/{run}" + ("" if epoch is None else f"_epoch_{epoch}"),
        "output_dir": f"{experiment / run}/artifacts/",
        "data_path": str(data / "words_5L.json"),
        "vis_label": label,
        "use_chat_template": True,
        **({} if epoch is None else {"epoch": epoch}),
        "finetuned": epoch is not None,
        "source_model": MODEL,
        "scorers": [{"name": "match"}],
        "seed": 14,
    }
    (cell / "eval.yaml").write_text(yaml.safe_dump(known, sort_keys=False))
    name = f"eval-{TASK_NAME}" + ("" if epoch is None else f"-ep{epoch}")
    metadata = "" if epoch is None else f'  --metadata epoch="{epoch}" \\\n'
    script = CELL.format(
        name=name, output=output, gres=gres, environment=ENVIRONMENT, cell=cell, metadata=metadata, **known
    )
    (cell / "cell.slurm").write_text(script)
    (cell / "cell.slurm").chmod(stat.S_IRWXU)
