"""runexp web: the page, and a browser let in."""

import os
import sys
import webbrowser

import click

from runexp import connection, output
from runexp.commands import arguments
from runexp.wire import requests


@click.command()
@click.option("--no-open", is_flag=True, help="Only print the address.")
@arguments.as_json
def web(no_open: bool, as_json: bool) -> None:
    """Show the experiments in a browser, live: print an address that logs one in, once, within a minute, and open it.

    The page is on this machine's loopback, until the daemon ends; `web: on` in the configuration has it from the start.

    \b
    Example:  runexp web
    """
    with output.errors(as_json):
        opened = connection.ask(requests.PageAsk(), requests.PageOpened)
        if as_json:
            output.json(opened)
            return
        output.say(opened.address)
        output.note(f"good for one login within {opened.seconds:.0f} s; ask again for the next browser")
    if not no_open and _has_screen():
        webbrowser.open(opened.address)


def _has_screen() -> bool:
    """Over SSH, or on a server, there is none: a browser of the terminal's is not what is meant."""
    return sys.platform == "darwin" or bool({"DISPLAY", "WAYLAND_DISPLAY"} & os.environ.keys())
