"""A report with its curves, asked of the daemon, in the form that is wanted."""

from collections.abc import Callable, Sequence

from runexp import connection
from runexp.reporting import content as contents
from runexp.reporting.content import Content
from runexp.wire import metrics, requests, views
from runexp.wire.metrics import Curves

FORMATS = ("text", "markdown", "html", "latex", "csv")

#: The fewest points that have the last one among them.
_ENDS = 2


def written(report: views.Report, form: str) -> str:
    """A report in one of FORMATS, with no line feed at its end. Raises what asking raises, but for Refusal."""
    # Only what is asked for is imported: nothing else need wait for templates and charts.
    match form:
        case "html":
            from runexp.reporting import html

            return html.html(_with_curves(report))
        case "latex":
            from runexp.reporting import latex

            return latex.latex(_with_losses(report))
        case "csv":
            from runexp.reporting import spreadsheet

            return spreadsheet.spreadsheet(contents.of(report))
        case _:
            from runexp.reporting import plain

            write: Callable[[Content], str] = plain.markdown if form == "markdown" else plain.text
            return write(_with_losses(report))


def _with_losses(report: views.Report) -> Content:
    """With where each run's loss ended."""
    return contents.of(report, ends=_curves(report, (), (metrics.LOSS,), points=_ENDS))


def _with_curves(report: views.Report) -> Content:
    """With as many curves as a picture holds."""
    from runexp.reporting import charts, curves

    bare = _with_losses(report)
    drawn = _curves(report, curves.chosen(bare), tuple(curves.PANELS), points=charts.MOST_POINTS)
    return contents.of(report, drawn, bare.ends)


def _curves(
    report: views.Report, jobs: Sequence[str], names: tuple[str, ...], points: int
) -> Sequence[metrics.Series]:
    """None at all where the daemon has none, or knows of none."""
    if not any(job.attempts for job in report.optimization.jobs):
        return ()
    asked = requests.Metrics(experiment=report.id, jobs=tuple(jobs), names=names, points=points)
    try:
        return connection.ask(asked, Curves).series
    except connection.Refusal:
        return ()
