"""Views as aligned lines, in the tones of the palette. Pure."""

import time
from collections.abc import Iterator, Sequence

from runexp import report
from runexp.reporting import figures
from runexp.ui import last_words, standing, table, when
from runexp.ui.palette import Line, Span, plain
from runexp.ui.table import Cell
from runexp.wire.jobs import Progress
from runexp.wire.states import PENDING, Outcome, Phase
from runexp.wire.views import Check, ExperimentLine, ExperimentView, JobView, PlanLine, Verdict

_OUTCOMES = {
    None: "busy",
    Outcome.SUCCEEDED: "good",
    Outcome.PARTIAL: "doubt",
    Outcome.FAILED: "bad",
    Outcome.CANCELLED: "dim",
}
_VERDICTS = {Verdict.OK: "good", Verdict.WARNING: "warn", Verdict.BAD: "bad"}
#: Experiments that are named where one thing troubles many.
_MOST_NAMES = 3
#: What would be done with a job; other words are as the terminal writes.
_DECISIONS = {"submit": "busy", "skip": "dim", "blocked": "bad", "changed": "change", "retire": "dim"}


def experiments(lines: Sequence[ExperimentLine]) -> Iterator[Line]:
    header = [Span(name, "dim") for name in ("id", "experiment", "outcome", "jobs", "best", "asked", "where")]
    yield from table.aligned([header, *(_line(line) for line in lines)])
    for trouble in dict.fromkeys(filter(None, (line.trouble for line in lines))):
        names = [f"{line.name} [{line.id}]" for line in lines if line.trouble == trouble]
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        yield table.line(Span(f"! {', '.join(names[:_MOST_NAMES])}{more}: {trouble}", "doubt"))


def _line(line: ExperimentLine) -> tuple[Cell, ...]:
    counts = ", ".join(f"{count} {state}" for state, count in sorted(line.counts.items()))
    stands = Span(_standing(line), "doubt" if line.concerns else _OUTCOMES[line.outcome])
    asked = f"{report.duration(max(0.0, time.time() - line.asked_at))} ago"
    best = f"{figures.score(line.best.value)} {line.best.run}" if line.best is not None else ""
    return line.id, Span(line.name, "strong"), stands, counts, best, asked, f"{line.cluster}:{line.dir}"


def _standing(line: ExperimentLine) -> str:
    """How it ended; of one that runs, until when it is likely to, and of how many jobs something is wrong."""
    if line.outcome is not None:
        return line.outcome
    until = f"running until {when.likely(line.ends)}" if line.ends is not None else "running"
    return until + (f", ! {line.concerns}" if line.concerns else "")


def checks(found: Sequence[Check]) -> Iterator[Line]:
    """Each thing looked at, and under it what to do where something is to be done."""
    rows: list[tuple[Cell, ...]] = []
    for check in found:
        rows.append((Span(check.verdict, _VERDICTS[check.verdict]), check.name, check.found))
        if check.hint:
            rows.append(("", "", Span(f"hint: {check.hint}", "strong")))
    yield from table.aligned(rows)


def plan(lines: Sequence[PlanLine]) -> Iterator[Line]:
    """What would be done with each job, and why."""
    rows = [(Span(each.decision, _DECISIONS.get(each.decision, "")), each.job, each.reason) for each in lines]
    yield from table.aligned(rows, indent="  ")


def experiment(view: ExperimentView) -> Iterator[Line]:
    now = clock(view)
    yield headline(view)
    if view.estimates.end is not None:
        yield table.line(Span(f"likely to end {when.likely(view.estimates.end)}", "busy"))
    elif view.estimates.barrier is not None:
        yield table.line(Span(f"likely to be trained {when.likely(view.estimates.barrier)}", "busy"))
    if view.trouble:
        yield table.line(Span(f"! {view.trouble}", "alarm"))
    for warning in view.warnings:
        yield table.line(Span(f"warning: {warning}", "warn"))
    for phase in Phase:
        jobs = [job for job in view.jobs if job.phase is phase and not job.retired]
        if jobs:
            yield ()
            yield table.line(Span(phase, "strong"), f" ({getattr(view, phase)})")
            yield from table.aligned([job_row(job, now) for job in jobs], indent="  ")
    yield from last_words.lines([job for job in view.jobs if not job.retired], view.typed)
    if retired := [job for job in view.jobs if job.retired]:
        yield ()
        yield table.line("no longer in the scaffold")
        yield from table.aligned([job_row(job, now) for job in retired], indent="  ")


def headline(view: ExperimentView) -> Line:
    outcome = Span(view.outcome or "running", _OUTCOMES[view.outcome])
    said: list[Cell] = [
        Span(view.name, "strong"),
        f" [{view.id}] on {view.cluster}: ",
        outcome,
        f"{', archived' if view.archived else ''}  {view.dir}",
    ]
    return table.line(*said, *([Span(f"  {age(view)}", "dim")] if age(view) else []))


def age(view: ExperimentView) -> str:
    """As of when it is; empty for what is over, and for what nothing is known of yet."""
    if view.as_of is None or view.outcome is not None:
        return ""
    at = time.strftime("%H:%M:%S", time.localtime(view.as_of))
    return f"as of {at}, {report.duration(max(0.0, time.time() - view.as_of))} ago"


def clock(view: ExperimentView) -> float:
    """Up to when times run: while the cluster gives no answer, to its last one."""
    return view.as_of if view.trouble and view.as_of is not None else time.time()


def job_row(job: JobView, now: float) -> tuple[Cell, ...]:
    """Name, state, job id, time, and the rest."""
    _, tone = standing.mark(job)
    number, clock = job.slurm_job_id or "", report.duration(running_seconds(job, now))
    said = "bad" if job.failure else "doubt" if job.health else ""
    return job.id, Span(job.state, tone), Span(number, "dim"), clock, Span(remark(job), said)


def running_seconds(job: JobView, now: float) -> float | None:
    """How long it ran, or has been running."""
    if job.started_at is None:
        return None
    return max(0.0, (job.ended_at or now) - job.started_at)


def remark(job: JobView) -> str:
    """How far it is, what it scored, or what is the matter."""
    wrong = [f"! {each.what}" for each in job.health]
    if job.progress is not None:
        return "; ".join(filter(None, (progress(job.progress), likely_end(job), *wrong)))
    scores = ", ".join(f"{s.metric} {s.value:.3f}" for s in job.scores if s.metric != "stderr")
    retried = f"attempt {len(job.attempts)}" if len(job.attempts) > 1 else ""
    found = f"{job.failure.kind}: {job.detail}" if job.failure else job.detail
    start = expected_start(job) or likely_end(job)
    warnings = (f"warning: {w}" for w in job.warnings)
    return "; ".join(filter(None, (scores, changed(job), found, start, retried, *wrong, *warnings)))


def changed(job: JobView) -> str:
    """What is said otherwise since its results were made."""
    said = f"changed: {', '.join(job.changes)}" if job.changes else ""
    return f"{said} (kept)" if job.kept else said


def likely_end(job: JobView) -> str:
    """`ends 17:40 (17:31-17:55)`; of one that waits, when it begins; empty where nobody knows."""
    if job.begins is not None:
        return f"begins {when.likely(job.begins)}"
    return f"ends {when.likely(job.ends)}" if job.ends is not None else ""


def expected_start(job: JobView) -> str:
    """What the scheduler expects of a pending job; empty where it says nothing."""
    if job.expected_start_at is None or job.state != PENDING:
        return ""
    at = time.localtime(job.expected_start_at)
    today = at[:3] == time.localtime()[:3]
    return f"expected to start {time.strftime('%H:%M' if today else '%Y-%m-%d %H:%M', at)}"


def progress(made: Progress) -> str:
    """`epoch 0 of 2, step 31/124, loss 0.412`."""
    parts = []
    if made.epoch is not None:
        parts.append(f"epoch {made.epoch}" + (f" of {made.epochs}" if made.epochs else ""))
    if made.done is not None:
        of = f"/{made.total}" if made.total else ""
        parts.append(f"{made.unit.removesuffix('s')} {made.done}{of}")
    if made.loss is not None:
        parts.append(f"loss {made.loss:.4g}")
    return ", ".join(parts)


def columns(rows: Sequence[Sequence[str]], indent: str = "") -> Iterator[str]:
    """Aligned, two spaces between, nothing after the last."""
    return map(plain, table.aligned(rows, indent))
