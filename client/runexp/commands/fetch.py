"""runexp fetch: an experiment's files, brought home."""

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
import msgspec

from runexp import connection, exits, output, reports
from runexp.commands import arguments
from runexp.fetching import places
from runexp.fetching.transfer import Bringing, Brought
from runexp.wire import requests, views
from runexp.wire.files import FilesAsk, FilesReply, Kind, RemoteFile

#: Told of each file and of the bytes that came.
_Bar = Callable[[RemoteFile, int], None]
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)([kKmMgG]?)", re.ASCII)
#: As the daemon takes it.
_MOST = 2**53
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}


class _Rate(click.ParamType):  # type: ignore[type-arg]  # click 8.1 has no argument there
    """`500k`, `10M`: bytes a second."""

    name = "rate"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = _RATE.fullmatch(value)
        rate = int(float(match[1]) * _UNITS[match[2].lower()]) if match else 0
        if not 0 < rate <= _MOST:
            self.fail(f"{value} is no rate: 500k, 10M, 1G (bytes a second)", param, ctx)
        return rate


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What a fetch has done, as JSON."""

    experiment: str
    name: str
    dir: str
    files: tuple[Brought, ...]
    left_out: tuple[str, ...]


@click.command()
@click.argument("experiment", metavar="EXP", shell_complete=arguments.complete_experiment)
@click.argument("directory", metavar="[DIR]", required=False, type=click.Path(file_okay=False))
@click.option(
    "--job",
    "jobs",
    multiple=True,
    metavar="JOB",
    help="Only of this job; may be given again.",
    shell_complete=arguments.complete_job,
)
@click.option("--adapters", is_flag=True, help="Also the adapters that were trained.")
@click.option("--checkpoints", is_flag=True, help="Also the whole checkpoints: many gigabytes.")
@click.option("--outputs", is_flag=True, help="Also what the jobs printed.")
@click.option("--bandwidth", type=_Rate(), metavar="RATE", help="Bytes a second at most: 500k, 10M.")
@arguments.as_json
def fetch(
    experiment: str,
    directory: str | None,
    jobs: tuple[str, ...],
    bandwidth: int | None,
    as_json: bool,
    **more: bool,
) -> None:
    """Bring the evaluation logs and the report of EXP into DIR (default: a directory of its name, here).

    What is there already is not brought again; what was interrupted goes on where it stopped. Each file is verified by its
    size, and by its hash where the cluster has sha256sum. It goes over the daemon's own connection, a second's worth at a
    time, and holds up nothing else. Exits with 3 where some files could not be had, and with 1 where none could.

    \b
    Example:  runexp fetch exp7
              runexp fetch exp7 ~/results/exp7 --adapters --bandwidth 5M
    """
    kinds = (Kind.REPORTS, Kind.LOGS, *(Kind(name) for name, is_wanted in more.items() if is_wanted))
    with output.errors(as_json):
        name = arguments.chosen(experiment)
        listed = connection.ask(FilesAsk(experiment=name, kinds=kinds, jobs=jobs), FilesReply)
        root = Path(directory) if directory else Path(places.plain(listed.name))
        bringing = Bringing(listed.experiment, root, bandwidth or 0)
        with _shown(listed.files, bringing, as_json) as bar:
            files = tuple(_each(bringing, listed.files, bar))
        _write_report(listed.experiment, root)
        fetched = Fetched(
            experiment=listed.experiment,
            name=listed.name,
            dir=str(root),
            files=files,
            left_out=listed.left_out,
        )
        _tell(fetched, as_json)
    sys.exit(_code(fetched))


def _each(bringing: Bringing, files: Sequence[RemoteFile], bar: _Bar) -> Iterator[Brought]:
    for file in files:
        yield bringing.bring(file, lambda count, file=file: bar(file, count))  # type: ignore[misc]


@contextmanager
def _shown(files: Sequence[RemoteFile], bringing: Bringing, as_json: bool) -> Iterator[_Bar]:
    """A bar on a terminal; nothing elsewhere."""
    if as_json or not sys.stderr.isatty():
        yield lambda file, count: None
        return
    # The terminal library takes a third of a second to import: only where it is used.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=sum(file.size_bytes for file in files))

        def bar(file: RemoteFile, count: int) -> None:
            progress.update(
                task, advance=count, description=output.one_line(file.path.rpartition("/")[2])[:40]
            )

        yield bar


def _write_report(experiment: str, root: Path) -> None:
    """As it stands now, in three forms."""
    summary = connection.ask(requests.ReportAsk(experiment=experiment), views.Report)
    (root / "report.md").write_text(reports.written(summary, "markdown") + "\n")
    (root / "report.html").write_text(reports.written(summary, "html") + "\n")
    (root / "report.json").write_bytes(msgspec.json.encode(summary) + b"\n")


def _tell(fetched: Fetched, as_json: bool) -> None:
    if as_json:
        output.json(fetched)
        return
    for file in fetched.files:
        if file.problem:
            output.note(output.one_line(f"left out: {file.path}: {file.problem}"))
    for why in fetched.left_out:
        output.note(output.one_line(f"left out: {why}"))
    new = [file for file in fetched.files if file.here and not file.was_here]
    here = sum(file.was_here for file in fetched.files)
    size = sum(file.size_bytes for file in new)
    unhashed = sum(not file.sha256 for file in new)
    by_size = f", {unhashed} of them verified by size alone" if unhashed else ""
    output.say(
        output.one_line(
            f"{fetched.dir}: {len(new)} files ({size / 1e6:.1f} MB) brought{by_size}; {here} were there"
        )
    )


def _code(fetched: Fetched) -> int:
    problems = sum(bool(file.problem) for file in fetched.files) + len(fetched.left_out)
    if not problems:
        return exits.OK
    return exits.PARTIAL if any(file.here for file in fetched.files) else exits.REFUSED
