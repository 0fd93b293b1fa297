"""What the project's texts say that can be held against the project: links, headings, commands."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
#: What describes it as it stands. What CHANGELOG.md tells of may be gone.
TEXTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
PROGRAMS = ("runexp", "runexpd")
_READER = MarkdownIt().enable("table")


def tokens(text: str) -> Iterator[Token]:
    """All of a text, what stands within a paragraph included."""
    for token in _READER.parse(text):
        yield token
        yield from token.children or ()


def links(text: str) -> Iterator[str]:
    """Where links and pictures lead."""
    for token in tokens(text):
        if target := token.attrGet("href") or token.attrGet("src"):
            yield str(target)


def anchors(text: str) -> set[str]:
    """Of headings, as GitHub and the site make them."""
    parsed = _READER.parse(text)
    said = [parsed[place + 1].content for place, token in enumerate(parsed) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in said}


def blocks(text: str) -> Iterator[str]:
    """What stands in blocks of code."""
    return (token.content for token in tokens(text) if token.type in ("code_block", "fence"))


def spans(text: str) -> Iterator[str]:
    """What stands in `code` within a text; what may be left out is said, and once."""
    return (re.sub(r"[][]|\.\.\.", "", t.content) for t in tokens(text) if t.type == "code_inline")


def commands(code: str) -> Iterator[list[str]]:
    """The words of each call of ours, the program first."""
    for line in code.replace("\\\n", " ").splitlines():
        for words in _simple(line):
            if words and words[0] in PROGRAMS:
                yield words


def _simple(line: str) -> Iterator[list[str]]:
    """The simple commands of a shell's line, without assignments before them and redirections after them."""
    try:
        reader = shlex.shlex(line, posix=True, punctuation_chars=True)
        reader.whitespace_split = True
        words = list(reader)
    except ValueError:  # no shell's line
        return
    own: list[str] = []
    for word in [*words, ";"]:
        if re.fullmatch(r"[;&|()<>]+", word):
            yield own
            own = []
        elif own or not re.fullmatch(r"\w+=.*|\$", word):
            own.append(word)
