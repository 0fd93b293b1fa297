"""runexp plan: what a run would do, job by job."""

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.wire import requests, views
from runexp.wire.jobs import Policy


@click.command()
@arguments.directory
@click.option("--optimize-only", is_flag=True, help="As for `runexp run`.")
@arguments.as_json
def plan(directory: str, optimize_only: bool, as_json: bool) -> None:
    """Show what `runexp run DIR` would submit, skip or leave, and why. Changes nothing.

    \b
    Example:  runexp plan exp7
    """
    with output.errors(as_json):
        cluster, dir = arguments.place(directory)
        asked = requests.PlanAsk(dir=dir, cluster=cluster, policy=Policy(optimize_only=optimize_only))
        reply = connection.ask(asked, views.Plan)
        if as_json:
            output.json(reply)
            return
        output.say(f"{reply.name} ({reply.dir} on {reply.cluster})")
        for warning in reply.warnings:
            output.say(f"warning: {warning}")
        show_plan(reply)
        counts = {
            word: sum(line.decision == word for line in reply.lines) for word in ("submit", "skip", "blocked")
        }
        output.say(
            ", ".join(
                f"{count} to {word}" if word != "blocked" else f"{count} blocked"
                for word, count in counts.items()
            )
        )


def show_plan(plan: views.Plan) -> None:
    width = max((len(line.job) for line in plan.lines), default=0)
    for line in plan.lines:
        output.say(f"  {line.decision:<8}  {line.job:<{width}}  {line.reason}")
