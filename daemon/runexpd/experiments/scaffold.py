"""An experiment's directory as it was read, and what a tool found in it."""

from collections.abc import Mapping

import msgspec

from runexp.wire.jobs import JobSpec, RunSpec
from runexpd.hosts.base import FileFact


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of `evaluation.matrix`: these tasks, of this run, at these epochs (None: no epoch, a base model)."""

    run: str
    tasks: tuple[str, ...]
    epochs: tuple[int, ...] | None = None
    #: `vis_label`: what these are called in tables and pictures.
    label: str = ""


class Scaffold(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment's directory as it was read: what a tool finds its jobs in."""

    #: Absolute.
    dir: str
    runs: tuple[RunSpec, ...]
    matrix: tuple[Cells, ...]
    #: `output.base_directory` of the summary, absolute, where older experiments keep checkpoints.
    output_base: str | None = None
    #: Every entry, four levels down, by absolute path.
    entries: Mapping[str, FileFact]
    #: The text of every `*.slurm` and `*.yaml` below the runs' directories, by absolute path.
    texts: Mapping[str, str]


class Discovery(msgspec.Struct, frozen=True, kw_only=True):
    """A tool's jobs, and what is wrong with the scaffold."""

    jobs: tuple[JobSpec, ...] = ()
    #: Scripts that should be there and are not: paths relative to the experiment.
    missing: tuple[str, ...] = ()
    #: Scripts that no run or matrix entry asks for, and other things worth a line.
    warnings: tuple[str, ...] = ()
