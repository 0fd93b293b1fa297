"""Reads an experiment's directory through a host: gathers the summary, the listing and the texts, and has them understood.

Only regular files are read, a fixed number of questions whatever the number of runs, and nothing of it is parsed here. What
looks at each of a hundred thousand entries does so in a thread.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from posixpath import join
from typing import assert_never

import msgspec
from msgspec.structs import replace

from runexpd.experiments import limits, summary
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import (
    Answer,
    FileFact,
    FileMissing,
    FileRefused,
    Found,
    Host,
    Kind,
    Listing,
    Locate,
    Missing,
    Part,
    Place,
    ReadPart,
    StatPath,
    Tree,
    Withheld,
)
from runexpd.hosts.threads import aside
from runexpd.runtime.digest import Indigestible, Lane, digest
from runexpd.runtime.understand import Gathered, Reading, decoded, is_fit, pack, understand_packed
from runexpd.tools import registry
from runexpd.tools.base import Tool
from runexpd.tools.registry import Chosen

__all__ = ["DEPTH", "Reading", "check_writable", "read_experiment"]

#: A run's evaluation cells are four levels down: <run>/eval/<cell>/cell.slurm.
DEPTH = 4
#: By a child that shares a busy machine; an ordinary experiment takes a hundredth of it.
_SUMMARY_SECONDS = 30.0
_SCAFFOLD_SECONDS = 60.0
_TEXT_SECONDS = 0.01
_MOST_SECONDS = 300.0
_NAME_ONE = f"name the one that holds {summary.FILE}; `runexp ls` shows the experiments that are known"
_TEXTS = (".slurm", ".yaml", ".yml")


async def read_experiment(host: Host, dir: str, tools: Mapping[str, Tool], optimize_only: bool) -> Reading:
    """Read it, and change nothing. Raises BadExperiment, FileRefused and HostUnreachable."""
    dir = dir if dir.startswith("/") else await _resolved(host, dir)
    try:
        asked = await _question(host, dir.rstrip("/") or "/", tools)
        about = (asked.found, asked.design, asked.chosen, optimize_only)
        return await digest(understand_packed, *about, seconds=asked.seconds, lane=Lane.READING)
    except Indigestible as error:
        hint = "a summary, a script or a config in it is no ordinary one: make it simpler"
        raise BadExperiment(f"it can't be read: {error.what}", dir, hint) from error


async def _resolved(host: Host, dir: str) -> str:
    """From home. Raises BadExperiment for what isn't there."""
    try:
        return await host.resolve(dir)
    except FileMissing as error:
        raise BadExperiment("no such directory", dir, _NAME_ONE) from error


class _Question(msgspec.Struct, frozen=True):
    """What a child is to understand, and how long it may take to. Of very many files no more is kept than what goes to it."""

    found: bytes
    design: summary.Summary
    chosen: Chosen
    seconds: float


async def _question(host: Host, dir: str, tools: Mapping[str, Tool]) -> _Question:
    first = await _first(host, dir)
    dir, path = first.dir, join(first.dir, summary.FILE)
    design = await digest(_design, first.summary, path, dir, seconds=_SUMMARY_SECONDS, lane=Lane.READING)
    chosen = registry.choose(tools, design.preparation, design.evaluation, path)
    found = await _gathered(host, first, [run.name for run in design.runs])
    seconds = min(_SCAFFOLD_SECONDS + _TEXT_SECONDS * len(found.texts), _MOST_SECONDS)
    return _Question(await aside(lambda: pack(found)), design, chosen, seconds)


async def check_writable(host: Host, dir: str) -> None:
    """Raises BadExperiment for a directory that this user can't write to."""
    ran = await host.run(["test", "-d", dir, "-a", "-w", dir])
    if ran.exit_code != 0:
        raise BadExperiment(
            "the directory can't be written to", dir, "the run logs go there: check its permissions"
        )


class First(msgspec.Struct, frozen=True):
    """What an experiment's directory is asked at one moment."""

    #: Without links.
    dir: str
    summary: bytes
    entries: dict[str, FileFact]
    #: Where `logs` in it leads; None where there is no such directory.
    logs: str | None


async def _first(host: Host, typed: str) -> First:
    text = join(typed, summary.FILE)
    tree = Tree(typed, DEPTH, holding=summary.FILE)
    place, data, listing, logs, itself = await host.fetch(
        [Locate(typed), _whole(text), tree, Locate(join(typed, "logs")), StatPath(typed)]
    )
    if isinstance(place, Withheld):
        raise FileRefused(place.why)
    if not isinstance(place, Place):
        raise BadExperiment("no such directory", typed, _NAME_ONE)
    if isinstance(itself, Found) and itself.fact.kind is Kind.FILE:
        raise BadExperiment(
            "a file, and no directory", typed, f"name the directory that {summary.FILE} is in"
        )
    if not is_fit(place.path):
        raise BadExperiment("a directory whose name can't be shown", place.path, "rename it")
    if (found := _data(text, data)) is None:
        hint = "run design-experiment first, which writes it; `runexp init DIR` writes one to begin with"
        raise BadExperiment(f"there is no {summary.FILE}", text, hint)
    if isinstance(listing, Withheld):
        raise FileRefused(listing.why)
    return First(
        dir=place.path,
        summary=found,
        entries=_entries(listing, typed, place.path),
        logs=logs.path if isinstance(logs, Place) else None,
    )


def _entries(answer: Answer, asked: str, real: str = "") -> dict[str, FileFact]:
    """By path; below `real`, where it was asked for by another name."""
    found = answer.entries if isinstance(answer, Listing) else ()
    if asked != real and real:
        found = tuple(replace(fact, path=real + fact.path.removeprefix(asked)) for fact in found)
    return {fact.path: fact for fact in found}


def _design(data: bytes, path: str, dir: str) -> summary.Summary:
    return summary.read(decoded(data, path), path, dir)


async def _gathered(host: Host, first: First, runs: Sequence[str]) -> Gathered:
    dir, entries = first.dir, dict(first.entries)
    links: dict[str, str] = {}
    for level, places in enumerate(_levels(dir, runs, entries), start=1):
        await _follow(host, places, DEPTH - level, entries, links)
    if len(entries) > limits.ENTRIES:
        what = f"{len(entries)} files and directories, four levels down: more than {limits.ENTRIES}"
        raise BadExperiment(what, dir, "move what isn't the experiment's elsewhere")
    fit = await aside(lambda: {path: fact for path, fact in entries.items() if is_fit(path)})
    return Gathered(
        dir=dir,
        entries=tuple(fit.values()),
        texts=await _texts(host, dir, frozenset(runs), fit),
        links=links,
        logs=_logs(first, fit),
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
    bare = await aside(lambda: _bare(places, entries))
    asks = [ask for path in bare for ask in (Locate(path), Tree(path, depth))]
    answers = await host.fetch(asks) if asks else []
    for path, place, listing in zip(bare, answers[::2], answers[1::2], strict=True):
        if isinstance(listing, Withheld):
            raise FileRefused(listing.why)
        if isinstance(place, Place) and (found := _entries(listing, path)):
            links[path] = place.path
            entries |= found


def _bare(places: Iterable[str], entries: Mapping[str, FileFact]) -> list[str]:
    full = {path.rpartition("/")[0] for path in entries}
    return [path for path in places if path in entries and entries[path].is_dir and path not in full]


async def _texts(
    host: Host, dir: str, runs: frozenset[str], entries: Mapping[str, FileFact]
) -> dict[str, bytes]:
    """Every script and config of the runs, evaluations' data left aside; those of other directories where they can be read."""
    wanted = await aside(lambda: [fact for fact in entries.values() if _is_wanted(dir, runs, fact)])
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
        raise BadExperiment(limits.TOO_LARGE, fact.path, limits.SMALLER)
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
            raise BadExperiment(
                answer.why.removeprefix(f"{path}: "), path, "it has to be a file that you can read"
            )
        case Listing() | Found() | Place():
            raise AssertionError("nobody asked for that")
        case _:
            assert_never(answer)


def _logs(first: First, entries: Mapping[str, FileFact]) -> str:
    """Where the run logs go: in `logs/` where the experiment has such a folder, else beside the summary."""
    path = f"{first.dir}/logs"
    if path not in entries or not entries[path].is_dir or first.logs is None:
        return first.dir
    if not first.logs.startswith(f"{first.dir}/"):
        hint = "the run logs would be written there: make it a directory of the experiment's own, or take it away"
        raise BadExperiment(f"a link that leads out of the experiment, to {first.logs}", path, hint)
    return first.logs
