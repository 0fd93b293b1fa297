"""Text from outside, made fit to be shown: what a terminal, a log block or a table would obey is spelled out. Pure."""

import json
import re

#: A control sequence, ECMA-48 5.4: colours, movements.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def as_yaml(value: object) -> str:
    """A value as YAML 1.1 reads it back: JSON, but for what isn't printable, which YAML wants as a number of its own.

    What isn't UTF-8 stays what it is: no YAML can hold it, and it can't be written either.
    """
    said = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() or _is_half(each) else f"\\U{ord(each):08x}" for each in said)


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def printable(text: str) -> str:
    """On one line, as it can be stored, sent and shown.

    Runs of white space are one blank, colours go, and every other character that isn't printable (controls, overrides of the
    direction, lone surrogates) is spelled out as Python would: `\\x00`, `\\u202e`; a byte that wasn't UTF-8 as `\\xff`.
    """
    plain = _SEQUENCE.sub("", text)
    if plain.isprintable() and " " not in plain:
        return plain
    return "".join(map(_shown, " ".join(plain.split())))


def printable_lines(text: str) -> str:
    """The same for several lines: newlines, tabs and runs of blanks stay as they are."""
    return text if text.isprintable() else "".join(map(_kept, _SEQUENCE.sub("", text)))


def on_one_line(text: str) -> str:
    """The same, but runs of blanks stay: a path or a command in it may be typed again."""
    return printable_lines(text.replace("\n", " ").replace("\t", " "))


def _kept(character: str) -> str:
    if character in "\n\t":
        return character
    return " " if character.isspace() else _shown(character)


def _shown(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # PEP 383: a byte
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "backslashreplace").decode()
