"""The combined summary of an experiment as text and as Markdown. Pure; the daemon writes it into run-experiment.log too."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from runexp.text import on_one_line
from runexp.wire.jobs import Usage
from runexp.wire.states import Outcome, PhaseState, Stage
from runexp.wire.views import JobView, PhaseReport, Report

#: Dresses up words; a heading also has a level, 2 the highest.
Style = Callable[[str], str]
Heading = Callable[[int, str], str]

HEADLINES = {
    Outcome.SUCCEEDED: "Run Experiment Complete",
    Outcome.PARTIAL: "Run Experiment Complete, in Part",
    Outcome.FAILED: "Run Experiment Failed",
    Outcome.CANCELLED: "Run Experiment Cancelled",
    None: "Run Experiment Under Way",
}


def duration(seconds: float | None) -> str:
    """`9 s`, `2 min 05 s`, `1 h 03 min`, `3 d 04 h`; a dash for None."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    for size, name, below, of_below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            return f"{whole // size} {name} {whole % size // below:02d} {of_below}"
    return f"{whole} s"


def elapsed(job: JobView) -> float | None:
    """How long a job's newest attempt ran, in seconds."""
    if job.started_at is None or job.ended_at is None:
        return None
    return max(0.0, job.ended_at - job.started_at)


def utilization(elapsed_seconds: float, usage: Usage) -> str:
    """`1 min 12 s of 30 min 00 s (4%), 1 GPU, 4 CPUs (92%), memory 3.1 GiB of 8.0 GiB (39%)`, as far as it is known."""
    parts = [duration(elapsed_seconds) + _of(elapsed_seconds, usage.time_limit_seconds, duration)]
    if usage.gpus:
        parts.append(f"{usage.gpus} GPU{'s' * (usage.gpus > 1)}")
    if usage.cpus:
        could = usage.cpus * elapsed_seconds
        busy = f" ({usage.cpu_seconds / could:.0%})" if usage.cpu_seconds is not None and could else ""
        parts.append(f"{usage.cpus} CPU{'s' * (usage.cpus > 1)}{busy}")
    if usage.peak_memory_bytes:
        asked = _of(usage.peak_memory_bytes, usage.memory_bytes, _bytes)
        parts.append(f"memory {_bytes(usage.peak_memory_bytes)}{asked}")
    return ", ".join(parts)


def _of(used: float, given: float | None, words: Callable[[float], str]) -> str:
    return f" of {words(given)} ({used / given:.0%})" if given else ""


def _bytes(count: float) -> str:
    """In Slurm's own multiples."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def text(report: Report) -> str:
    """For a terminal: plain and aligned."""
    return _joined(
        _lines(report, heading=lambda level, words: words.upper() if level < 4 else words, bold=str)
    )


def markdown(report: Report) -> str:
    """For a document."""
    return _joined(
        _lines(
            report, heading=lambda level, words: f"{'#' * level} {words}", bold=lambda words: f"**{words}**"
        )
    )


def _joined(lines: Iterator[str]) -> str:
    """Whatever a name or a message holds: it makes no line of its own."""
    return "\n".join(map(on_one_line, lines))


def _lines(report: Report, heading: Heading, bold: Style) -> Iterator[str]:
    yield heading(2, HEADLINES[report.outcome])
    yield ""
    yield f"Experiment: {report.name} ({report.dir} on {report.cluster})"
    for warning in report.warnings:
        yield f"Warning: {warning}"
    yield ""
    yield heading(3, "Optimization Results")
    yield from _phase(report.optimization, ("runs", "runs", "Model checkpoints"), bold)
    yield heading(3, "Evaluation Results")
    yield from _phase(report.evaluation, ("evaluations", "evaluations", "Evaluation logs"), bold)
    if rows := score_rows(report.evaluation.jobs):
        yield bold("Scores:")
        yield ""
        yield from table(rows)
        yield ""
    if report.retired:
        yield heading(3, "No longer in the scaffold")
        yield from (f"- {_retired(job)}" for job in report.retired)
        yield ""
    yield heading(3, "Total Time")
    yield f"Complete workflow: {duration(report.total_seconds)}"
    yield f"- Optimization: {duration(report.optimization.duration_seconds)}"
    yield f"- Evaluation: {duration(report.evaluation.duration_seconds)}"
    yield ""
    yield heading(3, "Next Steps")
    yield from (f"{number}. {step}" for number, step in enumerate(report.next_steps, start=1))
    yield ""
    yield f"Logs: {report.log}, {report.optimization.log}, {report.evaluation.log}"


def _phase(phase: PhaseReport, words: tuple[str, str, str], bold: Style) -> Iterator[str]:
    things, noun, results = words
    yield f"{_mark(phase)} {phase.succeeded}/{phase.total} {things} completed successfully"
    yield f"Duration: {duration(phase.duration_seconds)}"
    yield ""
    titles = ("Completed", "Failed", "Skipped", "Unclear", "Open")
    listed = [_listed(job) for job in phase.jobs]
    groups = {
        **{f"{title} {noun}:": [row for group, row in listed if group == title] for title in titles},
        f"{results}:": [path for j in phase.jobs if j.stage is Stage.VERIFIED for path in j.artifacts],
        "Changed since:": [
            f"{j.id}: {', '.join(j.changes)}{' (kept)' if j.kept else ''}" for j in phase.jobs if j.changes
        ],
        "Warnings:": [f"{j.id}: {warning}" for j in phase.jobs for warning in j.warnings],
    }
    for title, rows in groups.items():
        if rows:
            yield bold(title)
            yield from (f"- {row}" for row in rows)
            yield ""


def _mark(phase: PhaseReport) -> str:
    if phase.succeeded == phase.total and phase.state is not PhaseState.STOPPED:
        return "✓"
    return "…" if phase.state in (PhaseState.WAITING, PhaseState.RUNNING) else "✗"


def _listed(job: JobView) -> tuple[str, str]:
    """Under which heading, and how."""
    match job.stage:
        case Stage.VERIFIED:
            took = elapsed(job)
            time = duration(took) if took is not None else "done before"
            return "Completed", f"{job.id}: {time} ({job.detail})"
        case Stage.FAILED:
            return "Failed", f"{job.id}: {_failed(job)}"
        case Stage.SKIPPED:
            return "Skipped", f"{job.id}: {job.detail}"
        case Stage.IN_DOUBT:
            return "Unclear", f"{job.id}: needs a decision: {job.detail}"
        case (
            Stage.PLANNED
            | Stage.SUBMITTING
            | Stage.UNCLEAR
            | Stage.QUEUED
            | Stage.ENDED
            | Stage.MENDING
            | Stage.SETTING_ASIDE
        ):
            return "Open", f"{job.id}: {job.state}"
        case _:
            assert_never(job.stage)


def _failed(job: JobView) -> str:
    kind = f" ({job.failure.kind})" if job.failure else ""
    output = f"; output: {job.output}" if job.output else ""
    return f"{job.state}{kind}: {job.detail}{output}"


def _retired(job: JobView) -> str:
    return f"{job.id}: {job.state}" + (f" ({job.detail})" if job.detail else "")


def score_rows(jobs: Sequence[JobView]) -> list[list[str]]:
    """A row a run and task, a column an epoch; header first. Empty if nothing was scored."""
    scored = [job for job in jobs if job.scores]
    if not scored:
        return []
    epochs = sorted({job.epoch for job in scored if job.epoch is not None})
    columns: list[int | None] = [*([None] if any(job.epoch is None for job in scored) else []), *epochs]
    values: dict[tuple[str, str, str], dict[int | None, float]] = {}
    for job in scored:
        for score in job.scores:
            if score.metric != "stderr":
                row = (job.run, job.task or "", f"{score.name} {score.metric}")
                values.setdefault(row, {})[job.epoch] = score.value
    names = ["base" if column is None else f"epoch {column}" for column in columns]
    return [
        ["run", "task", "score", *names],
        *[[*row, *(f"{by[c]:.3f}" if c in by else "" for c in columns)] for row, by in values.items()],
    ]


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """An aligned Markdown table; the first row is its header."""
    rows = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for number, row in enumerate(rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        if number == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def _cell(text: str) -> str:
    """A bar in it is no border; what backslashes stand before it stay backslashes."""
    return re.sub(r"(?<!\\)(\\*)\|", lambda bar: 2 * bar[1] + r"\|", on_one_line(text))
