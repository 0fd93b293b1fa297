"""The report as text for a terminal, and as Markdown. The daemon writes the latter into run-experiment.log, too. Pure."""

from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from runexp import report as words
from runexp.reporting import content as contents
from runexp.reporting import figures, runs, scores, times
from runexp.reporting.content import HEADLINES, Content
from runexp.styles import MARKDOWN, TEXT, Style
from runexp.text import on_one_line
from runexp.wire.states import PhaseState, Stage
from runexp.wire.views import JobView, PhaseReport

#: Rows of a table; the lists beside it have all.
_MOST_ROWS = 200


def text(content: Content) -> str:
    """For a terminal: plain and aligned."""
    return _joined(_lines(content, TEXT))


def markdown(content: Content) -> str:
    """For a document."""
    return _joined(_lines(content, MARKDOWN))


def _joined(lines: Iterator[str]) -> str:
    """Whatever a name or a message holds: it makes no line of its own."""
    return "\n".join(map(on_one_line, lines))


def _lines(content: Content, style: Style) -> Iterator[str]:
    report = content.report
    yield style.heading(2, HEADLINES[report.outcome])
    yield ""
    yield from _title(content, style)
    yield ""
    if content.tables:
        yield style.heading(3, "Scores")
        for table in content.tables:
            yield from _scores(table, style)
        if report.not_compared:
            yield from (style.said(report.not_compared), "")
    yield style.heading(3, "Optimization Results")
    yield from _phase(report.optimization, ("runs", "runs", "Model checkpoints"), style)
    if any(job.attempts for job in report.optimization.jobs):
        yield style.bold("Runs:")
        yield ""
        yield from words.table([list(map(style.cell, row)) for row in _runs(content.runs)])
        yield ""
    yield style.heading(3, "Evaluation Results")
    yield from _phase(report.evaluation, ("evaluations", "evaluations", "Evaluation logs"), style)
    if report.retired:
        yield style.heading(3, "No longer in the scaffold")
        yield from (_item(style, _retired(job)) for job in report.retired)
        yield ""
    yield style.heading(3, "Total Time")
    yield from _times(content)
    yield ""
    yield style.heading(3, "Next Steps")
    yield from (f"{number}. {style.said(step)}" for number, step in enumerate(report.next_steps, start=1))
    yield ""
    yield f"Logs: {style.said(', '.join((report.log, report.optimization.log, report.evaluation.log)))}"


def _title(content: Content, style: Style) -> Iterator[str]:
    report = content.report
    yield f"Experiment: {style.said(f'{report.name} ({report.dir} on {report.cluster})')}"
    facts = {
        "Question": report.question,
        "When": contents.when(report),
        "Models": contents.models(report),
        "Varied": "; ".join(contents.what_varied(content)),
    }
    yield from (f"{name}: {style.said(fact)}" for name, fact in facts.items() if fact)
    yield from (f"Result: {style.said(said)}" for said in contents.result(content))
    yield from (f"Warning: {style.said(warning)}" for warning in report.warnings)
    yield from (f"Health: {style.said(f'{job}: {said}')}" for job, said in content.health)


def _scores(table: scores.Table, style: Style) -> Iterator[str]:
    yield style.bold(style.said(f"{table.title}:"))
    yield ""
    best = style.bold if style is MARKDOWN else lambda said: f"{said} *"
    yield from words.table(score_rows(table, best, style.cell))
    yield ""
    if said := [style.said(note) for note in notes(table)]:
        yield from (*said, "")


def score_rows(
    table: scores.Table, best: Callable[[str], str], said: Callable[[str], str] = str
) -> list[list[str]]:
    """Header first. `best` marks the best value; `said` is how words from outside are written."""
    epoch = ["epoch"] if table.has_epochs else []
    header = ["run", *map(said, table.varied), *epoch, said(table.metric), "n"]
    compared = ["difference to base [95 %]"] if table.is_compared else []
    return [
        [*header, *compared],
        *([*_score_row(table, row, best, said)] for row in scores.shown(table, _MOST_ROWS)),
    ]


def _score_row(
    table: scores.Table, row: scores.Row, best: Callable[[str], str], said: Callable[[str], str]
) -> Iterator[str]:
    yield from map(said, (row.run, *row.varied))
    if table.has_epochs:
        yield figures.NONE if row.epoch is None else str(row.epoch)
    value = figures.with_error(row.value, row.stderr)
    yield best(value) if row.is_best else value
    yield figures.NONE if row.samples is None else str(row.samples)
    if table.is_compared:
        yield figures.difference(row.comparison) if row.comparison else ""


def notes(table: scores.Table, most: int = _MOST_ROWS) -> Iterator[str]:
    """How the table is to be read, and what isn't in it."""
    said = []
    if any(row.stderr is not None for row in table.rows):
        said.append("± is the standard error")
    if table.is_compared:
        said.append("difference to base: paired, on the same samples, with its 95 % interval")
    if any(row.comparison and row.comparison.low == row.comparison.high is not None for row in table.rows):
        said.append(
            "an interval has no width where all samples differ alike, and then says nothing of others"
        )
    if table.is_lower_better:
        said.append("lower is better")
    if said:
        yield "; ".join(said)
    for why, count in scores.whys(table.rows):
        yield f"{figures.count(count, 'row')} not compared with the base model: {why}"
    if len(table.rows) > most:
        yield f"the best {most} of {len(table.rows):,} rows; all of them: --format csv"


def _runs(rows: Sequence[runs.Row]) -> list[list[str]]:
    header = ["run", "steps", "epochs", "final loss", "wall time", "GPU-hours", "node", "attempts", "mended"]
    return [header, *(run_cells(row) for row in rows[:_MOST_ROWS])]


def run_cells(row: runs.Row) -> list[str]:
    return [
        row.run,
        figures.NONE if row.steps is None else str(row.steps),
        figures.NONE if row.epochs is None else str(row.epochs),
        figures.loss(row.final_loss),
        words.duration(row.wall),
        figures.hours(row.gpu),
        row.node or figures.NONE,
        str(row.attempts),
        row.mended,
    ]


def _times(content: Content) -> Iterator[str]:
    report = content.report
    yield f"Complete workflow: {words.duration(report.total_seconds)}"
    yield f"- Optimization: {words.duration(report.optimization.duration_seconds)}"
    yield f"- Evaluation: {words.duration(report.evaluation.duration_seconds)}"
    total = content.total
    if total.active is not None:
        yield f"- Of that, something was queued or ran: {words.duration(total.active)}"
    if total.work is not None:
        yield f"- Work, all attempts added up: {work(total)}"


def work(total: times.Times) -> str:
    """`1 h 03 min in 12 attempts, 1.2 GPU-hours`"""
    attempts = figures.count(total.attempts, "attempt")
    gpu = f", {figures.hours(total.gpu)} GPU-hours" if total.gpu else ""
    return f"{words.duration(total.work)} in {attempts}{gpu}"


def _phase(phase: PhaseReport, said: tuple[str, str, str], style: Style) -> Iterator[str]:
    things, noun, results = said
    yield f"{mark(phase)} {phase.succeeded}/{phase.total} {things} completed successfully"
    yield f"Duration: {words.duration(phase.duration_seconds)}"
    yield ""
    titles = ("Completed", "Failed", "Skipped", "Unclear", "Open")
    listed = [_listed(job, style) for job in phase.jobs]
    groups = {
        **{
            f"{title} {noun}:": [line for group, lines in listed if group == title for line in lines]
            for title in titles
        },
        f"{results}:": [
            _item(style, path) for j in phase.jobs if j.stage is Stage.VERIFIED for path in j.artifacts
        ],
        "Changed since:": [_item(style, f"{j.id}: {contents.changed(j)}") for j in phase.jobs if j.changes],
        "Warnings:": [_item(style, f"{j.id}: {warning}") for j in phase.jobs for warning in j.warnings],
    }
    for title, rows in groups.items():
        if rows:
            yield style.bold(title)
            yield from rows
            yield ""


def _item(style: Style, words: str) -> str:
    return f"- {style.said(words)}"


def mark(phase: PhaseReport) -> str:
    if phase.succeeded == phase.total and phase.state is not PhaseState.STOPPED:
        return "✓"
    return "…" if phase.state in (PhaseState.WAITING, PhaseState.RUNNING) else "✗"


def _listed(job: JobView, style: Style) -> tuple[str, list[str]]:
    """Under which heading, and how."""
    title, found = _standing(job)
    last = style.quoted(contents.last_lines(job)) if title == "Failed" else []
    return title, [_item(style, f"{job.id}: {found}"), *last]


def _standing(job: JobView) -> tuple[str, str]:
    match job.stage:
        case Stage.VERIFIED:
            took = words.elapsed(job)
            time = words.duration(took) if took is not None else "done before"
            return "Completed", f"{time} ({job.detail})"
        case Stage.FAILED:
            output = f"; output: {job.output}" if job.output else ""
            return "Failed", f"{contents.saying(job)}{output}"
        case Stage.SKIPPED:
            return "Skipped", job.detail
        case Stage.IN_DOUBT:
            return "Unclear", f"needs a decision: {job.detail}"
        case (
            Stage.PLANNED
            | Stage.SUBMITTING
            | Stage.UNCLEAR
            | Stage.QUEUED
            | Stage.ENDED
            | Stage.MENDING
            | Stage.SETTING_ASIDE
        ):
            return "Open", job.state
        case _:
            assert_never(job.stage)


def _retired(job: JobView) -> str:
    return f"{job.id}: {job.state}" + (f" ({job.detail})" if job.detail else "")
