"""Text from files, names and the wire, made safe to show: nothing of it may steer a terminal."""

import re

#: A colour or weight; the only escape sequence that may pass.
_COLOUR = r"\x1b\[[0-9;:]*m"
#: Any control sequence (ECMA-48, 5.4), or a control character but \t \n \r.
_UNSAFE = re.compile(rf"({_COLOUR})|\x1b\[[0-?]*[ -/]*[@-~]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
#: The beginning of a sequence whose end may come with the next piece.
_BEGUN = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8})?\Z")
COLOURS_OFF = "\x1b[0m"


def one_line(text: str) -> str:
    """The text on one line: white space as blanks, other control and invisible characters spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else " " if c.isspace() else _spelled(c) for c in text)


def _spelled(character: str) -> str:
    return character.encode("unicode_escape", "replace").decode("ascii")


class Stream:
    """Text that comes in pieces, for a terminal: lines, tabs, carriage returns and colours pass, nothing else."""

    def __init__(self) -> None:
        self._held = ""

    def clean(self, piece: str) -> str:
        text = self._held + piece
        begun = _BEGUN.search(text)
        self._held = text[begun.start() :] if begun else ""
        return _UNSAFE.sub(lambda found: found[1] or "", text[: begun.start()] if begun else text)
