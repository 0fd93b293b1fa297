"""runexp rerun: make results anew, verified or not."""

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.commands.attach import attend
from runexp.commands.changes import confirm
from runexp.wire import requests


@click.command()
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=arguments.complete_job)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@click.option("--detach", "-d", is_flag=True, help="Submit and return.")
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@arguments.as_json
def rerun(
    experiment: str, jobs: tuple[str, ...], yes: bool, detach: bool, plain: bool, as_json: bool
) -> None:
    """Make the results of these jobs anew, whatever they came to, with the evaluations of what is trained; then attach.

    Scripts and configs are read anew. What lies there of before is moved aside on the cluster, into a directory `aside-...`
    beside each checkpoint and log; nothing is deleted.

    \b
    Example:  runexp rerun exp7 rank4
              runexp rerun exp7 rank8/capitalization/epoch1
    """
    with output.errors(as_json):
        name = arguments.chosen(experiment)
        if not yes:
            confirm(
                f"Make {', '.join(jobs)} of {name} anew, with its evaluations? What is there is moved aside."
            )
        reply = connection.ask(requests.Rerun(experiment=name, jobs=jobs), requests.RerunReply)
        if as_json and detach:
            output.json(reply)
        elif not as_json:
            output.note(f"{reply.name}: {len(reply.jobs)} jobs made anew: {', '.join(reply.jobs)}")
        if not detach:
            attend(reply.experiment, reply.typed, after=reply.seq - 1, plain=plain, as_json=as_json)
