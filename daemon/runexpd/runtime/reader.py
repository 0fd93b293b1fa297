"""Reads an experiment's directory through a host: gathers the summary, the listing and the texts, and has them understood.

Only regular files are read, a fixed number of questions whatever the number of runs, and nothing of it is parsed here.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar, assert_never

import anyio

from runexpd.experiments import limits, summary
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import (
    Answer,
    FileFact,
    FileMissing,
    Found,
    Host,
    HostError,
    Kind,
    ListDir,
    Listing,
    Missing,
    Part,
    Place,
    ReadPart,
    Withheld,
)
from runexpd.runtime.digest import Indigestible, Lane, digest
from runexpd.runtime.understand import Gathered, Reading, decoded, is_fit, understand
from runexpd.tools import registry
from runexpd.tools.base import Tool

__all__ = ["DEPTH", "Reading", "check_writable", "read_experiment"]

T = TypeVar("T")

#: A run's evaluation cells are four levels down: <run>/eval/<cell>/cell.slurm.
DEPTH = 4
#: By a child that shares a busy machine; an ordinary experiment takes a hundredth of it.
_SUMMARY_SECONDS = 30.0
_SCAFFOLD_SECONDS = 60.0
_TEXT_SECONDS = 0.01
_MOST_SECONDS = 300.0
_AT_A_TIME = 16
_TEXTS = (".slurm", ".yaml", ".yml")


async def read_experiment(host: Host, dir: str, tools: Mapping[str, Tool], optimize_only: bool) -> Reading:
    """Read it, and change nothing. Raises BadExperiment, FileRefused and HostUnreachable."""
    dir = await _resolved(host, dir)
    path = f"{dir}/{summary.FILE}"
    text = await _summary(host, path)
    try:
        design = await digest(_design, text, path, dir, seconds=_SUMMARY_SECONDS, lane=Lane.READING)
        chosen = registry.choose(tools, design.preparation, design.evaluation, path)
        found = await _gathered(host, dir, [run.name for run in design.runs])
        seconds = min(_SCAFFOLD_SECONDS + _TEXT_SECONDS * len(found.texts), _MOST_SECONDS)
        return await digest(
            understand, found, design, chosen, optimize_only, seconds=seconds, lane=Lane.READING
        )
    except Indigestible as error:
        raise BadExperiment(f"it can't be read: {error.what}", dir) from error
    except FileMissing as error:
        raise BadExperiment(error.what, dir, "it went away while it was read: try again") from None


async def check_writable(host: Host, dir: str) -> None:
    """Raises BadExperiment for a directory that this user can't write to."""
    ran = await host.run(["test", "-d", dir, "-a", "-w", dir])
    if ran.exit_code != 0:
        raise BadExperiment(
            "the directory can't be written to", dir, "the run logs go there: check its permissions"
        )


async def _resolved(host: Host, dir: str) -> str:
    try:
        resolved = await host.resolve(dir)
    except FileMissing:
        raise BadExperiment("no such directory", dir) from None
    if not is_fit(resolved):
        raise BadExperiment("a directory whose name can't be shown", resolved, "rename it")
    return resolved


def _design(data: bytes, path: str, dir: str) -> summary.Summary:
    return summary.read(decoded(data, path), path, dir)


async def _summary(host: Host, path: str) -> bytes:
    (answer,) = await host.fetch([_whole(path)])
    data = _data(path, answer)
    if data is None:
        hint = "run design-experiment first, which writes it"
        raise BadExperiment(f"there is no {summary.FILE}", path, hint)
    return data


async def _gathered(host: Host, dir: str, runs: Sequence[str]) -> Gathered:
    entries = {fact.path: fact for fact in await host.tree(dir, DEPTH)}
    links: dict[str, str] = {}
    for level, places in enumerate(_levels(dir, runs, entries), start=1):
        await _follow(host, places, DEPTH - level, entries, links)
    if len(entries) > limits.ENTRIES:
        what = f"{len(entries)} files and directories, four levels down: more than {limits.ENTRIES}"
        raise BadExperiment(what, dir, "move what isn't the experiment's elsewhere")
    fit = {path: fact for path, fact in entries.items() if is_fit(path)}
    return Gathered(
        dir=dir,
        entries=tuple(fit.values()),
        texts=await _texts(host, dir, frozenset(runs), fit),
        links=links,
        logs=await _logs(host, dir, fit),
    )


def _levels(dir: str, runs: Sequence[str], entries: Mapping[str, FileFact]) -> Iterator[list[str]]:
    """Directories that may be links, to a larger disk for instance: runs, their `eval`, and the cells in it.

    What is asked for later is looked up later, when what the outer links lead to is there.
    """
    yield [f"{dir}/{run}" for run in runs]
    evals = [f"{dir}/{run}/eval" for run in runs]
    yield evals
    known = frozenset(evals)
    yield [path for path in entries if path.rpartition("/")[0] in known]


async def _follow(
    host: Host, places: Iterable[str], depth: int, entries: dict[str, FileFact], links: dict[str, str]
) -> None:
    """Take in what lies behind links. A listing doesn't follow them: a directory that has entries and shows none is one."""
    full = {path.rpartition("/")[0] for path in entries}
    bare = [path for path in places if path in entries and entries[path].is_dir and path not in full]
    asked = await host.fetch([ListDir(path) for path in bare]) if bare else []
    behind = [
        path
        for path, answer in zip(bare, asked, strict=True)
        if isinstance(answer, Listing) and answer.entries
    ]

    async def look(path: str) -> tuple[str, Sequence[FileFact]]:
        return await host.resolve(path), await host.tree(path, depth)

    for path, (leads, found) in (await _each(behind, look)).items():
        links[path] = leads
        entries |= {fact.path: fact for fact in found}


async def _each(paths: Iterable[str], ask: Callable[[str], Awaitable[T]]) -> dict[str, T]:
    """An answer for each path, in order. Raises what the first that fails raises, and asks no more."""
    answers: dict[str, T] = {path: None for path in paths}  # type: ignore[misc]
    limit = anyio.CapacityLimiter(_AT_A_TIME)
    problems: list[Exception] = []

    async def one(path: str) -> None:
        async with limit:
            try:
                answers[path] = await ask(path)
            except (HostError, BadExperiment) as problem:
                problems.append(problem)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for path in answers:
            tasks.start_soon(one, path)
    if problems:
        raise problems[0]
    return answers


async def _texts(
    host: Host, dir: str, runs: frozenset[str], entries: Mapping[str, FileFact]
) -> dict[str, bytes]:
    """Every script and config of the runs, evaluations' data left aside; those of other directories where they can be read."""
    wanted = [fact for fact in entries.values() if _is_wanted(dir, runs, fact)]
    if sum(fact.size_bytes for fact in wanted) > limits.SCAFFOLD_BYTES:
        what = f"scripts and configs of more than {limits.SCAFFOLD_BYTES // 1024 // 1024} MB"
        raise BadExperiment(what, dir, "move what isn't the experiment's elsewhere")
    found: dict[str, bytes] = {}
    for some in _portions(wanted):
        answers = await host.fetch([_whole(fact.path) for fact in some])
        for fact, answer in zip(some, answers, strict=True):
            data = _data(fact.path, answer)
            if data is not None:  # it was there a moment ago
                found[fact.path] = data
    return found


def _is_wanted(dir: str, runs: frozenset[str], fact: FileFact) -> bool:
    """Raises BadExperiment for what should be a script or a config of a run, and can't be."""
    parts = fact.path.removeprefix(f"{dir}/").split("/")
    placed = len(parts) == 2 or (len(parts) in (3, 4) and parts[1] == "eval")
    if not placed or not parts[-1].endswith(_TEXTS):
        return False
    regular, small = fact.kind is Kind.FILE, fact.size_bytes <= limits.FILE_BYTES
    if parts[0] not in runs:
        return regular and small
    if not regular:
        raise BadExperiment(
            "not a regular file", fact.path, "a script or a config is a file that can be read"
        )
    if not small:
        raise BadExperiment(f"larger than {limits.FILE_BYTES // 1024 // 1024} MB", fact.path)
    return True


def _portions(facts: Iterable[FileFact]) -> Iterator[list[FileFact]]:
    """What is fetched at one moment."""
    some: list[FileFact] = []
    size = 0
    for fact in facts:
        if size + fact.size_bytes > limits.FETCH_BYTES or len(some) == limits.FETCH_FILES:
            yield some
            some, size = [], 0
        some.append(fact)
        size += fact.size_bytes
    if some:
        yield some


def _whole(path: str) -> ReadPart:
    """One byte more than a file may have tells that it has."""
    return ReadPart(path, 0, limits.FILE_BYTES + 1)


def _data(path: str, answer: Answer) -> bytes | None:
    """None where there is no such file. Raises BadExperiment."""
    match answer:
        case Part():
            return answer.data
        case Missing():
            return None
        case Withheld():
            raise BadExperiment(answer.why.removeprefix(f"{path}: "), path)
        case Listing() | Found() | Place():
            raise AssertionError("nobody asked for that")
        case _:
            assert_never(answer)


async def _logs(host: Host, dir: str, entries: Mapping[str, FileFact]) -> str:
    """Where the run logs go: in `logs/` where the experiment has such a folder, else beside the summary."""
    path = f"{dir}/logs"
    if path not in entries or not entries[path].is_dir:
        return dir
    leads = await host.resolve(path)
    if not leads.startswith(f"{dir}/"):
        hint = "the run logs would be written there: make it a directory of the experiment's own, or take it away"
        raise BadExperiment(f"a link that leads out of the experiment, to {leads}", path, hint)
    return leads
