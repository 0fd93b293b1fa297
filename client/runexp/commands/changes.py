"""runexp cancel, retry and accept: what a person decides of jobs."""

import sys

import click

from runexp import connection, exits, output
from runexp.commands import arguments
from runexp.commands.attach import attend
from runexp.wire import requests


@click.command()
@arguments.experiment
@arguments.jobs
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@arguments.as_json
def cancel(experiment: str | None, jobs: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """End an experiment's jobs, or those named, with every process of theirs. What was done stays done.

    \b
    Example:  runexp cancel exp7
              runexp cancel exp7 rank8
    """
    with output.errors(as_json):
        name = arguments.chosen(experiment)
        if not yes:
            confirm(f"Cancel {', '.join(jobs) or 'all jobs'} of {name}?")
        reply = connection.ask(requests.Cancel(experiment=name, jobs=jobs), requests.CancelReply)
        if as_json:
            output.json(reply)
        else:
            output.say(f"cancelling {len(reply.jobs)} jobs: {', '.join(reply.jobs)}")
        if reply.trouble and not as_json:
            output.note(f"what runs is ended when its cluster answers again: {reply.trouble}")


def confirm(question: str) -> None:
    """Ask a person; exits where she says no, or nobody is there."""
    if not sys.stdin.isatty():
        output.fail(f"nobody is here to be asked: {question}", "", "say --yes", exits.USAGE)
    if not click.confirm(question):
        sys.exit(exits.REFUSED)


@click.command()
@arguments.experiment
@arguments.jobs
@click.option("--detach", "-d", is_flag=True, help="Submit and return.")
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@arguments.as_json
def retry(experiment: str | None, jobs: tuple[str, ...], detach: bool, plain: bool, as_json: bool) -> None:
    """Submit what failed again, all of it or the jobs named, with what was skipped because of it; then attach.

    Scripts and configs are read anew, so mend them first. What succeeded is left alone.

    \b
    Example:  runexp retry exp7
              runexp retry exp7 rank4
    """
    with output.errors(as_json):
        asked = requests.Retry(experiment=arguments.chosen(experiment), jobs=jobs)
        reply = connection.ask(asked, requests.RetryReply)
        if as_json and detach:
            output.json(reply)
        elif not as_json:
            output.note(f"{reply.name}: {len(reply.jobs)} jobs owed again: {', '.join(reply.jobs)}")
        if not detach:
            attend(reply.experiment, reply.typed, after=reply.seq - 1, plain=plain, as_json=as_json)


@click.command()
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.argument("jobs", metavar="JOB...", nargs=-1, required=True, shell_complete=arguments.complete_job)
@click.option("--detach", "-d", is_flag=True, help="Return; what follows goes on.")
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@arguments.as_json
def accept(experiment: str, jobs: tuple[str, ...], detach: bool, plain: bool, as_json: bool) -> None:
    """Take the results of these jobs as they are, though they are unclear or failed; then attach.

    It is recorded that a person did so. What was skipped for want of them goes on.

    \b
    Example:  runexp accept exp7 rank8
    """
    with output.errors(as_json):
        asked = requests.Accept(experiment=arguments.chosen(experiment), jobs=jobs)
        reply = connection.ask(asked, requests.AcceptReply)
        if as_json and detach:
            output.json(reply)
        elif not as_json:
            output.note(f"{reply.name}: taken as they are: {', '.join(reply.jobs)}")
        if not detach:
            attend(reply.experiment, reply.typed, after=reply.seq - 1, plain=plain, as_json=as_json)
