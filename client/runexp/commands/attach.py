"""runexp attach: see what happens; leave, and nothing stops."""

import sys
from contextlib import suppress
from typing import NoReturn

import click

from runexp import connection, exits, output, reports
from runexp.commands import arguments
from runexp.ui import dressing
from runexp.wire import requests, views

#: Of all experiments together: the last of this one's are among them.
RECENT_EVENTS = 50


@click.command()
@arguments.experiment
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@click.option("--past", is_flag=True, help="Tell what has happened so far, too.")
@arguments.as_json
def attach(experiment: str | None, plain: bool, past: bool, as_json: bool) -> None:
    """Watch an experiment until it ends, then print its report; without EXP, all experiments: Enter opens one.

    On a terminal it fills the screen: d, q or Ctrl-C detaches, and the jobs go on; ? tells all keys. Without a terminal a line
    an event. If it has ended already, its report is printed at once. The exit code says how it ended. It begins with the last
    few events; with --past, with the first one. In an experiment's directory, that experiment is meant.

    \b
    Example:  runexp attach exp7
    """
    with output.errors(as_json):
        if experiment is None and not arguments.is_experiment_here() and _is_screen(plain, as_json):
            choose()
        name = arguments.chosen(experiment)
        view = connection.ask(requests.Status(experiment=name), requests.StatusReply).experiment
        if view.outcome is not None:
            finish(view.id, as_json)
        after = 0 if past else max(0, view.seq - RECENT_EVENTS)
        attend(view.id, view.typed, after=after, plain=plain, as_json=as_json, view=view)


def attend(
    experiment: str,
    typed: str,
    after: int,
    plain: bool,
    as_json: bool,
    view: views.ExperimentView | None = None,
) -> NoReturn:
    """Follow the experiment of that id to the end, or until the person leaves; exits.

    `typed` is for coming back; `view`: the experiment as it stands, where that is known.
    """
    try:
        if as_json:
            from runexp.ui.lines import follow_json

            follow_json(experiment, after)
        elif not _is_screen(plain, as_json):
            from runexp.ui.lines import follow_lines

            follow_lines(experiment, after)
        else:
            if view is None:
                asked = requests.Status(experiment=experiment)
                view = connection.ask(asked, requests.StatusReply).experiment
            # The terminal library takes a third of a second to import: only where it is used.
            from runexp.screen import app

            if not app.follow(view, after):
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        output.note(f"\nDetached; jobs go on. Come back: runexp attach {typed}")
        sys.exit(exits.NOT_FINISHED)
    finish(experiment, as_json)


def choose() -> NoReturn:
    """Show all experiments until the person leaves; exits."""
    from runexp.screen import app

    with suppress(KeyboardInterrupt):
        app.choose()
    output.note("Detached; what runs goes on. Come back: runexp attach")
    sys.exit(exits.OK)


def _is_screen(plain: bool, as_json: bool) -> bool:
    return sys.stdout.isatty() and sys.stdin.isatty() and not (plain or as_json)


def finish(experiment: str, as_json: bool) -> NoReturn:
    """Print the report, and exit by how it ended."""
    summary = connection.ask(requests.ReportAsk(experiment=experiment), views.Report)
    if as_json:
        output.json(summary)
    else:
        output.lines(dressing.report(reports.written(summary, "text")))
    sys.exit(exits.of(summary.outcome))
