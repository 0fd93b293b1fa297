"""`runexpd ledger`, which `runexp ledger` calls: arguments in, lines and exit codes out."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from runexp import ledger_help, paths, text
from runexpd.ledger.errors import LedgerError
from runexpd.upkeep import backup as copies
from runexpd.upkeep.check import check as look_over
from runexpd.upkeep.compact import compact as make_small

FAILED = 4
_FILE = click.Path(dir_okay=False, path_type=Path)
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


def own() -> Path:
    return paths.state() / "ledger.sqlite"


@click.group(help=ledger_help.GROUP)
def ledger() -> None:
    pass


@ledger.command(help=ledger_help.CHECK)
@click.argument("file", type=_FILE, required=False)
@_as_json
def check(file: Path | None, as_json: bool) -> None:
    with _said():
        found = look_over(_there(file or own()), _progress("looking over"))
        if as_json:
            _print_json(found)
        else:
            _print_checked(found)
    sys.exit(FAILED if found.problems else 0)


@ledger.command(help=ledger_help.BACKUP)
@click.argument("file", type=_FILE)
@_as_json
def backup(file: Path, as_json: bool) -> None:
    with _said():
        copies.backup(_there(own()), file.absolute())
        if as_json:
            _print_json({"file": str(file.absolute()), "size_bytes": file.stat().st_size})
        else:
            _print(f"{file}: {_size(file.stat().st_size)}; put back by: runexp ledger restore {file}")


@ledger.command(help=ledger_help.RESTORE)
@click.argument("file", type=_FILE)
@_as_json
def restore(file: Path, as_json: bool) -> None:
    with _said():
        copy = _there(file.absolute())
        paths.make_private(paths.state())  # where there was none: on another machine
        aside = copies.restore(own(), copy, time.time(), _progress("looking over"))
        if as_json:
            _print_json({"ledger": str(own()), "before": str(aside) if aside else None})
        else:
            _print(f"{own()} is as in {file}" + (f"; what was there: {aside}" if aside else ""))
            _print("next: runexp daemon start, runexp ls, and `runexp run` for what was under way")


@ledger.command(help=ledger_help.COMPACT)
@_as_json
def compact(as_json: bool) -> None:
    with _said():
        before, after = make_small(_there(own()), paths.state() / "metrics.sqlite")
        if as_json:
            _print_json({"bytes_before": before, "bytes_after": after})
        else:
            _print(f"{_size(before)} before, {_size(after)} now")


def _there(path: Path) -> Path:
    if not path.exists():
        raise LedgerError(f"there is no {path}", "runexp daemon says where the ledger is")
    return path


def _progress(what: str) -> Callable[[int, int], None]:
    """On a terminal, which a person waits at; else nothing."""

    def tell(done: int, all: int) -> None:
        if sys.stderr.isatty():
            click.echo(f"\r{what}: {done:,} of {all:,} experiments", err=True, nl=done == all)

    return tell


def _print_checked(found: Any) -> None:
    _print(
        f"{found.ledger}: {_size(found.size_bytes)}, {found.experiments:,} experiments, {found.events:,} events"
    )
    if found.format != found.known_format:
        _print(f"format {found.format}; the next start of runexpd brings it to {found.known_format}")
    for problem in found.problems:
        _print(f"! {problem}")
    _print(f"{len(found.problems)} problems" if found.problems else "it is whole")


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e3:,.0f} kB"


def _print(line: str) -> None:
    click.echo(text.on_one_line(line))


def _print_json(document: Any) -> None:
    click.echo(msgspec.json.encode(document))


@contextmanager
def _said() -> Iterator[None]:
    """What a person can mend is said in two lines."""
    try:
        yield
    except LedgerError as error:
        _fail(error.what, error.hint)
    except OSError as error:
        _fail(
            f"{error.strerror or error}: {error.filename}" if error.filename else str(error),
            "nothing is changed: mend that, or name another file",
        )


def _fail(what: str, hint: str) -> None:
    click.echo(f"error: {text.on_one_line(what)}", err=True)
    click.echo(f"hint: {text.on_one_line(hint)}", err=True)
    sys.exit(1)
