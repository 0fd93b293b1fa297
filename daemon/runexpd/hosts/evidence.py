"""Questions about files as one script for sh, and answers from what it prints. Pure.

On the far side: find, head, stat, tail, xargs and readlink, of GNU's or of busybox's. Types are known before anything is opened,
paths are given with NULs between them, and what is printed is cut at words that were made for this one time: no name and no
content can be taken for another's.
"""

import stat as modes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, assert_never

import msgspec

from runexpd.hosts import complaints, paths
from runexpd.hosts.base import (
    MOST_READ_BYTES,
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
from runexpd.hosts.envelope import printed

#: Further on than any file goes; shells and their tools count no further.
_FARTHEST = 2**62


class Piece(NamedTuple):
    """Bytes of a file: of its last `tail` ones, or behind its first `skip` ones, the first `size`."""

    path: str
    size: int
    skip: int = 0
    tail: int = 0


def piece(ask: ReadPart) -> Piece:
    size = min(ask.size, MOST_READ_BYTES)
    if ask.offset < 0:
        return Piece(ask.path, size, tail=min(-ask.offset, _FARTHEST))
    return Piece(ask.path, size, skip=min(ask.offset, _FARTHEST))


class Words(msgspec.Struct, frozen=True):
    """What cuts the answers of one script: a token, and a way to spell paths that nobody could have known before."""

    token: str

    @property
    def row(self) -> bytes:
        return f"{self.token} ".encode()

    @property
    def spelled(self) -> str:
        """Put before an absolute path, it leads to the same file: `/./` is `/`, and so is `//`."""
        bits = f"{int(self.token, 16):b}"[-32:]
        return "/" + "".join("./" if bit == "1" else "/" for bit in bits)

    def section(self, name: str) -> bytes:
        return f"\n{self.token}:{name}\n".encode()

    def print_section(self, name: str) -> str:
        return f"printf '\\n%s:{name}\\n' {self.token}"


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


def script(asks: Sequence[Ask], words: Words, most_bytes: int) -> str:
    """`most_bytes`: of all that is read of files, at which it is cut."""
    return "\n".join(["export LC_ALL=C", *_lines(asks, words, most_bytes)])


def _lines(asks: Sequence[Ask], words: Words, most_bytes: int) -> Iterator[str]:
    row = f"xargs -0 -r stat -L -c '{words.token} %f %s %Y %n' --"
    yield words.print_section("facts")
    yield _fed(dict.fromkeys(ask.path for ask in asks), row)
    yield words.print_section("below")
    yield from (_fed(paths, f"{_walk(depth)} -print0' sh | {row}") for depth, paths in _depths(asks))
    yield words.print_section("links")
    yield from (_fed(paths, f"{_walk(depth)} -type l -print0' sh") for depth, paths in _depths(asks))
    yield words.print_section("places")
    if located := [ask.path for ask in asks if isinstance(ask, Locate)]:
        yield _fed(dict.fromkeys(located), _places(words))
    yield words.print_section("pieces")
    yield "{"
    yield from _reads({piece(ask) for ask in asks if isinstance(ask, ReadPart)}, words)
    yield words.print_section("whole")
    yield f"}} | head -c {most_bytes}"


def _depths(asks: Iterable[Ask]) -> list[tuple[int, list[str]]]:
    """Directories to be listed, by how deep: one at a time but those of a single level."""
    flat = list(dict.fromkeys(ask.path for ask in asks if isinstance(ask, ListDir)))
    deep = dict.fromkeys(ask for ask in asks if isinstance(ask, Tree))
    return [*([(1, flat)] if flat else []), *((tree.depth, [tree.path]) for tree in deep)]


def _walk(depth: int) -> str:
    """Links that lead to the top are followed, others are not walked into."""
    return f"""xargs -0 -r sh -c 'exec find -H "$@" -mindepth 1 -maxdepth {depth}"""


def _places(words: Words) -> str:
    each = f"""for path; do printf "%s " {words.token}; readlink -f -- "$path" || echo; done"""
    return f"xargs -0 -r sh -c '{each}' sh"


def _reads(pieces: Iterable[Piece], words: Words) -> Iterator[str]:
    """One command for all of a kind: a process costs more than a file."""
    groups: dict[str, list[str]] = {}
    for each in sorted(pieces):
        groups.setdefault(_read(each), []).append(words.spelled + each.path[1:])
    for number, (read, spelled) in enumerate(groups.items()):
        yield words.print_section(f"group{number}")
        regular = """xargs -0 -r sh -c 'for path; do [ ! -f "$path" ] || printf "%s\\0" "$path"; done' sh"""
        yield _fed(spelled, f"{regular} | xargs -0 -r sh -c '{read}' sh")


def _read(each: Piece) -> str:
    """Prints each file that it is given behind a line with its name, as head does."""
    if each.tail and each.tail == each.size:
        return f"""printf "\\n"; exec tail -v -c {each.size} -- "$@\""""
    if not each.tail and not each.skip:
        return f"""printf "\\n"; exec head -v -c {each.size} -- "$@\""""
    start = f"-c {each.tail}" if each.tail else f"-c +{each.skip + 1}"
    one = f"""printf "\\n==> %s <==\\n" "$path"; tail {start} -- "$path" | head -c {each.size}"""
    return f"for path; do {one}; done"


def _fed(paths: Iterable[str], to: str) -> str:
    """What reads paths with a NUL behind each."""
    data = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
    return f"{{\n{printed(data)}\n}} | {to}"


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
    read, whole, _ = rest.rpartition(words.section("whole"))
    known = _facts(below, words)
    dangling = {path: FileFact(_text(path), 0, 0.0, Kind.OTHER) for path in links.split(b"\0")[:-1]}
    return Evidence(
        facts=_facts(facts, words),
        below=dangling | known,
        pieces=_pieces(asks, words, read if whole else rest, bool(whole)),
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


def _pieces(asks: Iterable[Ask], words: Words, read: bytes, is_whole: bool) -> dict[Piece, bytes]:
    """By group, in the order in which they were asked; where it was cut, without the last one, which may be a part only."""
    wanted: dict[str, dict[bytes, Piece]] = {}
    for each in sorted({piece(ask) for ask in asks if isinstance(ask, ReadPart)}):
        wanted.setdefault(_read(each), {})[_bytes(each.path)] = each
    found: dict[Piece, bytes] = {}
    for number, group in enumerate(wanted.values()):
        _, _, read = read.partition(words.section(f"group{number}"))
        mine = read.partition(words.section(f"group{number + 1}"))[0] if number + 1 < len(wanted) else read
        found |= _cut(mine, group, words)
    if not is_whole and found:
        found.popitem()
    return found


def _cut(read: bytes, group: Mapping[bytes, Piece], words: Words) -> dict[Piece, bytes]:
    heads = f"\n==> {words.spelled}".encode()
    found: dict[Piece, bytes] = {}
    for part in read.split(heads)[1:]:
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
