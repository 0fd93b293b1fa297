"""Questions about files as one script for sh. Pure.

On the far side: find, head, stat, tail, xargs and readlink, of GNU's or of busybox's. Types are known before anything is opened,
paths are given with NULs between them, and what is printed is cut at words that were made for this one time: no name and no
content can be taken for another's.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from runexpd.hosts.base import MOST_READ_BYTES, Ask, ListDir, Locate, ReadPart, Tree
from runexpd.hosts.envelope import printed

#: Further on than any file goes; shells and their tools count no further.
_FARTHEST = 2**62
#: No file is: what is asked for from that far before its end begins at its beginning.
_LONGEST = 2**50

_NEEDED = (
    "for tool in find head readlink stat tail timeout xargs; do "
    'command -v "$tool" >/dev/null || { echo "$tool: not found" >&2; exit 127; }; done'
)


class Piece(NamedTuple):
    """Bytes of a file: of its last `tail` ones, or behind its first `skip` ones, the first `size`."""

    path: str
    size: int
    skip: int = 0
    tail: int = 0


def piece(ask: ReadPart) -> Piece:
    size = min(ask.size, MOST_READ_BYTES)
    if -_LONGEST < ask.offset < 0:
        return Piece(ask.path, size, tail=-ask.offset)
    return Piece(ask.path, size, skip=min(max(ask.offset, 0), _FARTHEST))


class Walk(NamedTuple):
    """Directories that are listed together."""

    paths: tuple[str, ...]
    depth: int = 1
    #: Only where there is a file of this name.
    holding: str = ""


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

    @property
    def status(self) -> bytes:
        return f"\n{self.token}?".encode()

    def print_status(self) -> str:
        """How what was run last has ended."""
        return f"printf '\\n%s?%s' {self.token} \"$?\""

    def print_section(self, name: str) -> str:
        return f"printf '\\n%s:{name}\\n' {self.token}"


def script(asks: Sequence[Ask], words: Words, most_bytes: int, seconds: int) -> str:
    """`most_bytes`: of all that is read of files, at which it is cut. What takes longer than `seconds` is killed."""
    limited = f'xargs() {{ timeout -s KILL {seconds} xargs "$@"; }}'
    return "\n".join(["export LC_ALL=C", _NEEDED, limited, *_lines(asks, words, most_bytes)])


def _lines(asks: Sequence[Ask], words: Words, most_bytes: int) -> Iterator[str]:
    row = f"xargs -0 -r stat -L -c '{words.token} %f %s %Y %n' --"
    yield words.print_section("facts")
    yield _fed(dict.fromkeys(ask.path for ask in asks), row)
    for number, walk in enumerate(walks(asks)):
        yield words.print_section(f"names{number}")
        yield _fed(walk.paths, f"{_find(walk)} -print0' sh")
        yield words.print_status()
        yield words.print_section(f"below{number}")
        yield _fed(walk.paths, f"{_find(walk)} -print0' sh | {row}")
        yield words.print_status()
    yield words.print_section("places")
    if located := [ask.path for ask in asks if isinstance(ask, Locate)]:
        yield _fed(dict.fromkeys(located), _places(words))
    yield words.print_section("pieces")
    yield "{"
    yield from _reads({piece(ask) for ask in asks if isinstance(ask, ReadPart)}, words)
    yield words.print_section("whole")
    yield f"}} | head -c {most_bytes}"


def walks(asks: Iterable[Ask]) -> list[Walk]:
    """Directories to be listed: those of a single level all at once, deeper ones each by itself."""
    flat = tuple(dict.fromkeys(ask.path for ask in asks if isinstance(ask, ListDir)))
    deep = dict.fromkeys(ask for ask in asks if isinstance(ask, Tree))
    found = [Walk((tree.path,), tree.depth, tree.holding) for tree in deep]
    return [*([Walk(flat)] if flat else []), *found]


def _find(walk: Walk) -> str:
    """Links that lead to the top are followed, others are not walked into."""
    only = f'[ -f "$1/{walk.holding}" ] || exit 0; ' if walk.holding else ""
    find = f'exec find -H "$@" -mindepth 1 -maxdepth {walk.depth}'
    return f"xargs -0 -r sh -c '{only}{find}"


def _places(words: Words) -> str:
    """The shell itself tells where a directory is; only what is none costs a process."""
    there = """cd -P "$path" 2>/dev/null && pwd -P || { [ -e "$path" ] && readlink -f -- "$path"; } || echo"""
    each = f"""for path; do printf "%s " {words.token}; {there}; done"""
    return f"xargs -0 -r sh -c '{each}' sh"


def _reads(pieces: Iterable[Piece], words: Words) -> Iterator[str]:
    """One command for all of a kind: a process costs more than a file."""
    groups: dict[str, list[str]] = {}
    for each in sorted(pieces):
        groups.setdefault(read(each), []).append(words.spelled + each.path[1:])
    for number, (reader, spelled) in enumerate(groups.items()):
        yield words.print_section(f"group{number}")
        regular = """xargs -0 -r sh -c 'for path; do [ ! -f "$path" ] || printf "%s\\0" "$path"; done' sh"""
        yield _fed(spelled, f"{regular} | xargs -0 -r sh -c '{reader}' sh")


def read(each: Piece) -> str:
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
