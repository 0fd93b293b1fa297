"""What commands print: text for people, one JSON document for programs, errors in two lines. Commands print through here."""

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
import msgspec

from runexp import exits
from runexp.connection import Lost, NoDaemon, Refusal

#: A control sequence, ECMA-48 5.4: colours, movements.
_SEQUENCE = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def clean(text: str) -> str:
    """Without what a terminal would obey, or hide: names and messages come from files."""
    bare = _SEQUENCE.sub("", text)
    return "".join(c if c.isprintable() or c in "\n\t" else "�" for c in bare)


def one_line(text: str) -> str:
    """The same, for a cell of a table."""
    return clean(text.replace("\n", " "))


def raw(text: str) -> None:
    """As it is, at once: what a file holds goes into a file or a pipe byte for byte."""
    sys.stdout.write(text)
    sys.stdout.flush()


def say(text: str = "") -> None:
    click.echo(clean(text))


def note(text: str) -> None:
    """For the person, not for a pipe."""
    click.echo(clean(text), err=True)


def json(document: Any) -> None:
    """On one line."""
    click.echo(msgspec.json.encode(document).decode())


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
    except Lost:
        hint = "jobs go on; `runexp daemon` shows whether it runs"
        fail("the daemon went away", "", hint, exits.NO_DAEMON, as_json)
    except KeyboardInterrupt:
        sys.exit(exits.INTERRUPTED)
    except BrokenPipeError:  # whoever read us has seen enough
        _stop_writing()
        sys.exit(exits.OK)
    except OSError as error:
        _stop_writing()
        fail(error.strerror or str(error), error.filename or "", "", exits.REFUSED, as_json)


def _stop_writing() -> None:
    """What is still to be written would fail again at the exit, and the interpreter complain about it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def fail(what: str, where: str, hint: str, code: int, as_json: bool = False) -> NoReturn:
    if as_json:
        click.echo(msgspec.json.encode({"error": what, "where": where, "hint": hint}).decode(), err=True)
    else:
        note(f"error: {what}" + (f" ({where})" if where else ""))
        if hint:
            note(f"hint: {hint}")
    sys.exit(code)
