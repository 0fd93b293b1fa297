"""Puts what Sphinx reads into one directory, laid out as the project is, so that a link that holds here holds there."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from reference import pages

#: Beside what is in docs/.
TEXTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
_KINDS = (".md", ".png", ".svg")
_SECTION = re.compile(r"^## (.+)$")
_ENTRY = re.compile(r"^- \[(.+?)\]\((.+?)\.md\)")


def stage(root: Path, out: Path) -> None:
    """Make `out` anew from the project at `root`."""
    shutil.rmtree(out, ignore_errors=True)
    for path in [*(root / name for name in TEXTS), *_of_docs(root)]:
        place = out / path.relative_to(root)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for name, text in pages.all().items():
        place = out / "docs" / "reference" / f"{name}.md"
        place.parent.mkdir(exist_ok=True)
        place.write_text(text)
    index = out / "docs" / "index.md"
    index.write_text(with_contents(index.read_text()))


def _of_docs(root: Path) -> Iterator[Path]:
    return (path for path in (root / "docs").rglob("*") if path.suffix in _KINDS)


def with_contents(index: str) -> str:
    """The list of pages, and after it the same as Sphinx wants it: a caption a heading, an entry a link."""
    lines = []
    for line in index.splitlines():
        if section := _SECTION.match(line):
            lines += ["```", "", "```{toctree}", ":hidden:", ":titlesonly:", f":caption: {section[1]}", ""]
        elif entry := _ENTRY.match(line):
            lines.append(f"{entry[1]} <{entry[2]}>")
    return "\n".join([index, *lines[1:], "```", ""])
