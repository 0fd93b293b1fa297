"""runexp metrics: what runs did at each step."""

import click
from msgspec.structs import replace

from runexp import connection, output
from runexp.commands import arguments
from runexp.ui import rows
from runexp.wire import requests
from runexp.wire.metrics import Curves, Series

_MOST = 2**53


@click.command()
@arguments.experiment
@arguments.job
@click.option("--name", "names", multiple=True, help="Only this series: loss, lr, tokens_per_second, ...")
@click.option(
    "--points", type=click.IntRange(0, _MOST), help="At most so many of each series (default: 300; 0: all)."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
    help="How it is printed.",
)
@arguments.as_json
def metrics(
    experiment: str | None,
    job: str | None,
    names: tuple[str, ...],
    points: int | None,
    form: str,
    as_json: bool,
) -> None:
    """Print what runs did at each step: loss, learning rate, tokens a second, gradient norm, GPUs, samples.

    As text a line a series; as JSON or CSV every point, the lowest and the highest kept where there are too many.

    \b
    Example:  runexp metrics exp7 rank4 --name loss --format csv >loss.csv
    """
    with output.errors(as_json):
        asked = requests.Metrics(
            experiment=arguments.chosen(experiment),
            jobs=(job,) if job else (),
            names=names,
            points=300 if points is None else points,
        )
        curves = connection.ask(asked, Curves)
        if as_json or form == "json":
            output.json(curves)
        elif form == "csv":
            # What writes tables takes its time to import: only where it is used.
            from runexp.reporting import spreadsheet

            output.raw("".join(spreadsheet.points(curves.series)))
        elif curves.series:
            output.say("\n".join(rows.columns([_HEADER, *map(_row, curves.series)])))
        else:
            output.note(_none_of(asked))


def _none_of(asked: requests.Metrics) -> str:
    every = connection.ask(replace(asked, names=()), Curves).series if asked.names else ()
    if not every:
        return "nothing yet: a run's figures show a while after its first step"
    known = ", ".join(sorted({series.name for series in every}))
    return f"no {', '.join(asked.names)} is there; there are: {known}"


_HEADER = ("job", "attempt", "series", "steps", "first", "lowest", "highest", "last")


def _row(series: Series) -> tuple[str, ...]:
    known = [value for value in series.values if value is not None]
    figures = (known[0], min(known), max(known), series.values[-1]) if known else (None,) * 4
    name = f"{series.name} ({series.label})" if series.label else series.name
    steps = f"{series.steps[0]}-{series.steps[-1]}" if series.steps else ""
    return series.job, str(series.attempt), name, steps, *map(_figure, figures)


def _figure(value: float | None) -> str:
    return "nan" if value is None else f"{value:.5g}"
