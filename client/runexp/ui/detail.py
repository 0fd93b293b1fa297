"""All there is to know of the chosen job, or of the experiment, as lines. Pure."""

import time
from collections.abc import Iterator

from runexp import report
from runexp.text import on_one_line
from runexp.ui import cells, rows, standing
from runexp.ui.joblist import Group, Row
from runexp.ui.palette import Line, Span
from runexp.ui.when import hour, likely, stopwatch
from runexp.wire.states import SETTLED, Stage
from runexp.wire.views import AttemptView, ExperimentView, JobView

_LABEL_CELLS = 11


def lines(view: ExperimentView, chosen: Row | None, room: int) -> list[Line]:
    """Of a job its verdict, evidence, attempts and recipe; on a group's line, of the experiment."""
    entries = _experiment(view, chosen) if chosen is None or isinstance(chosen, Group) else _job(chosen, view)
    return [line for label, text, tone in entries for line in _entry(label, text, tone, room)]


_Entry = tuple[str, str, str]


def _entry(label: str, text: str, tone: str, room: int) -> Iterator[Line]:
    """Label and text, the text in as many lines as it takes: nothing is cut here."""
    for piece in cells.folded(on_one_line(text), max(10, room - _LABEL_CELLS - 2)):
        yield Span(" " + cells.left(label, _LABEL_CELLS), "dim"), Span(piece, tone)
        label = ""


def _job(job: JobView, view: ExperimentView) -> Iterator[_Entry]:
    symbol, tone = standing.mark(job)
    yield "job", job.id, "strong"
    yield (
        "state",
        f"{symbol} {job.state}" + (f", {job.stage}" if job.stage != job.state.lower() else ""),
        tone,
    )
    for each in job.health:
        yield "concern", f"since {hour(each.since_at)}: {each.what}", "doubt"
        if each.hint:
            yield "", each.hint, ""
    yield from _verdict(job, view)
    yield from _when(job)
    yield from _evidence(job)
    for attempt in reversed(job.attempts):
        yield f"attempt {attempt.number}", _attempt(attempt, rows.clock(view)), ""
        if attempt.usage and attempt.started_at is not None:
            took = (attempt.ended_at or rows.clock(view)) - attempt.started_at
            yield "", report.utilization(took, attempt.usage), "dim"
    if said := rows.changed(job):
        yield "recipe", f"{said}: R makes it anew", "change"
    yield "recipe", f"{job.script}; `runexp show {view.typed} {job.id}` tells all of it", ""
    yield "works in", job.workdir, "dim"
    yield "tool", job.tool, "dim"


def _verdict(job: JobView, view: ExperimentView) -> Iterator[_Entry]:
    if job.failure:
        yield "verdict", f"{job.failure.kind}: {job.failure.message}", "bad"
        yield "", f"mend it, then: r, or `runexp retry {view.typed} {job.id}`", "dim"
    if job.detail and not (job.failure and job.detail == job.failure.message):
        yield _label_of(job), job.detail, ""
    if job.progress is not None and (how_far := rows.progress(job.progress)):
        yield "progress", how_far, "busy"
    for warning in job.warnings:
        yield "warning", warning, "warn"


def _label_of(job: JobView) -> str:
    """What its detail is: of one that isn't over, why it waits."""
    if job.stage not in SETTLED and job.stage is not Stage.IN_DOUBT:
        return "why"
    return "found" if job.failure else "verdict"


def _when(job: JobView) -> Iterator[_Entry]:
    for label, estimate in (("begins", job.begins), ("ends", job.ends)):
        if estimate is not None:
            yield (
                label,
                f"about {likely(estimate)}" + (f", by {estimate.basis}" if estimate.basis else ""),
                "busy",
            )
    if job.begins is None and (start := rows.expected_start(job)):
        yield "queue", start, ""
    if job.limit_at is not None and job.ended_at is None:
        yield "limit", f"its time is over at {hour(job.limit_at)}", ""


def _evidence(job: JobView) -> Iterator[_Entry]:
    for score in job.scores:
        yield "score", f"{score.name} {score.metric} {score.value:.4g}", "good"
    for place, artifact in enumerate(job.artifacts):
        yield ("" if place else "evidence"), artifact, ""
    if job.output:
        yield "output", job.output, ""


def _attempt(attempt: AttemptView, now: float) -> str:
    ran = None if attempt.started_at is None else (attempt.ended_at or now) - attempt.started_at
    waited = None
    if attempt.submitted_at is not None and attempt.started_at is not None:
        waited = attempt.started_at - attempt.submitted_at
    parts = [
        attempt.state,
        f"job {attempt.slurm_job_id}" if attempt.slurm_job_id else "",
        f"submitted {_time(attempt.submitted_at)}" if attempt.submitted_at else "",
        f"waited {stopwatch(waited)}" if waited is not None else "",
        f"ran {stopwatch(ran)}" if ran is not None else "",
        f"exit {attempt.exit_code}" if attempt.exit_code else "",
        f"to go on from {attempt.resumed_from}" if attempt.resumed_from else "",
    ]
    return ", ".join(filter(None, parts))


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))


def _experiment(view: ExperimentView, group: Group | None) -> Iterator[_Entry]:
    if group is not None:
        stands = ", ".join(f"{number} {each.words}" for each, number in group.counts)
        yield "group", f"{group.title}: {stands}", "strong"
    yield "experiment", f"{view.name} [{view.id}]", "strong"
    yield "where", f"{view.cluster}:{view.dir}", ""
    yield "asked", _time(view.asked_at), ""
    if view.ended_at is not None:
        yield "ended", _time(view.ended_at), ""
    for label, estimate in (("barrier", view.estimates.barrier), ("ends", view.estimates.end)):
        if estimate is not None:
            yield (
                label,
                f"about {likely(estimate)}" + (f", by {estimate.basis}" if estimate.basis else ""),
                "busy",
            )
    policy = view.policy
    yield (
        "policy",
        f"on failure {policy.on_failure}, barrier {policy.barrier}, on stall {policy.on_stall}",
        "",
    )
    yield "", f"out-of-memory retries {policy.oom_retries}, node retries {policy.node_retries}", ""
    for warning in view.warnings:
        yield "warning", warning, "warn"
