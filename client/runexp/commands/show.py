"""runexp show: what exactly ran."""

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.ui import recipe
from runexp.wire import requests

_NOW = 0


@click.command()
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.argument("job", metavar="JOB", shell_complete=arguments.complete_job)
@click.option(
    "--attempt",
    type=click.IntRange(0),
    metavar="N",
    help="This attempt, counted from 1; 0: what stands there now.",
)
@click.option(
    "--diff", is_flag=True, help="What changed from then to what stands there now, or to attempt --with."
)
@click.option(
    "--with", "other", type=click.IntRange(0), metavar="N", help="The attempt to compare with (default: 0)."
)
@arguments.as_json
def show(
    experiment: str, job: str, attempt: int | None, diff: bool, other: int | None, as_json: bool
) -> None:
    """Show the recipe of JOB's results: scripts, configs, data, versions and commit, as they were when it was sent.

    Secrets in scripts and configs are blanked before anything is kept.

    \b
    Example:  runexp show exp7 rank4
              runexp show exp7 rank4 --diff
              runexp show exp7 rank4 --attempt 1 --diff --with 2
    """
    with output.errors(as_json):
        name, compared = arguments.chosen(experiment), diff or other is not None
        asked = requests.Show(experiment=name, job=job, attempt=attempt)
        if compared:
            asked = requests.Show(
                experiment=name, job=job, attempt=attempt, against=_NOW if other is None else other
            )
        reply = connection.ask(asked, requests.ShowReply)
        if as_json:
            output.json(reply)
        else:
            output.say("\n".join(recipe.difference(reply) if compared else recipe.lines(reply)))
