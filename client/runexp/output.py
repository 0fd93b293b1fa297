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

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Without characters that a terminal would obey: names and messages come from files."""
    return _CONTROL.sub("�", text)


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
    except BrokenPipeError:
        # Whoever read us has seen enough; the interpreter must not complain about it while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exits.OK)


def fail(what: str, where: str, hint: str, code: int, as_json: bool = False) -> NoReturn:
    if as_json:
        click.echo(msgspec.json.encode({"error": what, "where": where, "hint": hint}).decode(), err=True)
    else:
        note(f"error: {what}" + (f" ({where})" if where else ""))
        if hint:
            note(f"hint: {hint}")
    sys.exit(code)
