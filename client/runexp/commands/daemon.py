"""runexp daemon: is it there, where are its files; and its start and end where no systemd sees to them."""

import time

import click

from runexp import connection, exits, output, report, starting
from runexp.commands import arguments
from runexp.wire import requests


@click.group(invoke_without_command=True)
@arguments.as_json
@click.pass_context
def daemon(called: click.Context, as_json: bool) -> None:
    """Show whether runexpd runs, and where its files are; start and stop it.

    Where systemd runs it (`runexpd install-service`) there is no need to start it.

    \b
    Example:  runexp daemon
              runexp daemon start
              runexp daemon reload      # after a change of the configuration
    """
    if called.invoked_subcommand is None:
        _show(as_json)


def _show(as_json: bool) -> None:
    with output.errors(as_json):
        info = connection.ask(requests.Info(), requests.InfoReply)
        if as_json:
            output.json(info)
            return
        output.say(
            f"runexpd {info.version} (pid {info.pid}), up {report.duration(time.time() - info.started_at)}"
        )
        output.say(f"ledger    {info.ledger}")
        changed = " (changed since it was read: runexp daemon reload)" if info.config_is_newer else ""
        output.say(f"config    {info.config}{changed}")
        output.say(f"clusters  {', '.join(info.clusters)}")
        output.say(f"tools     {', '.join(info.tools)}")


@daemon.command()
@arguments.as_json
def status(as_json: bool) -> None:
    """Show whether runexpd runs, and where its files are, as `runexp daemon` does.

    \b
    Example:  runexp daemon status --json
    """
    _show(as_json)


@daemon.command()
@arguments.as_json
def start(as_json: bool) -> None:
    """Start runexpd in the background, without systemd, and wait until it answers.

    \b
    Example:  runexp daemon start
    """
    with output.errors(as_json):
        _tell(starting.start(), as_json)


@daemon.command()
@arguments.as_json
def stop(as_json: bool) -> None:
    """End runexpd, and wait until it has ended. Jobs go on; the next start takes them up.

    \b
    Example:  runexp daemon stop
    """
    with output.errors(as_json):
        pid = starting.stop()
        said = "no runexpd runs" if pid is None else f"runexpd (pid {pid}) has ended; jobs go on"
        output.json({"stopped": pid}) if as_json else output.say(said)


@daemon.command()
@arguments.as_json
def restart(as_json: bool) -> None:
    """End runexpd, where it runs, and start it again; a wrong configuration is said, and stops nothing.

    \b
    Example:  runexp daemon restart
    """
    with output.errors(as_json):
        if wrong := starting.wrong_configuration():
            what, hint = wrong
            output.fail(what, "", f"nothing is stopped; {hint}", exits.REFUSED, as_json)
        starting.stop()
        _tell(starting.start(), as_json)


@daemon.command()
@arguments.as_json
def reload(as_json: bool) -> None:
    """Have runexpd read its configuration again; one that is wrong is said, and changes nothing.

    \b
    Example:  runexp daemon reload
    """
    with output.errors(as_json):
        _tell(starting.reload(), as_json)


def _tell(info: requests.InfoReply, as_json: bool) -> None:
    if as_json:
        output.json(info)
    else:
        output.say(f"runexpd {info.version} (pid {info.pid}) runs, with {info.config}")
