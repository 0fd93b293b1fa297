"""All that a report says, whatever form it has: gathered once from what is on the wire. Pure."""

import time
from collections.abc import Iterable, Sequence

import msgspec

from runexp.reporting import figures, runs, scores, times, varied
from runexp.wire.metrics import Series
from runexp.wire.states import Outcome, Stage
from runexp.wire.views import JobView, Report

HEADLINES = {
    Outcome.SUCCEEDED: "Run Experiment Complete",
    Outcome.PARTIAL: "Run Experiment Complete, in Part",
    Outcome.FAILED: "Run Experiment Failed",
    Outcome.CANCELLED: "Run Experiment Cancelled",
    None: "Run Experiment Under Way",
}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs of which the same is to be said."""

    what: str
    jobs: tuple[JobView, ...]


class Content(msgspec.Struct, frozen=True, kw_only=True):
    report: Report
    #: Which parameters vary.
    varied: tuple[str, ...]
    tables: tuple[scores.Table, ...]
    runs: tuple[runs.Row, ...]
    #: What is drawn: of which runs, the asker chose.
    series: tuple[Series, ...]
    #: Of all runs, where their losses ended: few points of each.
    ends: tuple[Series, ...]
    failed: tuple[Group, ...]
    skipped: tuple[Group, ...]
    #: Results that a person is to decide about.
    unclear: tuple[JobView, ...]
    #: What isn't over.
    open: tuple[JobView, ...]
    #: By job; of the experiment, by its name.
    warnings: tuple[tuple[str, str], ...]
    #: What is wrong with jobs that run.
    health: tuple[tuple[str, str], ...]
    optimization: times.Times
    evaluation: times.Times
    total: times.Times

    @property
    def jobs(self) -> tuple[JobView, ...]:
        return (*self.report.optimization.jobs, *self.report.evaluation.jobs)


def of(report: Report, curves: Sequence[Series] = (), ends: Sequence[Series] = ()) -> Content:
    columns = varied.names(report.runs)
    jobs = (*report.optimization.jobs, *report.evaluation.jobs)
    phases = [report.optimization, report.evaluation]
    return Content(
        report=report,
        varied=columns,
        tables=scores.tables(report, columns),
        runs=runs.rows(report, (*ends, *curves)),
        series=tuple(curves),
        ends=tuple(ends),
        failed=_grouped(job for job in jobs if job.stage is Stage.FAILED),
        skipped=_grouped(job for job in jobs if job.stage is Stage.SKIPPED),
        unclear=tuple(job for job in jobs if job.stage is Stage.IN_DOUBT),
        open=tuple(
            job
            for job in jobs
            if job.stage not in (Stage.VERIFIED, Stage.FAILED, Stage.SKIPPED, Stage.IN_DOUBT)
        ),
        warnings=(
            *((report.name, warning) for warning in report.warnings),
            *((job.id, warning) for job in jobs for warning in job.warnings),
        ),
        health=tuple((job.id, _ill(each.what, each.hint)) for job in jobs for each in job.health),
        optimization=times.of(report.optimization),
        evaluation=times.of(report.evaluation),
        total=times.together(phases),
    )


def _ill(what: str, hint: str) -> str:
    return f"{what}; {hint}" if hint else what


def _grouped(jobs: Iterable[JobView]) -> tuple[Group, ...]:
    """Those of which the same is said, together; in the order of the first of each."""
    found: dict[str, list[JobView]] = {}
    for job in jobs:
        found.setdefault(saying(job), []).append(job)
    return tuple(Group(what=what, jobs=tuple(alike)) for what, alike in found.items())


def saying(job: JobView) -> str:
    """How it ended, and why: `FAILED (cuda_out_of_memory): ...`."""
    if job.stage is Stage.SKIPPED:
        return job.detail or "skipped"
    kind = f" ({job.failure.kind})" if job.failure else ""
    return f"{job.state}{kind}: {job.detail}"


def changed(job: JobView) -> str:
    """What of its recipe is no longer what its results came from."""
    return f"{', '.join(job.changes)}{' (kept)' if job.kept else ''}"


def last_lines(job: JobView) -> tuple[str, ...]:
    """Of the output of a job that failed, where they are known."""
    return job.failure.said if job.failure is not None else ()


def date(seconds: float | None) -> str:
    """By this machine's time zone: `2026-11-29 01:03`; empty for None."""
    return "" if seconds is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _begun_at(report: Report) -> float | None:
    """The first submission; where there is none, when it was asked for."""
    jobs = (*report.optimization.jobs, *report.evaluation.jobs)
    submitted = [a.submitted_at for job in jobs for a in job.attempts if a.submitted_at is not None]
    return min(submitted, default=report.asked_at)


def when(report: Report) -> str:
    """`2026-11-28 21:54 to 2026-11-29 01:03`, `since ...`; empty where it isn't known."""
    begun, ended = date(_begun_at(report)), date(report.ended_at)
    if not ended:
        return f"since {begun}" if begun else ""
    return f"{begun} to {ended[11:] if ended[:10] == begun[:10] else ended}"


def models(report: Report) -> str:
    return ", ".join(dict.fromkeys(run.model for run in report.runs if run.model))


def what_varied(content: Content) -> tuple[str, ...]:
    """`lora_rank (4, 8)`"""
    return tuple(f"{name} ({varied.values(content.report.runs, name)})" for name in content.varied)


def result(content: Content) -> tuple[str, ...]:
    """The best of each task's first metric, in a sentence."""
    first: dict[str, scores.Table] = {}
    for table in content.tables:
        first.setdefault(table.task, table)
    return tuple(_best(table) for table in first.values() if table.best)


def _best(table: scores.Table) -> str:
    best = table.best[0]
    epoch = f" after epoch {best.epoch}" if best.epoch is not None else ""
    others = f" (and {len(table.best) - 1} more)" if len(table.best) > 1 else ""
    samples = f" (n = {best.samples:,})" if best.samples is not None else ""
    value = f"{figures.with_error(best.value, best.stderr)}{samples}"
    beside = figures.difference(best.comparison) if best.comparison is not None else ""
    less = f"; difference to the base model {beside}" if beside else ""
    return f"{table.metric} on {table.task}: best is {best.run}{epoch}{others} with {value}{less}"


def counts(content: Content) -> Sequence[str]:
    """`3/4 runs trained`, `6/8 evaluations`"""
    report = content.report
    return (
        f"{report.optimization.succeeded}/{report.optimization.total} trained",
        f"{report.evaluation.succeeded}/{report.evaluation.total} evaluated",
    )


def typed(report: Report) -> str:
    """What names it on a command line."""
    return report.typed or report.id
