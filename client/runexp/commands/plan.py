"""runexp plan: what a run would do, job by job."""

from collections import Counter
from typing import Any

import click

from runexp import connection, output
from runexp.commands import arguments, choices
from runexp.ui import rows
from runexp.wire import requests, views


@click.command()
@arguments.directory
@choices.options
@arguments.as_json
def plan(directory: str, as_json: bool, **policy: Any) -> None:
    """Show what `runexp run DIR` with the same options would submit, skip or leave, and why. Changes nothing.

    \b
    Example:  runexp plan exp7
    """
    with output.errors(as_json):
        cluster, dir = arguments.place(directory)
        asked = requests.PlanAsk(dir=dir, cluster=cluster, choices=choices.typed(**policy))
        reply = connection.ask(asked, views.Plan)
        if as_json:
            output.json(reply)
            return
        output.say(f"{reply.name} ({reply.dir} on {reply.cluster})")
        for warning in reply.warnings:
            output.say(f"warning: {warning}")
        show_plan(reply)
        output.say(_counts(reply))


def _counts(plan: views.Plan) -> str:
    counts = Counter(line.decision for line in plan.lines)
    words = [f"{counts['submit']} to submit", f"{counts['skip']} to skip", f"{counts['blocked']} blocked"]
    more = {"changed": "changed", "retire": "to retire"}
    return ", ".join([*words, *(f"{counts[word]} {said}" for word, said in more.items() if counts[word])])


def show_plan(plan: views.Plan) -> None:
    output.lines(rows.plan(plan.lines))
