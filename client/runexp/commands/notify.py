"""runexp notify: who is told of news, and whether it arrives."""

import sys

import click
from click.shell_completion import CompletionItem

from runexp import connection, exits, output
from runexp.commands import arguments
from runexp.wire.notices import AddressView, Notices, NoticesReply


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    try:
        known = connection.ask(Notices(), NoticesReply, connection.give_up).addresses
    except Exception:  # completion never complains
        return []
    return [CompletionItem(each.name) for each in known if each.name.startswith(incomplete)]


@click.group()
def notify() -> None:
    """See who is told of news (`notify:` in the configuration), and whether it arrives.

    \b
    Example:  runexp notify test
    """


@notify.command()
@arguments.as_json
def status(as_json: bool) -> None:
    """Show each address: of which service it is, what it hears, what still waits, and why.

    \b
    Example:  runexp notify status
    """
    with output.errors(as_json):
        _show(_asked((), test=False), as_json)


@notify.command()
@click.argument("addresses", metavar="[NAME]...", nargs=-1, shell_complete=_complete)
@arguments.as_json
def test(addresses: tuple[str, ...], as_json: bool) -> None:
    """Send a message to each address, or to those named, at once. Exits with 4 where one does not arrive.

    \b
    Example:  runexp notify test phone
    """
    with output.errors(as_json):
        found = _asked(addresses, test=True)
        _show(found, as_json, arrived="sent")
    sys.exit(exits.FAILED if any(each.trouble for each in found) else exits.OK)


def _asked(addresses: tuple[str, ...], *, test: bool) -> tuple[AddressView, ...]:
    return connection.ask(Notices(addresses=addresses, test=test), NoticesReply).addresses


def _show(found: tuple[AddressView, ...], as_json: bool, arrived: str = "ready") -> None:
    if as_json:
        output.json(found)
        return
    for each in found:
        waiting = f"; {each.waiting} waiting" if each.waiting else ""
        says = each.trouble or arrived
        output.say(
            output.one_line(f"{each.name} ({each.service}): {says}{waiting}; tells {', '.join(each.tells)}")
        )
