"""The one palette: what a tone looks like. Pure.

Colours are of the 256 that terminals have, near those of Okabe and Ito (https://jfly.uni-koeln.de/color/), which people who see
few colours tell apart; they read on black and on white. No meaning hangs on a colour alone: a symbol or a word goes with it.
"""

from typing import NamedTuple


class Tone(NamedTuple):
    #: Of the 256; None: as the terminal writes.
    colour: int | None = None
    bold: bool = False
    reverse: bool = False


TONES = {
    "": Tone(),
    "strong": Tone(bold=True),
    "dim": Tone(244),
    "faint": Tone(240),
    "good": Tone(36),
    "bad": Tone(166, bold=True),
    "busy": Tone(32),
    "doubt": Tone(172, bold=True),
    "warn": Tone(172),
    "change": Tone(175),
    "alarm": Tone(172, bold=True, reverse=True),
    "chosen": Tone(reverse=True),
    "key": Tone(32, bold=True),
}


class Span(NamedTuple):
    """Text in a tone. It is printable and on one line: whoever makes a span sees to that."""

    text: str
    tone: str = ""


Line = tuple[Span, ...]


def plain(line: Line) -> str:
    """Without its tones."""
    return "".join(span.text for span in line)
