"""Answers from what the script of `asking` printed. Pure."""

import stat as modes
from collections.abc import Iterable, Mapping, Sequence
from typing import assert_never

import msgspec

from runexpd.hosts import complaints, paths
from runexpd.hosts.asking import Piece, Words, piece, read
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
    #: What is in the directories that were listed, links of which nobody knows where they lead included.
    below: Mapping[bytes, FileFact]
    pieces: Mapping[Piece, bytes]
    #: Where paths lead, links resolved.
    places: Mapping[bytes, bytes]
    said: complaints.Said
    #: Whether all pieces are there that could be read: there is a limit to what one script prints.
    is_whole: bool


def parse(asks: Sequence[Ask], words: Words, stdout: bytes, stderr: bytes) -> Evidence:
    """Raises ValueError for what the script can't have printed."""
    rest, sections = stdout, {}
    for name in ("facts", "below", "links", "places", "pieces"):
        before, there, rest = rest.partition(words.section(name))
        if not there:
            raise ValueError(f"no section {name}")
        sections[name] = before
    # Each stands before the section that follows it.
    facts, below, links, places = (sections[name] for name in ("below", "links", "places", "pieces"))
    contents, whole, _ = rest.rpartition(words.section("whole"))
    known = _facts(below, words)
    dangling = {path: FileFact(_text(path), 0, 0.0, Kind.OTHER) for path in links.split(b"\0")[:-1]}
    return Evidence(
        facts=_facts(facts, words),
        below=dangling | known,
        pieces=_pieces(asks, words, contents if whole else rest, bool(whole)),
        places=dict(zip(_located(asks), _rows(places, words), strict=True)),
        said=complaints.read(stderr.replace(words.spelled.encode(), b"/")),
        is_whole=bool(whole),
    )


def _located(asks: Sequence[Ask]) -> list[bytes]:
    return list(dict.fromkeys(_bytes(ask.path) for ask in asks if isinstance(ask, Locate)))


def _rows(section: bytes, words: Words) -> list[bytes]:
    return [row.removesuffix(b"\n") for row in section.split(words.row)[1:]]


def _facts(section: bytes, words: Words) -> dict[bytes, FileFact]:
    facts = {}
    for row in _rows(section, words):
        mode, size, modified_at, path = row.split(b" ", 3)
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
    """None: to be asked again, since the script was cut before it. `most`: entries of a listing."""
    try:
        paths.check(ask.path)
        fact = evidence.facts.get(_bytes(ask.path))
        if fact is None:
            return _absent(ask, evidence)
        match ask:
            case StatPath():
                return Found(fact)
            case ListDir(path):
                return _listing(path, 1, fact, evidence, most)
            case Tree(path, depth):
                return _listing(path, depth, fact, evidence, most)
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


def _absent(ask: Ask, evidence: Evidence) -> Answer:
    if (why := evidence.said.about(ask.path)) and why not in complaints.NOTHING_THERE:
        return Withheld(f"{ask.path}: {why}")
    return Listing(()) if isinstance(ask, ListDir | Tree) else Missing()


def _listing(path: str, depth: int, top: FileFact, evidence: Evidence, most: int) -> Answer:
    if not top.is_dir:
        raise FileRefused(f"{path}: not a directory")
    start = _bytes(path).rstrip(b"/") + b"/"
    found = [fact for each, fact in evidence.below.items() if _is_below(each, start, depth)]
    if len(found) > most:
        raise paths.too_many(path, most)
    if why := evidence.said.below(path):
        raise FileRefused(why)
    return Listing(tuple(sorted(found, key=lambda fact: fact.path)))


def _is_below(path: bytes, start: bytes, depth: int) -> bool:
    return path.startswith(start) and path.count(b"/", len(start)) < depth


def _part(wanted: Piece, fact: FileFact, evidence: Evidence) -> Answer | None:
    if fact.kind is not Kind.FILE:
        raise paths.irregular(wanted.path)
    if (data := evidence.pieces.get(wanted)) is not None:
        return Part(fact, data)
    if (why := evidence.said.about(wanted.path)) and why not in complaints.NOTHING_THERE:
        raise FileRefused(f"{wanted.path}: {why}")
    return Missing() if evidence.is_whole else None


def _place(path: str, evidence: Evidence) -> Answer:
    if not (place := evidence.places[_bytes(path)]):
        return Missing()
    return Place(_text(place))


def _kind(mode: int) -> Kind:
    if modes.S_ISREG(mode):
        return Kind.FILE
    return Kind.DIRECTORY if modes.S_ISDIR(mode) else Kind.OTHER


def _bytes(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _text(path: bytes) -> str:
    return path.decode("utf-8", "surrogateescape")
