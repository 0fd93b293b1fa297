"""Experiments made of the demo's, without what its runs left."""

import json
import shutil
from pathlib import Path

import yaml

RESULTS = {"artifacts", "logs"}


def only(real_experiment: Path, experiment: Path, run: str) -> Path:
    """One of the demo's runs alone, as it was before it was trained, named as its directory is."""
    others = {path.name for path in real_experiment.iterdir() if path.is_dir()} - {run, "models"}
    shutil.copytree(real_experiment, experiment, ignore=lambda _, names: (others | RESULTS) & set(names))
    for log in experiment.glob("run-*.log"):
        log.unlink()
    path = experiment / "experiment_summary.yaml"
    summary = yaml.safe_load(path.read_text())
    summary["experiment"]["name"] = experiment.name
    summary["runs"] = [known for known in summary["runs"] if known["name"] == run]
    matrix = summary["evaluation"]["matrix"]
    summary["evaluation"]["matrix"] = [entry for entry in matrix if entry["run"] == run]
    path.write_text(yaml.safe_dump(summary))
    return experiment


def name_another_base(run: Path, base: str) -> None:
    """Have its script, at the end, name a base model in each epoch's adapter."""
    named = json.dumps({"base_model_name_or_path": base})
    script = run / "finetune.slurm"
    script.write_text(
        f"{script.read_text()}\nfor epoch in artifacts/epoch_*; do echo '{named}' > $epoch/adapter_config.json; done\n"
    )
