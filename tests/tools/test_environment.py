"""Where evaluations run, by their scripts, and what is installed there makes of a checkpoint."""

import json
import shutil
from pathlib import Path

import pytest

from runexp.wire.jobs import Finding
from runexpd.tools.scripts import environments, home_of
from tools.trainings import Trained


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("source /opt/env/bin/activate", ["/opt/env"]),
        ('. "/opt/env/bin/activate"', ["/opt/env"]),
        ('ENV=/opt/env\nsource "$ENV/bin/activate"', ["/opt/env"]),
        ("source $ENV/bin/activate", []),
        ("source /opt/conda/etc/profile.d/conda.sh\nconda activate tune", ["/opt/conda/envs/tune"]),
        ('eval "$(/opt/conda/bin/conda shell.bash hook)"\nconda activate tune', ["/opt/conda/envs/tune"]),
        ("source /opt/conda/bin/activate tune", ["/opt/conda/envs/tune"]),
        ("conda activate /scratch/me/envs/x", ["/scratch/me/envs/x"]),
        ("# conda activate /scratch/me/envs/x", []),
    ],
)
def test_what_a_script_activates(script: str, found: list[str]) -> None:
    assert environments(f"#!/bin/bash\n{script}\ninspect eval task.py\n") == found


def test_where_a_script_names_no_root_conda_is_looked_for_at_home() -> None:
    found = environments("module load anaconda3/2024.6\nconda activate tune\n", home_of("/home/me/exp7"))
    assert "/home/me/.conda/envs/tune" in found
    assert "/home/me/miniconda3/envs/tune" in found
    assert home_of("/scratch/me/exp7") == ""


def installed(environment: Path, *names: str) -> None:
    for name in names:
        (environment / "lib/python3.11/site-packages" / name).mkdir(parents=True)


@pytest.fixture
def conda(trained: Trained, tmp_path: Path) -> Path:
    """The environment of the run's evaluations."""
    cell = trained.rundir / "eval" / "words_epoch0" / "cell.slurm"
    cell.write_text(
        f"{cell.read_text()}source {tmp_path}/conda/etc/profile.d/conda.sh\nconda activate tune\n"
    )
    return tmp_path / "conda" / "envs" / "tune"


def test_peft_in_a_conda_environment_is_warned_of_beside_merged_weights_alone(
    trained: Trained, conda: Path
) -> None:
    attempt = trained.train()
    (trained.epoch(0) / "adapter_config.json").write_text("{}")
    assert trained.verdict(attempt).warnings == ()
    installed(conda, "peft")
    (warning,) = trained.verdict(attempt).warnings
    assert f"{conda} has peft" in warning
    for number in (0, 1):
        shutil.rmtree(trained.epoch(number))
    adapter = trained.verdict(trained.train("--fate", "adapter"))
    assert (adapter.finding, adapter.warnings) == (Finding.GOOD, ())


@pytest.mark.parametrize(
    ("config", "version", "is_warned"),
    [
        ({"rope_parameters": {}}, "4.57.6", True),
        ({"rope_parameters": {}}, "5.23.0", False),
        ({"rope_parameters": {}, "rope_theta": 5e5}, "4.57.6", False),
        ({"rope_theta": 5e5}, "4.57.6", False),
        ([], "4.57.6", False),
    ],
)
def test_a_config_that_the_installed_transformers_misreads_is_warned_of(
    trained: Trained, conda: Path, config: object, version: str, is_warned: bool
) -> None:
    attempt = trained.train()
    (trained.epoch(1) / "config.json").write_text(json.dumps(config))
    installed(conda, "transformers", f"transformers-{version}.dist-info")
    warnings = trained.verdict(attempt).warnings
    assert bool(warnings) == is_warned
    assert all("transformers 4, which reads no rope_parameters" in warning for warning in warnings)
