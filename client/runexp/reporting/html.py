"""The report as a page of its own: one HTML file that loads nothing, and says so to the browser. Pure, but for its templates."""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup, escape

from runexp import __version__
from runexp import report as words
from runexp.reporting import content as contents
from runexp.reporting import curves, dots, drawing, figures, palette, plain, recipes, scores, times
from runexp.reporting.charts import NARROW, WIDE, Chart
from runexp.reporting.content import Content
from runexp.text import on_one_line
from runexp.wire.states import Outcome

#: Rows of a table, and entries of a list: a report of 5,000 jobs stays one that can be sent.
MOST_ROWS, MOST_ENTRIES = 150, 100
#: Tables that have a chart, and those that are shown at once; the others are folded.
MOST_CHARTS, MOST_OPEN = 6, 4
#: Runs whose rows are all shown at once; of more, the best ones, and the others are folded.
MOST_AT_ONCE, MOST_LEADERS = 24, 15

#: The last thing that a step says is a command, where it says one.
_COMMAND = re.compile(r"(.*): ((?:runexp|inspect) .*)")

Draw = Callable[[Sequence[tuple[str, Chart]]], Mapping[str, str]]

_BADGES = {
    Outcome.SUCCEEDED: ("succeeded", "good"),
    Outcome.PARTIAL: ("in part", "part"),
    Outcome.FAILED: ("failed", "bad"),
    Outcome.CANCELLED: ("cancelled", "part"),
    None: ("under way", "part"),
}


class Figure(msgspec.Struct, frozen=True):
    """A chart for wide screens and paper, and the same for a phone. Both may be empty."""

    wide: Markup
    narrow: Markup


def html(content: Content, draw: Draw = drawing.drawn) -> str:
    """For a browser, or to send to somebody. The same content gives the same bytes."""
    css = _css()
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            c=content,
            r=content.report,
            css=Markup(css),
            policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
            version=__version__,
            typed=contents.typed(content.report),
            badge=_BADGES[content.report.outcome],
            facts=[fact for fact in _facts(content) if fact[1]],
            results=[_unbroken(said) for said in contents.result(content)],
            **_drawn(content, draw),
        )
    )


def _unbroken(said: str) -> Markup:
    """No line ends within a number and what belongs to it."""
    together = re.sub(r" (±|=) ", "\u00a0\\1\u00a0", str(escape(on_one_line(said))))
    return Markup(re.sub(r"(\[[^ \]]*,) ", "\\1\u00a0", together))


def _breaking(name: str) -> Markup:
    """A long name that a heading may break where its words end."""
    return Markup(re.sub(r"([_.])", "\\1<wbr>", str(escape(on_one_line(name)))))


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("runexp.reporting", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {
        "breaking": _breaking,
        "capped": capped,
        "difference": lambda row: figures.difference(row.comparison) if row.comparison else "",
        "figures": figures,
        "gpu": _gpu,
        "duration": words.duration,
        "last_lines": contents.last_lines,
        "notes": lambda table: list(plain.notes(table, MOST_ROWS)),
        "paths": _paths,
        "changes": contents.changed,
        "ran": recipes,
        "step": step,
        "text": on_one_line,
        "times": times,
        "took": lambda job: words.duration(words.elapsed(job)),
    }
    return environment


def _shown(value: Any) -> Any:
    """Names and messages are from outside: no control character of theirs reaches the page."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "\u2013" if value == figures.NONE else on_one_line(value)


@cache
def _css() -> str:
    source, _, _ = jinja2.PackageLoader("runexp.reporting", "templates").get_source(
        jinja2.Environment(autoescape=True), "report.css"
    )
    light, dark = (" ".join(palette.variables(is_dark)) for is_dark in (False, True))
    return source.replace("/*light*/", light).replace("/*dark*/", dark)


def _facts(content: Content) -> Iterator[tuple[str, str]]:
    report = content.report
    yield "When", contents.when(report)
    yield "Where", f"{report.cluster}: {report.dir}"
    yield "Model", contents.models(report)
    yield "Varied", "; ".join(contents.what_varied(content))
    for phase, things in ((report.optimization, "runs"), (report.evaluation, "evaluations")):
        done = f"{plain.mark(phase)} {phase.succeeded:,}/{phase.total:,} {things} completed successfully"
        yield phase.phase.capitalize(), done if phase.total else ""
    yield "As of", contents.date(report.as_of) if report.outcome is None else ""


def _drawn(content: Content, draw: Draw) -> dict[str, Any]:
    """Every picture in one go: a renderer takes a while to begin."""
    wanted: dict[str, Chart] = {}
    for size in (WIDE, NARROW):
        if chart := curves.chart(content, size):
            wanted[f"curves-{size.name}"] = chart
        for number, table in enumerate(content.tables[:MOST_CHARTS]):
            if chart := dots.chart(table, size):
                wanted[f"scores-{number}-{size.name}"] = chart
    pictures = draw(list(wanted.items())) if wanted else {}

    def figure(name: str) -> Figure:
        wide, narrow = (Markup(pictures.get(f"{name}-{size.name}", "")) for size in (WIDE, NARROW))
        return Figure(wide, narrow)

    lines = wanted.get("curves-wide")
    return {
        "curves": figure("curves"),
        "in_short": _in_short(content),
        "curves_title": lines.title if lines else "",
        "left_out": curves.left_out(content),
        "tables": [
            _table(content, number, figure(f"scores-{number}")) for number in range(len(content.tables))
        ],
    }


def _table(content: Content, number: int, figure: Figure) -> dict[str, Any]:
    table = content.tables[number]
    all = len({row.run for row in table.rows})
    is_long = all > MOST_AT_ONCE
    return {
        "table": table,
        "figure": figure,
        "rows": _grouped(scores.shown(table, MOST_ROWS)),
        "leaders": _grouped(scores.leaders(table, MOST_LEADERS)) if is_long else [],
        "left_out": f"The best {dots.MOST_RUNS} of {all:,} runs." if all > dots.MOST_RUNS + 1 else "",
        "is_folded": number >= MOST_OPEN,
    }


def _grouped(rows: Sequence[scores.Row]) -> list[tuple[scores.Row, bool]]:
    """Of each whether it is the first of its run."""
    return [(row, at == 0 or rows[at - 1].run != row.run) for at, row in enumerate(rows)]


def _in_short(content: Content) -> str:
    """What many trainings took, in a line; empty where a table of them is short enough."""
    rows = content.runs
    if len(rows) <= MOST_AT_ONCE:
        return ""
    losses = [row.final_loss for row in rows if row.final_loss is not None]
    walls = [row.wall for row in rows if row.wall is not None and row.is_done]
    mended = sum(bool(row.mended) for row in rows)
    parts = [
        f"final loss {figures.loss(min(losses))} to {figures.loss(max(losses))}" if losses else "",
        f"wall time {words.duration(min(walls))} to {words.duration(max(walls))}" if walls else "",
        f"{figures.hours(content.optimization.gpu)} GPU-hours" if content.optimization.gpu else "",
        f"{figures.count(mended, 'run was', 'runs were')} mended" if mended else "",
    ]
    return "; ".join(part for part in parts if part)


def capped(things: Sequence[Any], most: int = MOST_ENTRIES) -> tuple[Sequence[Any], int]:
    """As many as are shown, and how many more there are."""
    return things[:most], max(0, len(things) - most)


def _gpu(seconds: float | None) -> str:
    return figures.hours(seconds)


def step(said: str) -> tuple[str, str]:
    """What it is for, and what to type; the latter is empty where there is nothing to type."""
    found = _COMMAND.fullmatch(said)
    return (found[1], found[2]) if found else (said, "")


def _paths(content: Content) -> list[tuple[str, list[str]]]:
    report = content.report
    artifacts = {
        phase.phase: [path for job in phase.jobs for path in job.artifacts]
        for phase in (report.optimization, report.evaluation)
    }
    checkpoints, logs = artifacts.values()
    own = [path for path in (report.log, report.optimization.log, report.evaluation.log) if path]
    return [
        (name, paths)
        for name, paths in (
            ("Experiment", [report.dir]),
            ("Logs of the runs", own),
            ("Model checkpoints", checkpoints),
            ("Evaluation logs", logs),
        )
        if paths
    ]
