"""How wide text is on a terminal, in cells, and how it is made to fit. Pure.

Names are cut in the middle, where they differ least; sentences at their end; numbers never.
"""

from collections.abc import Iterator

CUT = "…"


def width(text: str) -> int:
    """How many cells it takes: a wide character two, one that is put over another none."""
    if text.isascii():
        return len(text)
    # A library of tables: only where it is needed, `runexp status` mostly doesn't.
    from rich.cells import cell_len

    return cell_len(text)


def left(text: str, cells: int) -> str:
    """Of so many cells, with blanks after it; cut at its end where it is longer."""
    text = cut_end(text, cells)
    return text + " " * (cells - width(text))


def right(text: str, cells: int) -> str:
    """The same with the blanks before it."""
    text = cut_end(text, cells)
    return " " * (cells - width(text)) + text


def cut_end(text: str, cells: int) -> str:
    """At most so many cells, with an ellipsis for what went."""
    if width(text) <= cells:
        return text
    return _head(text, cells - 1) + CUT if cells > 0 else ""


def cut_middle(text: str, cells: int) -> str:
    """The same, keeping both ends."""
    if width(text) <= cells:
        return text
    if cells < 3:
        return cut_end(text, cells)
    behind = (cells - 1) * 3 // 5
    return _head(text, cells - 1 - behind) + CUT + _head(text[::-1], behind)[::-1]


def wrapped(text: str, cells: int) -> Iterator[str]:
    """In pieces of at most so many cells; an empty text is one empty piece."""
    while width(text) > cells:
        piece = _head(text, cells) or text[:1]
        yield piece
        text = text[len(piece) :]
    yield text


def folded(text: str, cells: int) -> Iterator[str]:
    """The same, broken between words where there are any."""
    while width(text) > cells:
        piece = _head(text, cells) or text[:1]
        at_word = piece.rfind(" ") + 1 if text[len(piece) : len(piece) + 1] != " " else len(piece)
        # A path or a name isn't broken early for the sake of a short word before it.
        piece = piece[:at_word] if at_word > len(piece) // 2 else piece
        yield piece.rstrip()
        text = text[len(piece) :].lstrip()
    yield text


def hung(text: str, cells: int, indent: int) -> Iterator[str]:
    """The same; all but the first piece begin with so many blanks."""
    first, *others = folded(text, cells)
    yield first
    if others:
        rest = text[len(first) :].lstrip()
        yield from (" " * indent + piece for piece in folded(rest, max(1, cells - indent)))


def _head(text: str, cells: int) -> str:
    """As many of its characters as fit."""
    if text.isascii():
        return text[:cells]
    taken = 0
    for place, character in enumerate(text):
        taken += width(character)
        if taken > cells:
            return text[:place]
    return text
