"""runexp mcp: the same verbs for an agent."""

import sys

import click

from runexp import exits, installing, output


@click.command()
@click.option(
    "--allow-changes", is_flag=True, help="Also run, retry and cancel; without it an agent may only look."
)
def mcp(allow_changes: bool) -> None:
    """Serve an agent over the Model Context Protocol, on standard input and output: look, wait, report, compare.

    Needs the extra: pip install 'runexp[mcp]'. An agent that waits for an experiment leaves the waiting to the daemon.

    \b
    Example:  claude mcp add runexp -- runexp mcp
    """
    with output.errors():
        try:
            import anyio

            from runexp import mcp_server
        except ImportError as error:
            what = f"the Model Context Protocol's library isn't here: {error}"
            output.fail(what, "", installing.extra("mcp"), exits.REFUSED)
        anyio.run(mcp_server.server(allow_changes=allow_changes).run_stdio_async)
    sys.exit(exits.OK)
