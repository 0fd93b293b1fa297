"""Reads an experiment's directory through a host: the summary, the scaffold, the jobs that the tools find in it."""

from collections.abc import Mapping, Sequence
from typing import NoReturn

import anyio
import msgspec

from runexp.wire.jobs import JobSpec, RunSpec
from runexp.wire.states import Phase
from runexpd.experiments import summary
from runexpd.experiments.logblocks import EXPERIMENT
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import FileFact, FileMissing, FileRefused, Host, HostUnreachable
from runexpd.tools import registry
from runexpd.tools.base import Tool

#: A run's evaluation cells are four levels down: <run>/eval/<cell>/cell.slurm.
DEPTH = 4
MOST_BYTES = 4 * 1024 * 1024
_CONCURRENT_READS = 16


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment as it lies on disk."""

    name: str
    dir: str
    runs: tuple[RunSpec, ...]
    #: Tool names by phase.
    tools: dict[str, str]
    #: Paths of the run logs, by `experiment` and phase.
    logs: dict[str, str]
    #: Optimization jobs in the summary's order, then evaluations in the matrix's.
    jobs: tuple[JobSpec, ...]
    warnings: tuple[str, ...]


async def read_experiment(host: Host, dir: str, tools: Mapping[str, Tool], optimize_only: bool) -> Reading:
    """Read it, and change nothing. Raises BadExperiment, FileRefused and HostUnreachable."""
    try:
        dir = await host.resolve(dir)
    except FileMissing:
        raise BadExperiment("no such directory", dir) from None
    path = f"{dir}/{summary.FILE}"
    design = summary.read(
        await _text(host, path, hint="run design-experiment first, which writes it"), path, dir
    )
    chosen = registry.choose(tools, design.preparation, design.evaluation, path)
    entries = await _entries(host, dir, design.runs)
    scaffold = Scaffold(
        dir=dir,
        runs=design.runs,
        matrix=design.matrix,
        output_base=design.output_base,
        entries=entries,
        texts=await _texts(host, dir, entries),
    )
    trained = chosen.optimization.discover(scaffold)
    evaluated = chosen.evaluation.discover(scaffold)
    warnings = _check_complete(dir, trained, evaluated, optimize_only)
    return Reading(
        name=design.name,
        dir=dir,
        runs=design.runs,
        tools={Phase.OPTIMIZATION: chosen.optimization.name, Phase.EVALUATION: chosen.evaluation.name},
        logs=_logs(dir, entries, chosen),
        jobs=(*trained.jobs, *evaluated.jobs),
        warnings=(*design.warnings, *trained.warnings, *evaluated.warnings, *warnings),
    )


async def check_writable(host: Host, dir: str) -> None:
    """Raises BadExperiment for a directory that this user can't write to."""
    ran = await host.run(["test", "-d", dir, "-a", "-w", dir])
    if ran.exit_code != 0:
        raise BadExperiment(
            "the directory can't be written to", dir, "the run logs go there: check its permissions"
        )


async def _entries(host: Host, dir: str, runs: Sequence[RunSpec]) -> dict[str, FileFact]:
    """Everything, four levels down. A run's directory may be a link, to a larger disk for instance: those are followed."""
    entries = {fact.path: fact for fact in await host.tree(dir, DEPTH)}
    for run in runs:
        place = f"{dir}/{run.name}"
        fact = entries.get(place)
        if fact is not None and fact.is_dir and not any(path.startswith(f"{place}/") for path in entries):
            entries |= {fact.path: fact for fact in await host.tree(place, DEPTH - 1)}
    return entries


async def _text(host: Host, path: str, hint: str) -> str:
    try:
        data = await host.read(path, 0, MOST_BYTES + 1)
    except FileMissing:
        raise BadExperiment(f"there is no {summary.FILE}", path, hint) from None
    return _decoded(data, path)


def _decoded(data: bytes, path: str) -> str:
    if len(data) > MOST_BYTES:
        raise BadExperiment(f"larger than {MOST_BYTES // 1024 // 1024} MB", path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise BadExperiment(f"not UTF-8 at byte {error.start}", path) from None


async def _texts(host: Host, dir: str, entries: Mapping[str, FileFact]) -> dict[str, str]:
    """Every script and config of the runs, evaluations' data left aside."""
    found: dict[str, str] = {}
    limit = anyio.CapacityLimiter(_CONCURRENT_READS)
    problems: list[Exception] = []

    async def read(path: str) -> None:
        async with limit:
            try:
                found[path] = _decoded(await host.read(path, 0, MOST_BYTES + 1), path)
            except FileMissing:
                pass  # it was there a moment ago
            except (BadExperiment, FileRefused, HostUnreachable) as problem:
                problems.append(problem)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for path in _wanted(dir, entries):
            tasks.start_soon(read, path)
    if problems:
        raise problems[0]
    return found


def _wanted(dir: str, entries: Mapping[str, FileFact]) -> list[str]:
    """Scripts and configs of each run's directory and its evaluations; not what a training has written."""
    wanted = []
    for path, fact in entries.items():
        parts = path.removeprefix(f"{dir}/").split("/")
        ours = len(parts) == 2 or (len(parts) in (3, 4) and parts[1] == "eval")
        if ours and not fact.is_dir and parts[-1].endswith((".slurm", ".yaml", ".yml")):
            wanted.append(path)
    return wanted


def _logs(dir: str, entries: Mapping[str, FileFact], chosen: registry.Chosen) -> dict[str, str]:
    """In `logs/` where that folder exists, else beside the summary."""
    logs = entries.get(f"{dir}/logs")
    place = f"{dir}/logs" if logs is not None and logs.is_dir else dir
    return {
        EXPERIMENT: f"{place}/run-experiment.log",
        Phase.OPTIMIZATION: f"{place}/run-{chosen.optimization.log_name}.log",
        Phase.EVALUATION: f"{place}/run-{chosen.evaluation.log_name}.log",
    }


def _check_complete(dir: str, trained: Discovery, evaluated: Discovery, optimize_only: bool) -> Sequence[str]:
    """What is missing and may be. Raises BadExperiment for what may not."""
    if trained.missing:
        _missing(dir, "", (*trained.missing, *evaluated.missing))
    if evaluated.missing and not optimize_only:
        _missing(dir, ", or train without evaluating: runexp run --optimize-only", evaluated.missing)
    return [f"no script for an evaluation: {path}" for path in evaluated.missing]


def _missing(dir: str, otherwise: str, missing: Sequence[str]) -> NoReturn:
    shown = ", ".join(missing[:10]) + (f" and {len(missing) - 10} more" if len(missing) > 10 else "")
    what = f"{len(missing)} script{'s are' if len(missing) > 1 else ' is'} missing: {shown}"
    raise BadExperiment(what, dir, f"run scaffold-experiment, which writes them{otherwise}")
