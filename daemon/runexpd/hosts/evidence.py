"""Answers from what the script of `asking` printed. Pure."""

import re
import stat as modes
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

import msgspec

from runexpd.hosts import complaints, paths
from runexpd.hosts.asking import Piece, Walk, Words, piece, read, walks
from runexpd.hosts.base import (
    Answer,
    Ask,
    FileFact,
    FileMissing,
    FileRefused,
    Found,
    Kind,
    ListDir,
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


class Evidence(msgspec.Struct, frozen=True):
    """What a script printed, taken apart."""

    facts: Mapping[bytes, FileFact]
    #: What is in the directories that were listed, links of which nobody knows where they lead included; None: it isn't known.
    below: Mapping[Walk, Mapping[bytes, FileFact] | None]
    pieces: Mapping[Piece, bytes]
    #: Where paths lead, links resolved.
    places: Mapping[bytes, bytes]
    said: complaints.Said


#: A mode, a size, a time and a path, in numbers that a system can have.
_ROW = re.compile(rb"([0-9a-f]{1,8}) ([0-9]{1,19}) (-?[0-9]{1,19}) (.*)", re.DOTALL)
#: How xargs ends where what it ran was run: well, and with complaints.
_COMPLAINED = b"123"
_RAN = {b"0", _COMPLAINED}


def parse(asks: Sequence[Ask], words: Words, stdout: bytes, stderr: bytes) -> Evidence:
    """Raises ValueError for what the script can't have printed."""
    walked = walks(asks)
    names = [f"{part}{number}" for number in range(len(walked)) for part in ("names", "below")]
    sections = _sections(stdout, ["facts", *names, "places", "pieces"], words)
    said = complaints.read(stderr.replace(words.spelled.encode(), b"/"))
    contents, whole, _ = sections["pieces"].rpartition(words.section("whole"))
    return Evidence(
        facts=_facts(sections["facts"], words),
        below={
            walk: _below(sections[f"names{number}"], sections[f"below{number}"], said, words)
            for number, walk in enumerate(walked)
        },
        pieces=_pieces(asks, words, contents if whole else sections["pieces"], bool(whole)),
        places=dict(zip(_located(asks), _rows(sections["places"], words), strict=True)),
        said=said,
    )


def _sections(stdout: bytes, names: Sequence[str], words: Words) -> dict[str, bytes]:
    """Each with what follows it up to the next. Raises ValueError where one is missing."""
    rest, sections = stdout, {}
    for name, following in zip(names, [*names[1:], None], strict=True):
        _, there, rest = rest.partition(words.section(name))
        if not there:
            raise ValueError(f"no section {name}")
        sections[name] = rest.partition(words.section(following))[0] if following else rest
    return sections


def _below(listed: bytes, rows: bytes, said: complaints.Said, words: Words) -> dict[bytes, FileFact] | None:
    """None where find or stat did not do what it was asked. What has gone away meanwhile is left out."""
    names, _, found = listed.rpartition(words.status)
    rows, _, looked = rows.rpartition(words.status)
    facts = _facts(rows, words)
    silent = not said.reasons and not said.others
    if (
        not {found, looked} <= _RAN
        or (silent and _COMPLAINED in (found, looked))
        or (names and not facts and silent)
    ):
        return None
    below = {name: facts.get(name) or _unresolved(name, said) for name in names.split(b"\0")[:-1]}
    return {name: fact for name, fact in below.items() if fact is not None}


def _unresolved(name: bytes, said: complaints.Said) -> FileFact | None:
    """A link to nothing, or in a circle; or what may not be looked at, which is told of its directory."""
    if not said.about(_text(name)) and not said.others:
        return None
    return FileFact(_text(name), 0, 0.0, Kind.OTHER)


def _located(asks: Sequence[Ask]) -> list[bytes]:
    return list(dict.fromkeys(_bytes(ask.path) for ask in asks if isinstance(ask, Locate)))


def _rows(section: bytes, words: Words) -> list[bytes]:
    return [row.removesuffix(b"\n") for row in section.split(words.row)[1:]]


def _facts(section: bytes, words: Words) -> dict[bytes, FileFact]:
    facts = {}
    for row in _rows(section, words):
        if (found := _ROW.fullmatch(row)) is None:
            raise ValueError("no row of stat's")
        mode, size, modified_at, path = found.groups()
        facts[path] = FileFact(_text(path), int(size), float(int(modified_at)), _kind(int(mode, 16)))
    return facts


def _pieces(asks: Iterable[Ask], words: Words, contents: bytes, is_whole: bool) -> dict[Piece, bytes]:
    """By group, in the order in which they were asked; where it was cut, without the last one, which may be a part only."""
    wanted: dict[str, dict[bytes, Piece]] = {}
    for each in sorted({piece(ask) for ask in asks if isinstance(ask, ReadPart)}):
        wanted.setdefault(read(each), {})[_bytes(each.path)] = each
    found: dict[Piece, bytes] = {}
    for number, group in enumerate(wanted.values()):
        _, _, contents = contents.partition(words.section(f"group{number}"))
        mine = (
            contents.partition(words.section(f"group{number + 1}"))[0]
            if number + 1 < len(wanted)
            else contents
        )
        found |= _cut(mine, group, words)
    if not is_whole and found:
        found.popitem()
    return found


def _cut(contents: bytes, group: Mapping[bytes, Piece], words: Words) -> dict[Piece, bytes]:
    heads = f"\n==> {words.spelled}".encode()
    found: dict[Piece, bytes] = {}
    for part in contents.split(heads)[1:]:
        path, data = _headed(part, group)
        if path is not None:
            found[group[path]] = data
    return found


def _headed(part: bytes, group: Mapping[bytes, Piece]) -> tuple[bytes | None, bytes]:
    """A path, and what stands behind its line. A path may hold what ends such a line, too."""
    end = part.find(b" <==\n")
    while end >= 0:
        if (path := b"/" + part[:end]) in group:
            return path, part[end + 5 :]
        end = part.find(b" <==\n", end + 1)
    return None, b""


def answer(ask: Ask, evidence: Evidence, most: int) -> Answer | None:
    """None: to be asked again: the script was cut before it, or it changed meanwhile. `most`: entries of a listing."""
    try:
        paths.check(ask.path)
        fact = evidence.facts.get(_bytes(ask.path))
        if fact is None:
            return _absent(ask, evidence)
        match ask:
            case StatPath():
                return Found(fact)
            case ListDir() | Tree():
                return _listing(ask, fact, evidence, most)
            case ReadPart():
                return _part(piece(ask), fact, evidence)
            case Locate(path):
                return _place(path, evidence)
            case _:
                assert_never(ask)
    except FileMissing:
        return Missing()
    except FileRefused as error:
        return Withheld(error.what)


def _absent(ask: Ask, evidence: Evidence) -> Answer | None:
    """Only what was said not to be there isn't."""
    if not (why := evidence.said.about(ask.path)) and not evidence.said.others:
        return None
    if why and why not in complaints.NOTHING_THERE:
        return Withheld(f"{ask.path}: {why}")
    return Listing(()) if isinstance(ask, ListDir | Tree) else Missing()


def _listing(ask: ListDir | Tree, top: FileFact, evidence: Evidence, most: int) -> Answer | None:
    if not top.is_dir:
        raise FileRefused(f"{ask.path}: not a directory")
    if (walked := _walked(ask, evidence)) is None:
        return None
    start = _bytes(ask.path).rstrip(b"/") + b"/"
    found = [fact for path, fact in walked.items() if _is_in(path, start, ask)]
    if len(found) > most:
        raise paths.too_many(ask.path, most)
    if why := evidence.said.below(ask.path):
        raise FileRefused(why)
    return Listing(tuple(sorted(found, key=lambda fact: fact.path)))


def _walked(ask: ListDir | Tree, evidence: Evidence) -> Mapping[bytes, FileFact] | None:
    if isinstance(ask, Tree):
        return evidence.below[Walk((ask.path,), ask.depth, ask.holding)]
    return next(found for walk, found in evidence.below.items() if ask.path in walk.paths and walk.depth == 1)


def _is_in(path: bytes, start: bytes, ask: ListDir | Tree) -> bool:
    """In a listing of several directories: whether it is this one's."""
    return isinstance(ask, Tree) or (path.startswith(start) and b"/" not in path[len(start) :])


def _part(wanted: Piece, fact: FileFact, evidence: Evidence) -> Answer | None:
    if fact.kind is not Kind.FILE:
        raise paths.irregular(wanted.path)
    if (data := evidence.pieces.get(wanted)) is not None:
        return Part(fact, data)
    if (why := evidence.said.about(wanted.path)) and why not in complaints.NOTHING_THERE:
        raise FileRefused(f"{wanted.path}: {why}")
    return None


def _place(path: str, evidence: Evidence) -> Answer | None:
    place = evidence.places[_bytes(path)]
    return Place(_text(place)) if place else None


def _kind(mode: int) -> Kind:
    if modes.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if modes.S_ISDIR(mode) else Kind.OTHER


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
