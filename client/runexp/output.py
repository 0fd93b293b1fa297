"""What commands print: text for people, one JSON document for programs, errors in two lines. Commands print through here."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, NoReturn

import click
import msgspec

from runexp import exits, text
from runexp.connection import Lost, NoDaemon, Refusal, Unsendable
from runexp.ui.palette import TONES, Line, Span

_NOWHERE = ("the current directory is gone", "", "cd to one that is there")
_HINTS = {
    errno.ENOENT: "look what is there, and how it is spelled",
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room, or write it elsewhere"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "choose a place that is yours to write to"),
    **dict.fromkeys((errno.EISDIR, errno.ENOTDIR, errno.EEXIST), "choose another name"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "too many files are open: see ulimit -n"),
    errno.ENAMETOOLONG: "choose a shorter name",
}


def clean(shown: str) -> str:
    """Without what a terminal would obey, or hide: names and messages come from files. Lines stay lines."""
    return text.printable_lines(shown)


def one_line(shown: str) -> str:
    """The same, for a cell of a table."""
    return text.on_one_line(shown)


def raw(shown: str) -> None:
    """As it is, at once: what a file holds goes into a file or a pipe byte for byte."""
    sys.stdout.write(shown)
    sys.stdout.flush()


def say(shown: str = "") -> None:
    click.echo(clean(shown))


def lines(shown: Iterable[Line]) -> None:
    """In the tones of the palette on a terminal that is to have colours; else as plain text."""
    for line in shown:
        click.echo(_dressed(line))


def pages(shown: Iterable[Line]) -> None:
    """The same, a screen at a time where a terminal would lose the beginning; into a pipe or a file at once."""
    dressed = [_dressed(line) for line in shown]
    is_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    if not is_terminal or len(dressed) <= shutil.get_terminal_size().lines:
        click.echo("\n".join(dressed))
        return
    # Long lines are not wrapped: a table stays one.
    os.environ.setdefault("LESS", "FRSX")
    click.echo_via_pager("\n".join(dressed))


def _dressed(line: Line) -> str:
    is_plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return "".join(one_line(span.text) if is_plain else _styled(span) for span in line)


def _styled(span: Span) -> str:
    tone = TONES[span.tone]
    shown = one_line(span.text)
    return (
        click.style(shown, fg=tone.colour, bold=tone.bold or None, reverse=tone.reverse or None)
        if any(tone)
        else shown
    )


def note(shown: str) -> None:
    """For the person, not for a pipe."""
    click.echo(clean(shown), err=True)


def json(document: Any) -> None:
    """On one line."""
    click.echo(_encoded(document))


def _encoded(document: Any) -> str:
    """What isn't printable is escaped, as JSON can: a terminal obeys none of it, and a program reads what it was."""
    try:
        packed = msgspec.json.encode(document).decode()
    except UnicodeEncodeError:  # half a character, which no JSON can hold
        packed = msgspec.json.encode(_whole(msgspec.to_builtins(document, enc_hook=_unpacked))).decode()
    return packed if packed.isprintable() else "".join(map(_escaped, packed))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))


def _unpacked(value: object) -> Any:
    if isinstance(value, msgspec.Raw):
        return msgspec.json.decode(value)
    raise NotImplementedError(f"{type(value).__name__} in a document")


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {_whole(key): _whole(part) for key, part in value.items()}
    return [_whole(part) for part in value] if isinstance(value, list | tuple) else value


@contextmanager
def errors(as_json: bool = False) -> Iterator[None]:
    """What went wrong, where, what to do: on stderr, with an exit code. No traceback for what isn't a fault of ours."""
    try:
        yield
    except Refusal as refusal:
        refused = refusal.refused
        fail(refused.what, refused.where, refused.hint, exits.REFUSED, as_json)
    except NoDaemon as error:
        fail(error.what, "", error.hint, exits.NO_DAEMON, as_json)
    except Unsendable as error:
        fail(error.what, "", error.hint, exits.USAGE, as_json)
    except Lost:
        hint = "jobs go on; `runexp daemon` shows whether it runs"
        fail("the daemon went away", "", hint, exits.NO_DAEMON, as_json)
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
    except BrokenPipeError:  # whoever read us has seen enough
        _stop_writing()
        sys.exit(exits.OK)
    except UnicodeError as error:
        fail(f"something isn't UTF-8: {error}", "", "rename it, or write it anew", exits.REFUSED, as_json)
    except OSError as error:
        _stop_writing()
        fail(*_of_the_system(error), exits.REFUSED, as_json)


def _of_the_system(error: OSError) -> tuple[str, str, str]:
    """What, where, and what to do."""
    where = error.filename if isinstance(error.filename, str) else ""
    if error.errno == errno.ENOENT:
        return ("there is no such file", where, _HINTS[errno.ENOENT]) if where else _NOWHERE
    return error.strerror or str(error), where, _HINTS.get(error.errno or 0, "")


def _stop_writing() -> None:
    """What is still to be written would fail again at the exit, and the interpreter complain about it."""
    with suppress(OSError):  # no file at all: somebody's own stream
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(what: str, where: str, hint: str, code: int, as_json: bool = False) -> NoReturn:
    if as_json:
        click.echo(_encoded({"error": what, "where": where, "hint": hint}), err=True)
    else:
        note(one_line(f"error: {what}" + (f" ({where})" if where else "")))
        if hint:
            note(one_line(f"hint: {hint}"))
    sys.exit(code)
