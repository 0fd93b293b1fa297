"""The command `runexp`: the tree of commands; no logic."""

from typing import Any

import click
from click.shell_completion import CompletionItem

from runexp import __version__, exits, output
from runexp.commands.attach import attach
from runexp.commands.changes import accept, cancel, retry
from runexp.commands.compare import compare
from runexp.commands.completion import completion
from runexp.commands.daemon import daemon
from runexp.commands.demo import demo
from runexp.commands.doctor import doctor
from runexp.commands.export import export
from runexp.commands.fetch import fetch
from runexp.commands.init import init
from runexp.commands.login import login
from runexp.commands.logs import logs
from runexp.commands.mcp import mcp
from runexp.commands.metrics import metrics
from runexp.commands.notify import notify
from runexp.commands.plan import plan
from runexp.commands.report import report
from runexp.commands.rerun import rerun
from runexp.commands.run import run
from runexp.commands.schema import schema
from runexp.commands.set import set_
from runexp.commands.setup import setup
from runexp.commands.show import show
from runexp.commands.status import ls, status
from runexp.commands.upkeep import archive, gc, ledger, rm
from runexp.commands.view import view
from runexp.commands.wait import wait
from runexp.commands.web import web


class _InOrder(click.Group):
    """Lists its commands as they were added: in the order of a day's work."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Each with its whole first sentence."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(limit=1000)) for name, each in self.commands.items()]
            )

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """So is what it meets while it shows how it is used."""
        with output.errors():
            return super().main(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """What a command meets while it reads its arguments is an error in a line, too."""
        with output.errors():
            return super().invoke(ctx)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]}, epilog=exits.HELP)
@click.version_option(__version__, "-v", "--version", prog_name="runexp")
def main() -> None:
    """Run fine-tuning experiments through runexpd: train, evaluate, report. Come and go as you like; the jobs go on."""


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in main.commands if name.startswith(incomplete)]


@click.command(name="help")
@click.argument("command", required=False, shell_complete=_complete)
@click.pass_context
def help_(called: click.Context, command: str | None) -> None:
    """Show what there is, or how COMMAND is used.

    \b
    Example:  runexp help run
    """
    assert called.parent is not None
    if command is None:
        click.echo(main.get_help(called.parent))
    elif command in main.commands:
        with click.Context(main.commands[command], info_name=command, parent=called.parent) as context:
            click.echo(main.commands[command].get_help(context))
    else:
        output.fail(f"no command is called {command}", "", "runexp help lists them", exits.USAGE, False)


for command in (
    demo,
    init,
    plan,
    run,
    attach,
    wait,
    status,
    ls,
    logs,
    metrics,
    report,
    compare,
    fetch,
    export,
    view,
    show,
    web,
    cancel,
    retry,
    rerun,
    accept,
    set_,
    archive,
    rm,
    setup,
    doctor,
    login,
    notify,
    mcp,
    daemon,
    ledger,
    gc,
    schema,
    completion,
    help_,
):
    main.add_command(command)
