"""runexp run: enter an experiment, submit what is owed, attach."""

import shlex
import sys
from typing import Any

import click
from msgspec.structs import replace

from runexp import connection, exits, output
from runexp.commands import arguments, choices
from runexp.commands.attach import attend
from runexp.commands.plan import show_plan
from runexp.wire import requests, views
from runexp.wire.jobs import IfChanged


@click.command()
@arguments.directory
@click.option("--detach", "-d", is_flag=True, help="Submit and return; `runexp attach` comes back.")
@choices.options
@click.option(
    "--changed",
    type=click.Choice([IfChanged.RERUN.value, IfChanged.KEEP.value]),
    help="Results whose recipe has changed since: make them anew, or keep them. Not typed: asks, in a terminal.",
)
@click.option("--plain", is_flag=True, help="A line an event, even on a terminal.")
@arguments.as_json
def run(
    directory: str,
    detach: bool,
    changed: str | None,
    plain: bool,
    as_json: bool,
    **policy: Any,
) -> None:
    """Run the experiment in DIR: train every run, evaluate what was trained, report.

    DIR is a directory of this machine (default: the current one), or CLUSTER:/path for a cluster of the configuration.
    What succeeded before is not submitted again, so running again is always safe, whatever changed in between; also while
    it is under way. Where a script, a config or data changed since results were made, it asks what is to become of them;
    without a terminal nothing is submitted for them, and the exit code is 8. The options --on-failure to --node-retries are remembered: what isn't typed stays as it was.

    \b
    Example:  runexp run exp7
              runexp run --detach della:/scratch/me/exp7
    """
    with output.errors(as_json):
        cluster, dir = arguments.place(directory)
        typed = replace(choices.typed(**policy), changed=_unless_asked(changed, as_json))
        asked = requests.Run(dir=dir, cluster=cluster, choices=typed)
        reply = _entered(asked) if as_json else begin(asked)
        if as_json and detach:
            output.json(reply)
        if detach and reply.owed and not as_json:
            output.note(f"Detached; jobs go on. Come back: runexp attach {reply.typed}")
        if not as_json:
            say_what_changed(reply, directory)
        if not detach:
            _attend(reply, plain, as_json)
    sys.exit(exits.UNDECIDED if reply.changed else exits.OK)


def begin(asked: requests.Run) -> requests.RunReply:
    """Enter it, and say what is owed."""
    reply = _entered(asked)
    _say_what_is_owed(reply)
    return reply


def _unless_asked(changed: str | None, as_json: bool) -> IfChanged:
    if changed is not None:
        return IfChanged(changed)
    somebody = sys.stdin.isatty() and sys.stdout.isatty() and not as_json
    return IfChanged.ASK if somebody else IfChanged.LEAVE


def _entered(asked: requests.Run) -> requests.RunReply:
    """What came of it, after the person has decided what is to become of what changed."""
    if asked.choices.changed is IfChanged.ASK:
        for reply in connection.stream(asked):
            if isinstance(reply, requests.RunReply):
                return reply
            if isinstance(reply, requests.ChangedReply):
                asked = replace(asked, choices=replace(asked.choices, changed=_decision(reply)))
    return connection.ask(asked, requests.RunReply)


def _decision(reply: requests.ChangedReply) -> IfChanged:
    output.note(f"{reply.name}: changed since these results were made")
    for id, lines in reply.changes.items():
        output.note(f"  {id} changed: {'; '.join(lines)}")
    words = click.Choice(["rerun", "keep", "stop"])
    question = "Make them anew (old results are moved aside), keep them as they are, or stop"
    said = click.prompt(question, type=words, err=True)
    if said == "stop":
        output.note("Nothing was begun.")
        sys.exit(exits.REFUSED)
    return IfChanged(said)


def say_what_changed(reply: requests.RunReply, directory: str) -> None:
    for id, lines in reply.changed.items():
        output.note(f"{id} changed: {'; '.join(lines)}; nothing is submitted for it")
    if reply.changed:
        again = f"runexp run --changed rerun {shlex.quote(directory)}"
        output.note(
            f"decide: `{again}`, or with `keep`; for some of them: `runexp rerun {reply.typed} JOB...`"
        )


def _attend(reply: requests.RunReply, plain: bool, as_json: bool) -> None:
    try:
        attend(reply.experiment, reply.typed, after=reply.seq - 1, plain=plain, as_json=as_json)
    except SystemExit as end:
        sys.exit(exits.UNDECIDED if end.code == exits.OK and reply.changed else end.code)


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
