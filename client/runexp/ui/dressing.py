"""The report's text in the tones of the palette, by what its lines begin with. Pure."""

from collections.abc import Iterator

from runexp.text import on_one_line
from runexp.ui.palette import Line, Span

_BEGINNINGS = {"✓": "good", "✗": "bad", "…": "busy", "Warning:": "warn"}
#: Under these the lines of a list are of that tone.
_LISTS = {"Failed": "bad", "Unclear": "doubt", "Warnings": "warn", "Skipped": "dim"}


def report(text: str) -> Iterator[Line]:
    """Headings stand out, and what failed."""
    under = ""
    for line in text.split("\n"):
        if line and not line.startswith(("-", " ", "|")):
            under = next((tone for word, tone in _LISTS.items() if line.startswith(word)), "")
        yield (Span(on_one_line(line), _tone(line, under)),)


def _tone(line: str, under: str) -> str:
    if line.startswith("-"):
        return under
    if tone := next((tone for word, tone in _BEGINNINGS.items() if line.startswith(word)), ""):
        return tone
    is_heading = line.isupper() or line.endswith(":")
    return "strong" if is_heading and not line.startswith(("|", " ")) else ""
