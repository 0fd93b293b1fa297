"""What names an experiment, and a directory that one is in: as it is typed, from wherever one stands."""

import os
import re
from pathlib import Path

SUMMARY = "experiment_summary.yaml"
_LOCAL = "local"
_ON_CLUSTER = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*):(.*)", re.DOTALL)


def is_name(experiment: str) -> bool:
    """Whether it can only be a name: no option, no path, nothing on a cluster."""
    return not experiment.startswith(("-", ".", "~")) and "/" not in experiment and ":" not in experiment


def named(experiment: str) -> str:
    """An experiment's name as it is, or its directory made absolute."""
    looks_like_path = (
        experiment.startswith((".", "/", "~")) or "/" in experiment or Path(experiment, SUMMARY).exists()
    )
    if looks_like_path and not _ON_CLUSTER.fullmatch(experiment):
        return os.path.realpath(os.path.expanduser(experiment))
    return experiment


def place(directory: str) -> tuple[str, str]:
    """CLUSTER:/path, or a directory of this machine, as (cluster, path); absolute here, and there as it is typed."""
    match = _ON_CLUSTER.fullmatch(directory)
    cluster, path = match.groups() if match and not Path(directory).exists() else (_LOCAL, directory)
    return cluster, os.path.abspath(os.path.expanduser(path)) if cluster == _LOCAL else path
