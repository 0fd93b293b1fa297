"""runexp logs: a job's output, or the experiment's own log."""

import sys
from typing import Any

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.wire import requests


@click.command()
@arguments.experiment
@arguments.job
@click.option(
    "--follow",
    "-f",
    is_flag=True,
    help="Go on as it grows, until the job has ended; wait for one that hasn't begun.",
)
@click.option(
    "--tail", "tail_bytes", type=click.IntRange(0), metavar="BYTES", help="Only the last so many bytes."
)
@click.option(
    "--lines",
    "-n",
    "tail_lines",
    type=click.IntRange(0),
    metavar="LINES",
    help="Only the last so many lines.",
)
@click.option(
    "--attempt",
    type=click.IntRange(1),
    metavar="N",
    help="Of the job's N-th attempt; without it, of the newest.",
)
@arguments.as_json
def logs(experiment: str | None, job: str | None, as_json: bool, **choice: Any) -> None:
    """Print the output of JOB, or, without one, the experiment's run-experiment.log.

    \b
    Example:  runexp logs -f exp7 rank8
              runexp logs exp7 rank8/capitalization/epoch1 -n 20
              runexp logs exp7 rank8 --attempt 1
    """
    asked = requests.Logs(experiment=arguments.chosen(experiment), job=job, **choice)
    with output.errors(as_json):
        for reply in connection.stream(asked):
            if as_json:
                output.json(reply)
            elif isinstance(reply, requests.Awaited):
                output.note(f"{reply.job} is {reply.state}: waiting for its output")
            elif isinstance(reply, requests.Chunk):
                _show(reply.text)


def _show(text: str) -> None:
    """As it is into a file or a pipe; on a terminal without what that would obey, colours and progress bars left aside."""
    if sys.stdout.isatty():
        text = output.clean(text.replace("\r\n", "\n").replace("\r", "\n"))
    output.raw(text)
