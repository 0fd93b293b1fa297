"""runexp status and runexp ls: how things stand."""

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.ui import rows, table
from runexp.wire import requests


@click.command()
@arguments.experiment
@arguments.as_json
def status(experiment: str | None, as_json: bool) -> None:
    """Show an experiment's jobs; without EXP, the experiment of the current directory, or all that are running.

    \b
    Example:  runexp status exp7
    """
    with output.errors(as_json):
        if experiment is None and not arguments.is_experiment_here():
            _running(as_json)
            return
        asked = requests.Status(experiment=arguments.chosen(experiment))
        view = connection.ask(asked, requests.StatusReply).experiment
        if as_json:
            output.json(view)
        else:
            output.lines(rows.experiment(view))


def _running(as_json: bool) -> None:
    every = connection.ask(requests.Ls(), requests.LsReply).experiments
    running = [e for e in every if e.outcome is None]
    if as_json:
        output.json(running)
        return
    output.pages(rows.experiments(running) if running else [table.line("nothing is running")])
    if len(every) > len(running):
        output.say(f"{len(every) - len(running)} have ended: runexp ls")


@click.command()
@arguments.as_json
def ls(as_json: bool) -> None:
    """List every experiment that the daemon knows, the newest first; in a terminal a screen at a time (PAGER).

    \b
    Example:  runexp ls
    """
    with output.errors(as_json):
        known = connection.ask(requests.Ls(), requests.LsReply).experiments
        if as_json:
            output.json(known)
        else:
            output.pages(
                rows.experiments(known) if known else [table.line("no experiments yet: runexp run DIR")]
            )
