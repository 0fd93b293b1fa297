"""runexp run: enter an experiment, submit what is owed, attach."""

import sys
from typing import Any

import click

from runexp import connection, exits, output
from runexp.commands import arguments, choices
from runexp.commands.attach import attend
from runexp.commands.plan import show_plan
from runexp.wire import requests, views


@click.command()
@arguments.directory
@click.option("--detach", "-d", is_flag=True, help="Submit and return; `runexp attach` comes back.")
@choices.options
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@arguments.as_json
def run(
    directory: str,
    detach: bool,
    plain: bool,
    as_json: bool,
    **policy: Any,
) -> None:
    """Run the experiment in DIR: train every run, evaluate what was trained, report.

    DIR is a directory of this machine (default: the current one), or CLUSTER:/path for a cluster of the configuration.
    What succeeded before is not submitted again, so running again is always safe, whatever changed in between; also while
    it is under way. The options --on-failure to --node-retries are remembered: what isn't typed stays as it was.

    \b
    Example:  runexp run exp7
              runexp run --detach della:/scratch/me/exp7
    """
    with output.errors(as_json):
        cluster, dir = arguments.place(directory)
        asked = requests.Run(dir=dir, cluster=cluster, choices=choices.typed(**policy))
        reply = connection.ask(asked, requests.RunReply)
        if not as_json:
            _say_what_is_owed(reply)
        elif detach:
            output.json(reply)
        if detach and not as_json:
            output.note(f"Detached; jobs go on. Come back: runexp attach {reply.typed}")
        if not detach:
            attend(reply.experiment, reply.typed, after=reply.seq - 1, plain=plain, as_json=as_json)
    sys.exit(exits.OK)


def _say_what_is_owed(reply: requests.RunReply) -> None:
    if reply.owed:
        output.note(f"{reply.name}: {reply.owed} jobs owed")
        return
    output.note(f"{reply.name}: nothing is submitted")
    view = connection.ask(requests.Status(experiment=reply.experiment), requests.StatusReply).experiment
    plan = views.Plan(
        name=view.name,
        dir=view.dir,
        cluster=view.cluster,
        lines=tuple(
            views.PlanLine(
                job=job.id, phase=job.phase, decision=job.stage, reason=job.detail, script=job.script
            )
            for job in view.jobs
            if not job.retired
        ),
    )
    show_plan(plan)
