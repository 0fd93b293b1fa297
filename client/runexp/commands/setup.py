"""runexp setup: from a host of ~/.ssh/config to a cluster that experiments can run on."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from runexp import connection, exits, output, paths, reading, sshing, stanzas, starting
from runexp.commands import arguments
from runexp.ui import rows
from runexp.wire import requests
from runexp.wire.views import Verdict

#: More is no configuration.
_MOST_BYTES = 1_000_000
#: As the configuration takes them.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    return [host for host in sshing.hosts() if host.startswith(incomplete)]


@click.command()
@click.argument("cluster", metavar="[CLUSTER]", required=False, shell_complete=_complete)
@click.option("--host", help="An alias of ~/.ssh/config, or an address.  [default: CLUSTER]")
@click.option("--user", help="Where ~/.ssh/config doesn't say.")
@click.option(
    "--transport",
    type=click.Choice(["asyncssh", "openssh"]),
    help="openssh: your own `ssh`, over the connection that you have open.",
)
@click.option("--partition", help="For scripts that name none.")
@click.option("--account", help="For scripts that name none.")
@click.option(
    "--prepend",
    metavar="LINE",
    multiple=True,
    help="A line of shell before every command there, such as `module load slurm`; may be given several times.",
)
@click.option("--replace", is_flag=True, help="In place of the cluster of that name that is there.")
@click.option(
    "--yes", "-y", is_flag=True, help="Ask nothing: what isn't said is left to ~/.ssh/config and the scripts."
)
@arguments.as_json
def setup(
    cluster: str | None,
    replace: bool,
    yes: bool,
    as_json: bool,
    prepend: tuple[str, ...],
    **said: str | None,
) -> None:
    """Add CLUSTER to the configuration, have the daemon read it, and look the cluster over.

    What is in the configuration stays, with its comments. Without CLUSTER the hosts of ~/.ssh/config are offered.
    Exits with 4 where something must be mended before experiments can run there, as `runexp doctor` does.

    \b
    Example:  runexp setup della
              runexp setup della --yes --host della.example.edu --partition gpu --prepend "module load slurm"
    """
    with output.errors(as_json):
        asks = not yes and not as_json and sys.stdin.isatty() and sys.stderr.isatty()
        name = cluster or _chosen(asks, as_json)
        if not _NAME.fullmatch(name) or name == "local":
            hint = "letters, digits, . _ and -; `local` is this machine; --host says where it is"
            output.fail(f"{name!r} is no name for a cluster", "", hint, exits.USAGE, as_json)
        settings = _settings(name, asks, said, prepend)
        _write(name, settings, replace, as_json)
        reply = _looked_over(name, as_json)
        if as_json:
            output.json({"cluster": name, "config": str(paths.config()), "checks": reply.checks})
        else:
            output.lines(rows.checks(reply.checks))
        bad = any(check.verdict is Verdict.BAD for check in reply.checks)
        if not as_json:
            output.say(
                f"mend that, then: runexp doctor {name}"
                if bad
                else f"next: runexp run {name}:/path/of/an/experiment"
            )
    sys.exit(exits.FAILED if bad else exits.OK)


def _chosen(asks: bool, as_json: bool) -> str:
    if not asks:
        output.fail("which cluster?", "", "name it: an alias of ~/.ssh/config", exits.USAGE, as_json)
    if hosts := sshing.hosts():
        output.note(f"In ~/.ssh/config: {', '.join(hosts)}")
    return str(click.prompt("Cluster", err=True, default=hosts[0] if len(hosts) == 1 else None))


def _settings(
    name: str, asks: bool, said: dict[str, str | None], prepend: Sequence[str]
) -> dict[str, str | Sequence[str]]:
    """In the order of a stanza. What is empty is left out."""
    host = said["host"] or name
    if asks:
        partitions, accounts = sshing.offers(host)
        said |= {
            "transport": said["transport"] or _transport(),
            "partition": said["partition"] or _one_of("Partition", partitions),
            "account": said["account"] or _one_of("Account", accounts),
        }
        prepend = prepend or (_lines_before() if not partitions else ())
    every: dict[str, Any] = {
        "host": host,
        **{key: said[key] for key in ("user", "transport", "partition", "account")},
        "prepend": prepend,
    }
    return {key: value for key, value in every.items() if value}


def _transport() -> str:
    kinds = click.Choice(["asyncssh", "openssh"])
    question = "Connection (openssh: your own `ssh`, over the one that you have open)"
    return str(click.prompt(question, type=kinds, default="asyncssh", err=True))


def _lines_before() -> list[str]:
    """Where Slurm's commands weren't found, or nobody answered."""
    question = (
        "A line of shell that makes Slurm's commands known there (such as `module load slurm`); Enter: none"
    )
    line = str(click.prompt(question, default="", show_default=False, err=True)).strip()
    return [line] if line else []


def _one_of(what: str, offered: list[str]) -> str:
    there = f" ({', '.join(offered)})" if offered else ""
    question = f"{what} for scripts that name none{there}; Enter: none"
    return str(click.prompt(question, default="", show_default=False, err=True)).strip()


def _write(name: str, settings: stanzas.Settings, replace: bool, as_json: bool) -> None:
    """The configuration with the cluster, if the daemon's program takes it. Exits, with nothing changed, where it doesn't."""
    path = Path(os.path.realpath(paths.config()))
    try:
        before = _read(path)
        if stanzas.has(before, name) and not replace:
            hint = f"--replace: in its place; `runexp doctor {name}` looks it over"
            output.fail(f"there is a cluster {name} already", str(path), hint, exits.REFUSED, as_json)
        after = stanzas.put(before, name, settings)
    except (stanzas.Unwritable, reading.Unreadable) as error:
        output.fail(
            str(error),
            str(path),
            "write it with a line each, or add the cluster by hand",
            exits.REFUSED,
            as_json,
        )
    paths.make_private(path.parent)
    _replace(path, after)
    if wrong := starting.wrong_configuration():
        _replace(path, before) if before else path.unlink()
        what, hint = wrong
        output.fail(what, "", f"nothing is changed; {hint}", exits.REFUSED, as_json)
    if not as_json:
        output.note(f"{name} is in {path}")


def _read(path: Path) -> str:
    """Raises reading.Unreadable and OSError."""
    try:
        return reading.whole(path, _MOST_BYTES).decode() if path.exists() else ""
    except UnicodeDecodeError:
        raise reading.Unreadable("isn't UTF-8") from None


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(text.encode())
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o777)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _looked_over(name: str, as_json: bool) -> requests.DoctorReply:
    if starting.info() is None:
        starting.start()
    else:
        starting.reload()
    if not as_json:
        output.note(f"looking {name} over: a few seconds")
    return connection.ask(requests.Doctor(cluster=name), requests.DoctorReply)
