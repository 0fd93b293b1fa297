"""The command `runexpd`: arguments and settings in, exit code out."""

import errno
import gc
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Never

import anyio
import click
from loguru import logger

from runexp import __version__, paths, text
from runexpd import daemon, homes, log, pausing, stopping
from runexpd.api import activation, socket
from runexpd.experiments.problems import BadExperiment
from runexpd.homes import HomeRefused
from runexpd.ledger.errors import LedgerError
from runexpd.service_unit import install_service, uninstall_service
from runexpd.settings import read
from runexpd.upkeep.commands import ledger

#: Of sysexits.h: what a person has to mend before it is worth while to try again; see systemd/runexpd.service.
EX_CONFIG = 78
_CHILDREN_SECONDS = 1.0
#: What grows is what runs, and it isn't garbage: to look through all of it, as Python does each time it has grown by a
#: quarter, makes everybody wait for 0.2 s at ten thousand jobs. So most looks are at what is new, and one in 200 at all.
_LOOKED_THROUGH = (5_000, 10, 20)


class _Group(click.Group):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        """What can't be written, its help for instance, is an error in a line."""
        try:
            return super().main(*args, **kwargs)
        except OSError as error:
            _say(*_of_the_system(error))
            stopping.leave(1)


@click.group(
    cls=_Group, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option("--check", is_flag=True, help="Read the configuration, say what is wrong with it, and stop.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="INFO",
    show_default=True,
    help="Of what is logged, the least that is.",
)
@click.version_option(__version__, "-v", "--version", prog_name="runexpd")
@click.pass_context
def main(called: click.Context, check: bool, log_level: str) -> None:
    """Submit, watch and verify experiments, until stopped. Jobs outlive it; the ledger remembers them.

    Runs in the foreground and logs to stderr; `runexpd install-service` has systemd run it for good. RUNEXP_HOME=DIR
    keeps the ledger, the socket and the configuration of a private daemon below one directory.
    """
    if called.invoked_subcommand is not None:
        return
    log.set_up(log_level.upper())
    stopping.leave(_checked() if check else _served())


def _checked() -> int:
    try:
        read(paths.config())
        there = paths.config().exists()
    except Exception as error:
        return _told(error)
    click.echo(f"{paths.config()} is fine" if there else "no configuration file; defaults")
    return 0


def _served() -> int:
    """Serve until asked to stop, or until something ends us; the exit code."""
    gc.set_threshold(*_LOOKED_THROUGH)
    stopping.expect()
    try:
        homes.prepare()
        socket.raise_descriptor_limit()
        again = pausing.pause() and anyio.run(daemon.run, read(paths.config()))
        pausing.well()
        if again:
            _begin_again()
    except Exception as error:
        return _given_up(error)
    except KeyboardInterrupt:  # before anybody listens for it, or once more
        return 130
    return 0


def _given_up(error: Exception) -> int:
    code = _told(error)
    if code == EX_CONFIG:
        pausing.well()
        activation.turn_away()
    return code


def _begin_again() -> Never:
    """In the same process, with the configuration as it stands now: for systemd and for whoever waits for us we never went."""
    _let_go_of_children()
    program = [sys.argv[0]] if sys.argv[0].endswith("runexpd") else ["-m", "runexpd"]
    stopping.begin_again([sys.executable, *program, *sys.argv[1:]])


def _let_go_of_children() -> None:
    """Readers and sessions, of which nobody would hear after us that they have ended. Jobs are no children of ours."""
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):
            for pid in (task / "children").read_text().split():
                os.kill(int(pid), signal.SIGKILL)
    deadline = time.monotonic() + _CHILDREN_SECONDS
    with suppress(ChildProcessError):
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.01)


def _told(error: Exception) -> int:
    """A line for what a person can mend; a traceback for a fault of ours."""
    causes = list(dict.fromkeys(map(_words, _causes(error))))
    for words in causes:
        if words is None:
            logger.opt(exception=error).critical("a fault of runexpd's ended it: {!r}", error)
            return 1
    logger.opt(exception=error).debug("ended at the start")
    for words in filter(None, causes):
        _say(*words)
    return EX_CONFIG if any(isinstance(cause, HomeRefused | BadExperiment) for cause in _causes(error)) else 1


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What task groups have wrapped, layer by layer."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _causes(part)
    else:
        yield error


def _words(error: BaseException) -> tuple[str, str] | None:
    """What and hint; None for what nobody outside can do anything about."""
    match error:
        case HomeRefused() | LedgerError() | socket.SocketRefused():
            return error.what, error.hint
        case BadExperiment():
            return f"{error.what} ({error.where})" if error.where else error.what, error.hint
        case OSError():
            return _of_the_system(error)
        case _:
            return None


def _of_the_system(error: OSError) -> tuple[str, str]:
    what = error.strerror or str(error)
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            hint = "make room, then start it again; nothing is lost, and jobs go on"
        case errno.EMFILE | errno.ENFILE:
            hint = "too many files are open on this machine, or allowed to us: see ulimit -n"
        case _:
            hint = "mend that, then start it again; --log-level DEBUG shows where it was met"
    return f"{what}: {error.filename}" if error.filename else what, hint


def _say(what: str, hint: str) -> None:
    click.echo(f"error: {text.on_one_line(what)}", err=True)
    if hint:
        click.echo(f"hint: {text.on_one_line(hint)}", err=True)


main.add_command(install_service)
main.add_command(uninstall_service)
main.add_command(ledger)


if __name__ == "__main__":
    main()
