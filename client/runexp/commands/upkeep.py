"""runexp archive, rm, gc and ledger: what is over, put away."""

import subprocess
import sys

import click

from runexp import connection, ledger_help, output, starting
from runexp.commands import arguments
from runexp.commands.changes import confirm
from runexp.wire.upkeep import Archive, Discard, Leftovers, LeftoversReply, Remove, Unarchive, UpkeepReply


@click.command()
@arguments.experiment
@click.option("--undo", is_flag=True, help="Back in sight.")
@arguments.as_json
def archive(experiment: str | None, undo: bool, as_json: bool) -> None:
    """Put an experiment that is over out of sight: `ls --archived` lists it, and what is asked of it brings it back.

    So goes one whose cluster has left the configuration; it is watched again once that is back.

    \b
    Example:  runexp archive exp7
    """
    with output.errors(as_json):
        name = arguments.chosen(experiment)
        reply = connection.ask(Unarchive(experiment=name) if undo else Archive(experiment=name), UpkeepReply)
        if as_json:
            output.json(reply)
        else:
            said = "is in sight again" if undo else "is archived: runexp ls --archived"
            output.say(f"{reply.name} {said}{_left(reply)}")


def _left(reply: UpkeepReply) -> str:
    return f"; {reply.left}" if reply.left else ""


@click.command()
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.option(
    "--abandon",
    is_flag=True,
    help="Though its jobs may still run: its cluster has left the configuration, or its past can't be read.",
)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@arguments.as_json
def rm(experiment: str, abandon: bool, yes: bool, as_json: bool) -> None:
    """Take an experiment that is over out of the ledger: its history, recipes and curves. No file of its own is touched.

    A later `runexp run` on its directory enters it anew, and takes up what lies there finished.

    \b
    Example:  runexp rm exp7
    """
    with output.errors(as_json):
        name = arguments.chosen(experiment)
        if not yes:
            confirm(f"Take {name} out of the ledger for good?")
        reply = connection.ask(Remove(experiment=name, abandon=abandon), UpkeepReply)
        if as_json:
            output.json(reply)
        else:
            output.say(f"{reply.name} is out of the ledger; its files are as they were{_left(reply)}")


@click.command()
@arguments.cluster
@click.option(
    "--days",
    type=arguments.Number(0, 36_500),
    default=7.0,
    show_default=True,
    help="Over for at least so long.",
)
@click.option("--yes", "-y", is_flag=True, help="Don't ask.")
@arguments.as_json
def gc(cluster: str, days: float, yes: bool, as_json: bool) -> None:
    """Delete what submissions have left on CLUSTER (in ~/.runexp; `local`: in the daemon's state) of experiments that are over.

    What another daemon of yours has left there stays.

    \b
    Example:  runexp gc della --days 30
    """
    with output.errors(as_json):
        found = connection.ask(Leftovers(cluster=cluster, days=days), LeftoversReply)
        if found.over and not yes:
            confirm(f"Delete what {found.over:,} submissions have left on {cluster}?")
        if found.over:
            found = connection.ask(Discard(cluster=cluster, days=days), LeftoversReply)
        if as_json:
            output.json(found)
            return
        parts = (
            f"{found.over:,} deleted",
            f"{found.needed:,} still needed",
            f"{found.unknown:,} of other daemons left alone",
        )
        counts = (found.over, found.needed, found.unknown)
        said = ", ".join(part for part, count in zip(parts, counts, strict=True) if count)
        output.say(f"{cluster}: {said or 'no submission has left anything'}")


@click.group(help=ledger_help.GROUP)
def ledger() -> None:
    pass


_FILE = click.argument("file", type=click.Path(dir_okay=False))


@ledger.command(help=ledger_help.CHECK)
@click.argument("file", type=click.Path(dir_okay=False), required=False)
@arguments.as_json
def check(file: str | None, as_json: bool) -> None:
    _handed_on("check", file, as_json)


@ledger.command(help=ledger_help.BACKUP)
@_FILE
@arguments.as_json
def backup(file: str, as_json: bool) -> None:
    _handed_on("backup", file, as_json)


@ledger.command(help=ledger_help.RESTORE)
@_FILE
@arguments.as_json
def restore(file: str, as_json: bool) -> None:
    _handed_on("restore", file, as_json)


@ledger.command(help=ledger_help.COMPACT)
@arguments.as_json
def compact(as_json: bool) -> None:
    _handed_on("compact", None, as_json)


def _handed_on(verb: str, file: str | None, as_json: bool) -> None:
    """To the daemon's own program, which knows what a ledger is; with its exit code."""
    with output.errors(as_json):
        words = [*(["--json"] if as_json else []), *(["--", file] if file is not None else [])]
        done = subprocess.run([starting.program("runexpd"), "ledger", verb, *words], check=False)
    sys.exit(done.returncode)
