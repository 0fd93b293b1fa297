"""What a page of the reference is made of, and how it is written as Markdown. What has no text of its own is known to lack it."""

from collections.abc import Iterator

import msgspec


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that has a name and is described in a sentence or two."""

    #: As it is typed.
    name: str
    text: str
    #: What is said of it beside, under the section's heads.
    cells: tuple[str, ...] = ()


class Section(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    text: str
    #: Of the entries' cells.
    heads: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()


class Page(msgspec.Struct, frozen=True, kw_only=True):
    title: str
    text: str
    sections: tuple[Section, ...]


def undescribed(page: Page) -> list[str]:
    """Names of what is listed and not described."""
    sections = [section.title for section in page.sections if not section.text]
    entries = [f"{s.title}: {entry.name}" for s in page.sections for entry in s.entries if not entry.text]
    return [*sections, *entries]


def markdown(page: Page) -> str:
    parts = [f"# {page.title}", page.text]
    for section in page.sections:
        parts += [f"## {section.title}", section.text]
        if section.entries:
            parts.append("\n".join(_table(section)))
    return "\n\n".join([*parts, ""])


def _table(section: Section) -> Iterator[str]:
    yield _row(["", *section.heads, ""])
    yield _row(["---"] * (len(section.heads) + 2))
    for entry in section.entries:
        yield _row([f"`{entry.name}`", *entry.cells, entry.text])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"
