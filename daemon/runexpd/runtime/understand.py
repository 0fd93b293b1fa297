"""What was gathered of an experiment's directory, understood: its jobs, and what is wrong with it. Pure; runs in a child."""

import pickle
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import dirname, normpath
from typing import NoReturn

import msgspec
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.jobs import JobSpec, RunSpec
from runexp.wire.states import Phase
from runexpd.core.held import Held
from runexpd.experiments import limits
from runexpd.experiments.logblocks import EXPERIMENT
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.experiments.summary import Summary
from runexpd.hosts.base import FileFact
from runexpd.tools.base import Tool
from runexpd.tools.registry import Chosen

#: What no path may hold that we use: it would forge a line, or turn one round.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
#: msgpack, not JSON: what it can carry, JSON, SQLite and the wire can, too.
_DISCOVERIES = msgspec.msgpack.Decoder(Discovery)


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
    question: str = ""


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What was fetched of an experiment's directory, before anything of it is understood."""

    #: Links resolved.
    dir: str
    entries: tuple[FileFact, ...]
    #: Scripts and configs by path, as they are.
    texts: dict[str, bytes]
    #: Directories of it that are links, and where they lead; the outer before the inner.
    links: dict[str, str]
    #: Where its run logs go.
    logs: str


def pack(found: Gathered) -> bytes:
    """In one piece."""
    return pickle.dumps(found, pickle.HIGHEST_PROTOCOL)


def understand_packed(packed: bytes, design: Summary, chosen: Chosen, optimize_only: bool) -> Reading:
    """Raises BadExperiment."""
    return understand(pickle.loads(packed), design, chosen, optimize_only)


def is_fit(path: str) -> bool:
    """Whether a path can be stored, sent and shown as it is."""
    return not _UNFIT.search(path)


def understand(found: Gathered, design: Summary, chosen: Chosen, optimize_only: bool) -> Reading:
    """Raises BadExperiment."""
    scaffold = Scaffold(
        dir=found.dir,
        runs=design.runs,
        matrix=design.matrix,
        output_base=design.output_base,
        entries={fact.path: fact for fact in found.entries},
        texts=dict(_texts(found, frozenset(run.name for run in design.runs))),
    )
    trained = _discovered(chosen.optimization, scaffold)
    evaluated = _discovered(chosen.evaluation, scaffold)
    missing = _check_complete(found.dir, trained, evaluated, optimize_only)
    held = Held()
    jobs = tuple(
        held.of(replace(job, place=_resolved(job.workdir, found.links)))
        for job in (*trained.jobs, *evaluated.jobs)
    )
    _check_jobs(jobs, found.links)
    return Reading(
        name=design.name,
        dir=found.dir,
        runs=held.of(design.runs),
        tools={Phase.OPTIMIZATION: chosen.optimization.name, Phase.EVALUATION: chosen.evaluation.name},
        logs=_logs(found.logs, chosen),
        jobs=jobs,
        warnings=_bounded((*design.warnings, *trained.warnings, *evaluated.warnings, *missing)),
        question=design.question,
    )


def _texts(found: Gathered, runs: frozenset[str]) -> Iterator[tuple[str, str]]:
    """A text of a run has to be one; what else lies about may be what it is."""
    for path, data in found.texts.items():
        try:
            yield path, decoded(data, path)
        except BadExperiment:
            if path.removeprefix(f"{found.dir}/").partition("/")[0] in runs:
                raise


def decoded(data: bytes, path: str) -> str:
    if len(data) > limits.FILE_BYTES:
        raise BadExperiment(limits.TOO_LARGE, path, limits.SMALLER)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        hint = "save it as UTF-8, or take out what stands there"
        raise BadExperiment(f"not UTF-8 at byte {error.start}", f"{path}:{line}", hint) from None


def _discovered(tool: Tool, scaffold: Scaffold) -> Discovery:
    """A tool module is anybody's: what it returns is taken as it can be stored, or not at all."""
    try:
        found = tool.discover(scaffold)
        if not isinstance(found, Discovery):
            raise TypeError(f"it found {type(found).__name__}, not a Discovery")
        found = _DISCOVERIES.decode(msgspec.msgpack.encode(found))
        _check_own(tool, scaffold, found.jobs)
    except (BadExperiment, MemoryError):
        raise
    except Exception as error:
        what = f"the {tool.name} module failed: {type(error).__name__}: {error}"
        raise BadExperiment(what, scaffold.dir, "the fault is the module's, not the experiment's") from error
    return found


def _check_own(tool: Tool, scaffold: Scaffold, jobs: Iterable[JobSpec]) -> None:
    runs = {run.name for run in scaffold.runs}
    for job in jobs:
        if (job.tool, job.phase) != (tool.name, tool.phase):
            raise ValueError(f"the job {job.id!r} is {job.tool}'s, for the {job.phase}")
        if job.run not in runs:
            raise ValueError(f"the job {job.id!r} is of {job.run!r}, which is no run")
        if not (job.script.startswith("/") and job.workdir.startswith("/") and job.output.startswith("/")):
            raise ValueError(f"the job {job.id!r} has paths that aren't absolute")


def _check_jobs(jobs: Sequence[JobSpec], links: Mapping[str, str]) -> None:
    ids: set[str] = set()
    scripts: dict[str, str] = {}
    for job in jobs:
        paths = (job.script, job.workdir, job.output, job.error, job.chdir, job.place, job.results)
        for text in (job.id, job.name, *paths):
            if text is not None and not is_fit(text):
                what = f"a name or path of {job.id!r} has characters that can't be shown"
                hint = f"rename it, or mend where it is written: {job.script}, or the config that it names"
                raise BadExperiment(what, ascii(text), hint)
        if not job.id or job.id in ids:
            raise BadExperiment(
                f"two jobs are called {job.id!r}", job.script, "their tool should tell them apart"
            )
        ids.add(job.id)
        script = _resolved(job.script, links)
        if script in scripts:
            hint = "give each a script of its own: a link makes one of two"
            raise BadExperiment(f"{scripts[script]} and {job.id} are the same script", script, hint)
        scripts[script] = job.id


def _resolved(path: str, links: Mapping[str, str]) -> str:
    """Without the links in it: the innermost that it passes says where it leads."""
    path = above = normpath(path)
    while above not in ("/", ""):
        if above in links:
            return links[above] + path.removeprefix(above)
        above = dirname(above)
    return path


def _logs(place: str, chosen: Chosen) -> dict[str, str]:
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
    what = f"{len(missing)} script{'s are' if len(missing) > 1 else ' is'} missing: {limits.listed(missing)}"
    raise BadExperiment(what, dir, f"run scaffold-experiment, which writes them{otherwise}")


def _bounded(warnings: Sequence[str]) -> tuple[str, ...]:
    shown = [printable(warning[: limits.MESSAGE_CHARACTERS]) for warning in warnings[: limits.WARNINGS]]
    more = len(warnings) - len(shown)
    return (*shown, f"and {more} more") if more else tuple(shown)
