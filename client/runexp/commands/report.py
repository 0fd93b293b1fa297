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
    type=click.Choice(["text", "markdown", "html", "json"]),
    default="text",
    show_default=True,
)
@arguments.as_json
def report(experiment: str | None, form: str, as_json: bool) -> None:
    """Print what was trained and evaluated, what failed and why, scores, paths and next steps.

    The exit code says how the experiment ended; 6 while it is under way.

    \b
    Example:  runexp report exp7 --format html >exp7.html
    """
    with output.errors(as_json):
        reply = connection.ask(requests.ReportAsk(experiment=arguments.chosen(experiment)), views.Report)
        if as_json or form == "json":
            output.json(reply)
        else:
            output.say(_written(reply, form))
    sys.exit(exits.of(reply.outcome))


def _written(report: views.Report, form: str) -> str:
    match form:
        case "markdown":
            return summary.markdown(report)
        case "html":
            # Only here: nothing else need wait for it.
            from runexp import page

            return page.html(report)
        case _:
            return summary.text(report)
