"""runexp doctor: see whether a cluster is as it should be, and what to do where it isn't."""

import sys

import click

from runexp import connection, exits, output
from runexp.commands import arguments
from runexp.ui import rows
from runexp.wire import requests
from runexp.wire.views import Verdict


@click.command()
@arguments.cluster
@arguments.as_json
def doctor(cluster: str, as_json: bool) -> None:
    """Look CLUSTER over: login, host key, `prepend`, Slurm's commands, accounting, limits, clocks, and what to do about each.

    Submits nothing. Exits with 4 where something must be mended before experiments can run there.

    \b
    Example:  runexp doctor della
    """
    with output.errors(as_json):
        if not as_json:
            output.note(f"looking {cluster} over: a few seconds")
        reply = connection.ask(requests.Doctor(cluster=cluster), requests.DoctorReply)
        if as_json:
            output.json(reply)
        else:
            output.lines(rows.checks(reply.checks))
        bad = any(check.verdict is Verdict.BAD for check in reply.checks)
    sys.exit(exits.FAILED if bad else exits.OK)
