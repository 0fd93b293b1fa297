"""A real experiment that needs no download: a tiny Llama learns to write words with a capital.

It gets a base model made on the spot, data, a control run and three LoRA runs (ranks 4 and 8, two epochs; and rank 8 again, of
which only the adapter is saved, logged by Weights & Biases), each with its evaluations. The virtual environment that every script
activates needs runexp's extra `jobs`.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from runexp.scaffolding.own import SCHEMA

TEMPLATE = Path(__file__).parent / "example"
#: That are told of, at most.
STEPS = 3
MERGED = {"rank4": 4, "rank8": 8}  # run: its rank
ADAPTERS = {"rank8-adapter": 8}
EPOCHS = (0, 1)
TASK = "capitalization"


def scaffold(directory: Path, environment: Path, step: Callable[[str], None] = print) -> None:
    """Make the experiment in a directory; what is there already is kept as it is.

    Arguments: `environment` is a virtual environment's directory, `step` is told what is being done. Raises
    subprocess.CalledProcessError where the environment lacks what makes the model.
    """
    directory.mkdir(parents=True, exist_ok=True)
    python = environment / "bin" / "python"
    if not (directory / "models" / "tiny-llama" / "model.safetensors").exists():
        step("making the base model (ten seconds, most of it imports)")
        _run(python, "make_tiny_model.py", directory / "models" / "tiny-llama")
    if not (directory / "words.json").exists():
        step("making the data: 1000 words to train on, 100 to test")
        _run(python, "make_data.py", directory / "words.json")
    step("writing scripts and configs")
    activated = shlex.quote(str(environment))
    _write(directory / "experiment_summary.yaml", (TEMPLATE / "experiment_summary.yaml").read_text())
    _write(directory / SCHEMA.name, SCHEMA.read_text())
    _write(directory / "post_finetune.py", (TEMPLATE / "post_finetune.py").read_text())
    for run, rank in MERGED.items():
        _run_directory(directory, run, _config(rank), activated)
    for run, rank in ADAPTERS.items():
        _run_directory(directory, run, _adapter_alone(_config(rank), run), activated)
    _cell(directory / "base", TASK, "../../../models/tiny-llama", "tiny-llama", activated)


def _config(rank: int) -> str:
    config = (TEMPLATE / "finetune.yaml").read_text()
    return config.replace("lora_rank: 8", f"lora_rank: {rank}").replace(
        "lora_alpha: 16", f"lora_alpha: {2 * rank}"
    )


def _adapter_alone(config: str, run: str) -> str:
    """The config of a run as most scaffolders make it: the adapter alone is saved, and W&B logs the steps."""
    logger = config[config.index("metric_logger:") : config.index("log_every_n_steps:")]
    config = config.replace(logger, (TEMPLATE / "wandb.yaml").read_text().format(run=run))
    return config.replace("save_adapter_weights_only: False", "save_adapter_weights_only: True")


def _run_directory(directory: Path, run: str, config: str, environment: str) -> None:
    script = (TEMPLATE / "finetune.slurm").read_text().format(run=run, environment=environment)
    _write(directory / run / "finetune.yaml", config)
    _write(directory / run / "finetune.slurm", script)
    for epoch in EPOCHS:
        cell = f"{TASK}_epoch{epoch}"
        _cell(directory / run, cell, f"../../artifacts/epoch_{epoch}", f"{run}_epoch{epoch}", environment)


def _cell(run: Path, cell: str, model_path: str, model: str, environment: str) -> None:
    script = (TEMPLATE / "cell.slurm").read_text()
    name = f"{run.name}-{cell}"
    filled = script.format(name=name, environment=environment, model=model, model_path=model_path)
    _write(run / "eval" / cell / "cell.slurm", filled)
    _write(run / "eval" / cell / "task.py", (TEMPLATE / "task.py").read_text())


def _write(path: Path, text: str) -> None:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _run(python: Path, script: str, out: Path) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_name(f".{out.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    subprocess.run([python, TEMPLATE / script, partial], check=True, capture_output=True, text=True)
    partial.rename(out)
