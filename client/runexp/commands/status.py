"""runexp status and runexp ls: how things stand."""

import math
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.ui import rows, table
from runexp.wire import requests
from runexp.wire.states import Outcome
from runexp.wire.views import ExperimentLine

DAY_SECONDS = 86400


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
@click.argument("pattern", required=False)
@click.option("--state", type=click.Choice(["running", *map(str, Outcome)]), help="Only those that stand so.")
@click.option(
    "--cluster",
    default="",
    shell_complete=arguments.complete_cluster,
    help="Only those on this cluster; `local` is this machine.",
)
@click.option(
    "--days", type=arguments.Number(min=0), help="Only those that were asked for in the last so many days."
)
@click.option("--archived", is_flag=True, help="Those that were put out of sight: see `runexp archive`.")
@arguments.as_json
def ls(
    pattern: str | None, state: str | None, cluster: str, days: float | None, archived: bool, as_json: bool
) -> None:
    """List every experiment that the daemon knows, the newest first; in a terminal a screen at a time (PAGER).

    PATTERN: only those whose name fits it, such as 'rank*'.

    \b
    Example:  runexp ls
              runexp ls --state failed --days 7 'rank*'
    """
    with output.errors(as_json):
        every = connection.ask(requests.Ls(), requests.LsReply).experiments
        since = -math.inf if days is None else time.time() - days * DAY_SECONDS
        known = [
            each
            for each in every
            if each.archived == archived
            and (pattern is None or fnmatchcase(each.name, pattern))
            and state in (None, each.outcome or "running")
            and cluster in ("", each.cluster)
            and each.asked_at >= since
        ]
        if as_json:
            output.json(known)
        else:
            output.pages(rows.experiments(known) if known else [table.line(_none_of(every, archived))])


def _none_of(every: Sequence[ExperimentLine], archived: bool) -> str:
    if not every:
        return "no experiments yet: runexp run DIR"
    count = sum(each.archived for each in every)
    is_elsewhere = count == (0 if archived else len(every))
    how = f"none of {count if archived else len(every) - count} is like that: runexp ls" + (
        " --archived" if archived else ""
    )
    if is_elsewhere:
        how = (
            "none is archived: runexp ls" if archived else f"none but {count} archived: runexp ls --archived"
        )
    return how
