"""Experiments made of the demo's, without what its runs left."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

RESULTS = {"artifacts", "logs"}


def only(real_experiment: Path, experiment: Path, run: str) -> Path:
    """One of the demo's runs alone, as it was before it was trained, named as its directory is."""
    others = {path.name for path in real_experiment.iterdir() if path.is_dir()} - {run, "models"}
    shutil.copytree(
        real_experiment,
        experiment,
        ignore=shutil.ignore_patterns(*others, *RESULTS, "slurm-*.out", "run-*.log"),
    )
    path = experiment / "experiment_summary.yaml"
    summary = yaml.safe_load(path.read_text())
    summary["experiment"]["name"] = experiment.name
    summary["runs"] = [known for known in summary["runs"] if known["name"] == run]
    matrix = summary["evaluation"]["matrix"]
    summary["evaluation"]["matrix"] = [entry for entry in matrix if entry["run"] == run]
    path.write_text(yaml.safe_dump(summary))
    return experiment


def narrow(experiment: Path, evaluated: Mapping[str, Sequence[int]]) -> None:
    """Leave of the demo's runs, before any was trained, those named, and of their evaluations those of these epochs.

    `evaluated`: epochs by run; of the base model, which has none, no epochs.
    """
    path = experiment / "experiment_summary.yaml"
    summary = yaml.safe_load(path.read_text())
    for run in [run["name"] for run in summary["runs"] if run["name"] not in evaluated]:
        shutil.rmtree(experiment / run)
    for run, epochs in evaluated.items():
        for cell in (experiment / run).glob("eval/*_epoch*"):
            if int(cell.name.rpartition("_epoch")[2]) not in epochs:
                shutil.rmtree(cell)
    summary["runs"] = [run for run in summary["runs"] if run["name"] in evaluated]
    matrix = summary["evaluation"]["matrix"]
    summary["evaluation"]["matrix"] = [
        {**row, "epochs": list(evaluated[row["run"]]) or None} for row in matrix if row["run"] in evaluated
    ]
    path.write_text(yaml.safe_dump(summary, sort_keys=False))


def name_another_base(run: Path, base: str) -> None:
    """Have its script, at the end, name a base model in each epoch's adapter."""
    named = json.dumps({"base_model_name_or_path": base})
    script = run / "finetune.slurm"
    script.write_text(
        f"{script.read_text()}\nfor epoch in artifacts/epoch_*; do echo '{named}' > $epoch/adapter_config.json; done\n"
    )
