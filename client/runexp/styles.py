"""Words as plain text, or as Markdown that shows them as they are. Pure."""

import re
from collections.abc import Callable, Iterable

import msgspec

from runexp.text import on_one_line

#: What begins something, wherever it stands: emphasis, code, links, tags, cells, entities. An underscore within a word doesn't.
_INLINE = re.compile(
    r"[\\`*~|]|<(?=\S)|](?=[(:\[])|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])",
)
#: What does so at the beginning of a paragraph or an item: a heading, a list, a quotation, a rule, a box to be ticked.
_FIRST = re.compile(r"(#{1,6}|[-+])(?=\s|$)|[>=\[]|-(?=[-\s]*$)|\d{1,9}(?=[.)](?:\s|$))")


class Style(msgspec.Struct, frozen=True):
    """How words are dressed up; a heading also has a level, 2 the highest."""

    heading: Callable[[int, str], str]
    bold: Callable[[str], str]
    #: Words from outside, shown as they are: in a line, and in a cell of a table.
    said: Callable[[str], str]
    cell: Callable[[str], str]
    #: Lines, each as it is, below an item of a list.
    quoted: Callable[[Iterable[str]], list[str]]


def as_cell(words: str) -> str:
    """On one line, and with a backslash before what Markdown would take for its own within it.

    CommonMark 0.31, 2.4; and what GitHub's Markdown adds: tables, strikethrough.
    """
    return _INLINE.sub(r"\\\g<0>", on_one_line(words).strip())


def as_markdown(words: str) -> str:
    """The same for words that may be the first of a paragraph or of an item."""
    line = as_cell(words)
    first = _FIRST.match(line)
    if first is None:
        return line
    before = first[0] if first[0].isdecimal() else ""
    return f"{before}\\{line[len(before) :]}"


def _indented(lines: Iterable[str]) -> list[str]:
    return [f"      {line}" for line in lines]


def _as_code(lines: Iterable[str]) -> list[str]:
    """Of an item: without the empty line they were a part of its paragraph."""
    found = _indented(lines)
    return ["", *found] if found else []


TEXT = Style(
    heading=lambda level, said: said.upper() if level < 4 else said,
    bold=lambda said: said,
    said=lambda said: said,
    cell=lambda said: said,
    quoted=_indented,
)
MARKDOWN = Style(
    heading=lambda level, said: f"{'#' * level} {said}",
    bold=lambda said: f"**{said}**",
    said=as_markdown,
    cell=as_cell,
    quoted=_as_code,
)
