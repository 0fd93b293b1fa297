"""runexp report: the combined summary, to read or to send."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from runexp import connection, exits, output, reports
from runexp.commands import arguments
from runexp.ui import dressing
from runexp.wire import requests, views


@click.command()
@arguments.experiment
@click.option(
    "--format",
    "form",
    type=click.Choice([*reports.FORMATS, "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write it there; what was there stays until it is whole.",
)
@arguments.as_json
def report(experiment: str | None, form: str, path: Path | None, as_json: bool) -> None:
    """Print scores with their errors, what varied, what failed and why, times, paths and next steps.

    html is one file with curves and charts that loads nothing, to send to somebody; latex is tables for an appendix; csv has
    every score. The exit code says how the experiment ended; 6 while it is under way.

    \b
    Example:  runexp report exp7 --format html -o exp7.html
    """
    with output.errors(as_json):
        reply = connection.ask(requests.ReportAsk(experiment=arguments.chosen(experiment)), views.Report)
        is_json = as_json or form == "json"
        if path is not None:
            _put(path, msgspec.json.encode(reply).decode() if is_json else reports.written(reply, form))
            output.note(output.one_line(f"written: {path}"))
        elif is_json:
            output.json(reply)
        elif form == "html":
            output.raw(f"{reports.written(reply, form)}\n")
        elif form == "text":
            output.lines(dressing.report(reports.written(reply, form)))
        else:
            output.say(reports.written(reply, form))
    sys.exit(exits.of(reply.outcome))


def _put(path: Path, text: str) -> None:
    """All of it in place of a file, or nothing; a device or a pipe is written to, and stays what it is."""
    body = f"{text.rstrip()}\n".encode("utf-8", "backslashreplace")
    if path.exists() and not path.is_file():
        path.write_bytes(body)
        return
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        output.fail(
            "there is no such directory", str(target.parent), "make it first, or name another", exits.REFUSED
        )
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        beside.write_bytes(body)
        beside.replace(target)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
