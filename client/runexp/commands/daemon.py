"""runexp daemon: is it there, and where are its files."""

import time

import click

from runexp import connection, output, report
from runexp.commands import arguments
from runexp.wire import requests


@click.command()
@arguments.as_json
def daemon(as_json: bool) -> None:
    """Show whether runexpd runs, and where its ledger and configuration are.

    \b
    Example:  runexp daemon
    """
    with output.errors(as_json):
        info = connection.ask(requests.Info(), requests.InfoReply)
        if as_json:
            output.json(info)
            return
        output.say(
            f"runexpd {info.version} (pid {info.pid}), up {report.duration(time.time() - info.started_at)}"
        )
        output.say(f"ledger    {info.ledger}")
        output.say(f"config    {info.config}")
        output.say(f"clusters  {', '.join(info.clusters)}")
        output.say(f"tools     {', '.join(info.tools)}")
