"""`runexpd install-service` and `uninstall-service`: units for systemd's user manager, for however runexpd was installed."""

import os
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Never

import click

from runexp import paths, starting, tending
from runexp.connection import NoDaemon

UNITS = ("runexpd.service", "runexpd.socket")
_HERE = Path(__file__).parent


@click.command("install-service")
@click.option("--print", "only_print", is_flag=True, help="Print the units, and change nothing.")
@click.option("--no-start", is_flag=True, help="Write and enable them, and start nothing yet.")
def install_service(only_print: bool, no_start: bool) -> None:
    """Have systemd run runexpd for this user: from now on, at each login, and again whenever it ends by a fault.

    \b
    Example:  runexpd install-service
              loginctl enable-linger      # it stays while you are logged out
    """
    units = {name: _filled(name) for name in UNITS}
    if only_print:
        click.echo("\n".join(f"# {tending.units() / name}\n{text}" for name, text in units.items()), nl=False)
        return
    if shutil.which("systemctl") is None:
        _without_systemd()
    _systemctl(
        "show-environment"
    )  # without a session nothing is written: units that are there mean that it is systemd's
    tending.units().mkdir(parents=True, exist_ok=True)
    for name, text in units.items():
        (tending.units() / name).write_text(text)
        click.echo(f"wrote {tending.units() / name}")
    _systemctl("daemon-reload")
    _systemctl("enable", *UNITS)
    if not no_start:
        _started()
        click.echo("runexpd runs; see: runexp daemon, or systemctl --user status runexpd")
    if not _lingers():
        click.echo("it ends when you log out, unless: loginctl enable-linger")


@click.command("uninstall-service")
def uninstall_service() -> None:
    """Stop runexpd and remove its units. The ledger, the configuration and running jobs stay.

    \b
    Example:  runexpd uninstall-service
    """
    there = [name for name in UNITS if (tending.units() / name).exists()]
    if not there:
        _fail(f"no unit of runexpd in {tending.units()}", "runexpd install-service writes them")
    _systemctl("disable", "--now", *there)
    for name in there:
        (tending.units() / name).unlink()
        click.echo(f"removed {tending.units() / name}")
    _systemctl("daemon-reload")


def _started() -> None:
    """Anew, so that what runs is this installation's; the socket first, which the daemon is handed."""
    _systemctl("stop", *reversed(UNITS))
    if (other := starting.info()) is not None:
        _fail(
            f"another runexpd (pid {other.pid}) runs already",
            "runexp daemon stop, then: runexpd install-service",
        )
    for name in reversed(UNITS):
        _systemctl("start", name)


def _filled(name: str) -> str:
    template = _data("systemd", name).read_text()
    try:
        for mark, command in (("@RUNEXPD@", "runexpd"), ("@RUNEXP@", "runexp")):
            template = template.replace(mark, _quoted(starting.program(command)))
    except NoDaemon as error:
        _fail(error.what, error.hint)
    return template.replace("@DOCS@", _escaped(str(_data("docs", "service.md").parent)))


def _data(directory: str, name: str) -> Path:
    """In a wheel it lies in the package; in a checkout at its top."""
    packaged = Path(str(resources.files("runexpd"))) / directory / name
    return packaged if packaged.exists() else _HERE.parents[1] / directory / name


def _quoted(path: str) -> str:
    """As systemd.service(5) reads a command line."""
    text = _escaped(path).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if any(each in text for each in " \t\\'\"") else text


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _systemctl(*words: str) -> None:
    try:
        done = subprocess.run(
            ["systemctl", "--user", *words], capture_output=True, text=True, check=False, env=_environment()
        )
    except FileNotFoundError:
        _without_systemd()
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split()) or f"exit code {done.returncode}"
        _fail(
            f"systemctl --user {' '.join(words)}: {said}",
            "without a session of systemd's: runexp daemon start",
        )


def _without_systemd() -> Never:
    _fail("there is no systemctl here", "without systemd: runexp daemon start")


def _environment() -> dict[str, str]:
    """A shell that came by `su` or cron knows nothing of its session."""
    return {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}", **os.environ}


def _lingers() -> bool:
    return (Path("/var/lib/systemd/linger") / paths.user()).exists()


def _fail(what: str, hint: str) -> Never:
    click.echo(f"error: {what}", err=True)
    click.echo(f"hint: {hint}", err=True)
    raise SystemExit(1)
