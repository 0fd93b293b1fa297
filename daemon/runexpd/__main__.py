"""The command `runexpd`: arguments and settings in, exit code out."""

import sys
from typing import Never

import anyio
import click

from runexp import __version__, paths
from runexpd import daemon, log
from runexpd.api.socket import SocketRefused
from runexpd.experiments.problems import BadExperiment
from runexpd.ledger.errors import LedgerError
from runexpd.settings import Settings, read


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--check", is_flag=True, help="Read the configuration, say what is wrong with it, and stop.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
)
@click.version_option(__version__, prog_name="runexpd")
def main(check: bool, log_level: str) -> None:
    """Submit, watch and verify experiments, until stopped. Jobs outlive it; the ledger remembers them.

    Runs in the foreground and logs to stderr; `systemctl --user enable --now runexpd` runs it for good. RUNEXP_HOME=DIR
    keeps the ledger, the socket and the configuration of a private daemon below one directory.
    """
    log.set_up(log_level.upper())
    settings = _settings()
    if check:
        click.echo(
            f"{paths.config()} is fine" if paths.config().exists() else "no configuration file; defaults"
        )
        return
    failed: list[Exception] = []
    try:
        anyio.run(daemon.run, settings)
    except* (LedgerError, SocketRefused) as group:
        failed += group.exceptions
    for error in failed:
        _fail(str(error), getattr(error, "hint", ""))


def _settings() -> Settings:
    try:
        return read(paths.config())
    except BadExperiment as bad:
        _fail(f"{bad.what} ({bad.where})" if bad.where else bad.what, bad.hint)


def _fail(what: str, hint: str) -> Never:
    click.echo(f"error: {what}", err=True)
    if hint:
        click.echo(f"hint: {hint}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
