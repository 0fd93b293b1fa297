"""runexp run: enter an experiment, submit what is owed, attach."""

import shlex
import sys

import click

from runexp import connection, exits, output
from runexp.commands import arguments
from runexp.commands.attach import attend
from runexp.commands.plan import show_plan
from runexp.wire import requests, views
from runexp.wire.jobs import Policy


@click.command()
@arguments.directory
@click.option("--detach", "-d", is_flag=True, help="Submit and return; `runexp attach` comes back.")
@click.option("--optimize-only", is_flag=True, help="Train, and submit no evaluation. A later run evaluates.")
@click.option(
    "--on-failure",
    type=click.Choice(["continue", "stop"]),
    default="continue",
    show_default=True,
    help="If a training fails: evaluate the others, or nothing.",
)
@click.option(
    "--barrier",
    type=click.Choice(["all", "run"]),
    default="all",
    show_default=True,
    help="Evaluate once all runs are trained, or each run as soon as it is.",
)
@click.option("--oom-retries", type=click.IntRange(0), default=3, show_default=True,
              help="How often a training that ran out of GPU memory is tried with half the batch.")  # fmt: skip
@click.option("--node-retries", type=click.IntRange(0), default=2, show_default=True,
              help="How often a job whose node failed is submitted again.")  # fmt: skip
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@arguments.as_json
def run(
    directory: str,
    detach: bool,
    plain: bool,
    as_json: bool,
    **policy: object,
) -> None:
    """Run the experiment in DIR: train every run, evaluate what was trained, report.

    DIR is a directory of this machine (default: the current one), or CLUSTER:/path for a cluster of the configuration.
    What succeeded before is not submitted again, so running again is always safe.

    \b
    Example:  runexp run exp7
              runexp run --detach della:/scratch/me/exp7
    """
    with output.errors(as_json):
        cluster, dir = arguments.place(directory)
        chosen = Policy(**policy)  # type: ignore[arg-type]
        reply = connection.ask(requests.Run(dir=dir, cluster=cluster, policy=chosen), requests.RunReply)
        if not as_json:
            _say_what_is_owed(reply)
        elif detach:
            output.json(reply)
        if detach and not as_json:
            output.note(f"Detached; jobs go on. Come back: runexp attach {shlex.quote(reply.name)}")
        if not detach:
            attend(reply.experiment, reply.name, after=reply.seq - 1, plain=plain, as_json=as_json)
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
        ),
    )
    show_plan(plan)
