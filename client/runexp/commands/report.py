"""runexp report: the combined summary."""

import sys

import click

from runexp import connection, exits, output
from runexp import report as summary
from runexp.commands import arguments
from runexp.wire import requests, views


@click.command()
@arguments.experiment
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
)
@arguments.as_json
def report(experiment: str | None, form: str, as_json: bool) -> None:
    """Print what was trained and evaluated, what failed and why, scores, paths and next steps.

    The exit code says how the experiment ended; 6 while it is under way.

    \b
    Example:  runexp report exp7 --format markdown >exp7.md
    """
    with output.errors(as_json):
        reply = connection.ask(requests.ReportAsk(experiment=arguments.chosen(experiment)), views.Report)
        if as_json or form == "json":
            output.json(reply)
        else:
            output.say(summary.markdown(reply) if form == "markdown" else summary.text(reply))
    sys.exit(exits.of(reply.outcome))
