"""Answers a tool's questions from this machine's own files, without a host; and counts the rounds."""

import os
import stat
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from runexpd.experiments import summary
from runexpd.experiments.scaffold import Scaffold
from runexpd.hosts.base import (
    Answer,
    Ask,
    FileFact,
    Found,
    Kind,
    ListDir,
    Listing,
    Locate,
    Missing,
    Part,
    ReadPart,
    StatPath,
    Tree,
    Withheld,
)
from runexpd.tools.base import Question

T = TypeVar("T")
Rounds = list[Sequence[Ask]]
DENIED = Withheld("Permission denied")


def answered(question: Question[T], rounds: Rounds | None = None, withheld: Collection[str] = ()) -> T:
    """What the answers mean. What was asked is added to `rounds`, a list a round; some paths the host won't let us look at."""
    rounds = [] if rounds is None else rounds
    try:
        asks = next(question)
        while True:
            rounds.append(asks)
            asks = question.send([answer(ask) if ask.path not in withheld else DENIED for ask in asks])
    except StopIteration as end:
        value: T = end.value
        return value


def answer(ask: Ask) -> Answer:
    """As a host answers."""
    try:
        match ask:
            case ListDir(path):
                return _listing(path)
            case StatPath(path):
                return Found(_fact(path, os.stat(path)))
            case ReadPart():
                return _part(ask)
            case Tree() | Locate():
                raise NotImplementedError("no tool asks for that")
    except FileNotFoundError:
        return Listing(()) if isinstance(ask, ListDir) else Missing()
    except (OSError, ValueError) as error:
        return Withheld(str(error))


def _listing(path: str) -> Listing:
    facts = []
    for name in sorted(os.listdir(path)):
        entry = f"{path}/{name}"
        try:
            found = os.stat(entry)
        except FileNotFoundError:
            found = os.lstat(entry)
        facts.append(_fact(entry, found))
    return Listing(tuple(facts))


def _part(ask: ReadPart) -> Part | Withheld:
    fact = _fact(ask.path, os.stat(ask.path))
    if fact.kind is not Kind.FILE:
        return Withheld("not a regular file")
    begin = ask.offset if ask.offset >= 0 else max(0, fact.size_bytes + ask.offset)
    with Path(ask.path).open("rb") as file:
        file.seek(begin)
        return Part(fact, file.read(ask.size))


def _fact(path: str, found: os.stat_result) -> FileFact:
    return FileFact(path, found.st_size, found.st_mtime, _kind(found.st_mode))


def _kind(mode: int) -> Kind:
    if stat.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if stat.S_ISDIR(mode) else Kind.OTHER


def scaffold(dir: Path) -> Scaffold:
    """An experiment on this machine, read as it is."""
    path = dir / summary.FILE
    design = summary.read(path.read_text(), str(path), str(dir))
    entries = [fact for run in design.runs for fact in _below(f"{dir}/{run.name}", 3)]
    scripts = [Path(fact.path) for fact in entries if fact.path.endswith((".slurm", ".yaml"))]
    return Scaffold(
        dir=str(dir),
        runs=design.runs,
        matrix=design.matrix,
        output_base=design.output_base,
        entries={fact.path: fact for fact in entries},
        texts={str(path): path.read_text() for path in scripts if path.is_file()},
    )


def _below(path: str, depth: int) -> list[FileFact]:
    found = answer(ListDir(path))
    entries = list(found.entries) if isinstance(found, Listing) else []
    return entries + [
        fact for entry in entries if entry.is_dir and depth > 1 for fact in _below(entry.path, depth - 1)
    ]
