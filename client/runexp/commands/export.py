"""runexp export: an experiment to publish or to keep, as an RO-Crate."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from runexp import connection, exits, installing, output
from runexp.commands import arguments
from runexp.fetching import places
from runexp.wire import requests

if TYPE_CHECKING:  # what makes reports takes its time to import: only where it is used
    from runexp.crating.filling import Filled
    from runexp.crating.graph import License


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """What an export has made, as JSON."""

    experiment: str
    name: str
    path: str
    files: int
    recipes: int
    #: Attempts that made results which were found good.
    succeeded: int
    left_out: tuple[str, ...]


@click.command()
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.argument("path", metavar="[FILE]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--license", "licensed", metavar="LICENSE", help="What others may do with it: CC-BY-4.0, or a URL."
)
@click.option("--replace", "replaces", is_flag=True, help="Put it in place of the crate that is there.")
@arguments.as_json
def export(experiment: str, path: Path | None, licensed: str | None, replaces: bool, as_json: bool) -> None:
    """Write EXP as an RO-Crate: report, scores, curves, events, and what exactly each attempt ran, with what they are.

    FILE is a ZIP archive where it ends in .zip, else a directory (default: NAME.crate.zip, here). Secrets are blanked; models
    and evaluation logs stay where they are. Needs the extra: pip install 'runexp[crate]'. Exits with 3 where something could
    not be had.

    \b
    Example:  runexp export exp7
              runexp export exp7 ~/deposit/exp7.zip --license CC-BY-4.0
    """
    with output.errors(as_json):
        _need_library(as_json)
        asked = requests.Status(experiment=arguments.chosen(experiment))
        view = connection.ask(asked, requests.StatusReply).experiment
        target = path or Path(f"{places.plain(view.name)}.crate.zip")
        exported = _exported(view.id, target, licensed, replaces, as_json)
        _tell(exported, as_json)
    sys.exit(exits.PARTIAL if exported.left_out else exits.OK)


def _need_library(as_json: bool) -> None:
    try:
        import rocrate.rocrate  # noqa: F401  # before anything is asked, or written
    except ImportError as error:
        what = f"the library that writes RO-Crates isn't here: {error}"
        output.fail(what, "", installing.extra("crate"), exits.REFUSED, as_json)


def _exported(experiment: str, target: Path, licensed: str | None, replaces: bool, as_json: bool) -> Exported:
    from runexp.crating import graph, placing

    chosen = graph.NOT_STATED if licensed is None else graph.license(licensed)
    if chosen is None:
        hint = "an identifier of https://spdx.org/licenses, or a URL"
        output.fail(f"{licensed} is no licence", "", hint, exits.USAGE, as_json)
    try:
        placing.check(target, replaces)
        with placing.beside(target) as made:
            filled = _made(made, experiment, chosen, _counter(as_json))
            placing.check(target, replaces)
            placing.place(made / "crate", target, made)
    except placing.Taken as taken:
        output.fail(taken.what, "", taken.hint, exits.REFUSED, as_json)
    return _told(filled, target)


def _made(made: Path, experiment: str, chosen: "License", progress: Callable[[int, int], None]) -> "Filled":
    """A whole crate, in a directory that is nobody else's."""
    from runexp.crating import filling, graph

    crate = made / "crate"
    crate.mkdir()
    filled = filling.fill(crate, made / "scratch", experiment, progress)
    metadata = json.dumps(graph.graph(filled, chosen, time.time()), indent=1, ensure_ascii=False)
    (crate / graph.NAME).write_text(f"{metadata}\n", encoding="utf-8")
    return filled


def _told(filled: "Filled", target: Path) -> Exported:
    return Exported(
        experiment=filled.report.id,
        name=filled.report.name,
        path=str(target),
        files=len(filled.parts) + 1,  # with the metadata
        recipes=sum(ran.recipe is not None for ran in filled.ran),
        succeeded=len(filled.successes),
        left_out=filled.left_out,
    )


def _counter(as_json: bool) -> Callable[[int, int], None]:
    """On a terminal, on one line; nothing elsewhere."""
    if as_json or not sys.stderr.isatty():
        return lambda done, total: None
    return lambda done, total: click.echo(
        f"\r\x1b[Krecipes: {done} of {total}" if done < total else "\r\x1b[K", err=True, nl=False
    )


def _tell(exported: Exported, as_json: bool) -> None:
    if as_json:
        output.json(exported)
        return
    for why in exported.left_out:
        output.note(output.one_line(f"left out: {why}"))
    what = f"{exported.files} files, {exported.recipes} recipes, {exported.succeeded} attempts that succeeded"
    output.say(output.one_line(f"{exported.path}: {what}"))
