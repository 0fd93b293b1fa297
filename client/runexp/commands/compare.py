"""runexp compare: experiments side by side."""

import click

from runexp import comparing, connection, exits, library, output
from runexp.commands import arguments
from runexp.reporting import side_by_side
from runexp.wire import requests, views


@click.command()
@click.argument(
    "experiments", metavar="EXP EXP...", nargs=-1, required=True, shell_complete=arguments.complete_experiment
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "csv", "json"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
@arguments.as_json
def compare(experiments: tuple[str, ...], form: str, as_json: bool) -> None:
    """Show experiments side by side: what differs in them, and their scores with 95 % intervals.

    Differences are to the first of them.

    \b
    Example:  runexp compare exp7 exp8
              runexp compare exp7 exp8 --format csv >scores.csv
    """
    with output.errors(as_json):
        if len(experiments) < 2:
            output.fail(
                "one experiment has nothing to be compared with", "", "name two or more", exits.USAGE, as_json
            )
        reports = [
            connection.ask(requests.ReportAsk(experiment=arguments.chosen(name)), views.Report)
            for name in experiments
        ]
        jobs = comparing.to_be_compared(reports)
        recipes = [library.Experiment(report.id, report.name).recipes(jobs) for report in reports]
        found = comparing.compared(reports, recipes)
        if as_json or form == "json":
            output.json(found)
        else:
            _say(found, form)


def _say(found: comparing.Compared, form: str) -> None:
    match form:
        case "markdown":
            output.say(side_by_side.markdown(found))
        case "csv":
            output.raw(output.clean(side_by_side.as_csv(found)))
        case _:
            output.say(side_by_side.text(found))
