"""From the state to what is shown: views, and the combined summary of the end."""

import shlex
from collections import Counter
from collections.abc import Mapping
from posixpath import dirname, join

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexp.wire.states import Outcome, Phase, Stage
from runexp.wire.views import (
    ExperimentLine,
    ExperimentView,
    JobView,
    PhaseReport,
    Report,
)
from runexpd.core.job import Job
from runexpd.core.state import Experiment
from runexpd.core.steps import best, forecast, jobviews, prepare
from runexpd.core.steps.jobviews import Drawn
from runexpd.core.when.forecast import Forecast


def line(e: Experiment, trouble: str = "") -> ExperimentLine:
    """A row of `runexp ls`."""
    return ExperimentLine(
        id=e.id,
        name=e.name,
        cluster=e.cluster,
        dir=e.dir,
        outcome=e.outcome,
        optimization=e.optimization,
        evaluation=e.evaluation,
        asked_at=e.asked_at,
        ended_at=e.ended_at,
        counts=_counts(e),
        trouble=trouble,
        concerns=_concerns(e),
        archived=e.archived,
        best=best.best(e),
    )


def _counts(e: Experiment) -> dict[str, int]:
    """Jobs by the word that is shown of them."""
    counts: Counter[str] = Counter()
    for kind, count in e.jobs.counts():
        if not kind.retired:
            counts[states.CANCELLING if kind.cancelling else kind.state] += count
    return dict(sorted(counts.items()))


def _concerns(e: Experiment) -> int:
    """Of how many jobs something is wrong: what is over has no concerns."""
    if e.outcome is not None:
        return 0
    return sum(count for kind, count in e.jobs.counts() if kind.unwell)


def drawn(
    e: Experiment,
    typed: str,
    progress: Mapping[str, Progress],
    starts: Mapping[str, float],
    before: Mapping[str, Drawn],
    estimates: Forecast = jobviews.NOTHING,
) -> dict[str, Drawn]:
    """The jobs to be seen of an experiment; see `jobviews.draw`."""
    return jobviews.draw(
        e, typed, filter(_is_worth_showing, e.jobs.values()), progress, starts, before, estimates
    )


def view(e: Experiment, typed: str, jobs: Mapping[str, Drawn], trouble: str = "") -> ExperimentView:
    """All there is to see of an experiment; `typed` is what names it on a command line, `trouble` what hinders it."""
    return ExperimentView(
        id=e.id,
        name=e.name,
        typed=typed,
        cluster=e.cluster,
        dir=e.dir,
        policy=e.policy,
        optimization=e.optimization,
        evaluation=e.evaluation,
        outcome=e.outcome,
        added_at=e.added_at,
        asked_at=e.asked_at,
        ended_at=e.ended_at,
        seq=e.seq,
        jobs=_views(jobs),
        warnings=e.warnings,
        trouble=(trouble or _held(e, typed)) if e.outcome is None else "",
        archived=e.archived,
    )


def _held(e: Experiment, typed: str) -> str:
    """What it waits for a person for; empty: nothing."""
    if e.restored:
        run = shlex.quote(e.dir if e.cluster == "local" else f"{e.cluster}:{e.dir}")
        return f"the ledger was restored: nothing is done until `runexp run {run}` has looked what happened since"
    return prepare.holds(e, typed)


def report(e: Experiment, typed: str) -> Report:
    """The combined summary; `typed` is what names it on a command line."""
    optimization, evaluation = (_phase(e, phase, typed) for phase in Phase)
    retired = [job for job in e.jobs.values() if job.retired and job.attempts]
    return Report(
        id=e.id,
        name=e.name,
        dir=e.dir,
        cluster=e.cluster,
        outcome=e.outcome,
        optimization=optimization,
        evaluation=evaluation,
        total_seconds=_span(e.current),
        log=e.logs.get("experiment", ""),
        next_steps=tuple(_next_steps(e, typed)),
        retired=_views(jobviews.draw(e, typed, retired)),
        warnings=e.warnings,
        typed=typed,
        question=e.question,
        runs=e.runs,
        asked_at=e.asked_at,
        ended_at=e.ended_at,
    )


def _is_worth_showing(job: Job) -> bool:
    """One that the scaffold no longer has is shown for what ran of it."""
    return not job.retired or bool(job.attempts)


def _views(jobs: Mapping[str, Drawn]) -> tuple[JobView, ...]:
    return tuple(each.view for each in jobs.values())


def _phase(e: Experiment, phase: Phase, typed: str) -> PhaseReport:
    jobs = e.of(phase)
    return PhaseReport(
        phase=phase,
        tool=e.tools.get(phase, ""),
        state=e.phase(phase),
        succeeded=sum(job.stage is Stage.VERIFIED for job in jobs),
        total=len(jobs),
        duration_seconds=_span(jobs),
        jobs=_views(jobviews.draw(e, typed, jobs)),
        log=e.logs.get(phase, ""),
    )


def _span(jobs: tuple[Job, ...]) -> float | None:
    """From the first submission to the last end, of each job's newest attempt."""
    attempts = [job.attempt for job in jobs if job.attempt]
    begun = [a.accepted_at for a in attempts if a.accepted_at is not None]
    ended = [a.ended_at for a in attempts if a.ended_at is not None]
    return max(0.0, max(ended) - min(begun)) if begun and ended else None


def _next_steps(e: Experiment, typed: str) -> list[str]:
    steps = [
        f"Decide about {job.spec.id}: {forecast.ways_out(typed, job, forecast.missing(e, job))}"
        for job in e.current
        if job.stage is Stage.IN_DOUBT
    ]
    if e.preparation in prepare.UNDECIDED and e.outcome is None:
        steps.append(f"Decide about {prepare.holds(e, typed)}")
    if e.outcome is Outcome.CANCELLED:
        steps.append(f"Go on with what was cancelled: runexp retry {typed}")
    elif any(job.stage is Stage.FAILED for job in e.current) and e.outcome is not Outcome.SUCCEEDED:
        steps.append(f"Mend what failed (its output: runexp logs {typed} JOB), then: runexp retry {typed}")
    elif _left_to_evaluate(e):
        place = e.dir if e.cluster == "local" else f"{e.cluster}:{e.dir}"
        steps.append(f"Evaluate what was trained: runexp run {shlex.quote(place)}")
    steps += _with_logs(e, typed)
    steps.append(f"Analyze the results as {join(e.dir, 'experiment_summary.yaml')} describes them")
    return steps


def _with_logs(e: Experiment, typed: str) -> list[str]:
    """What works from here, wherever the logs lie; and what works beside them."""
    logs = sorted({dirname(path) for job in e.of(Phase.EVALUATION) for path in job.artifacts})
    if not logs:
        return []
    inspect = f"inspect view --log-dir {shlex.quote(logs[0] if len(logs) == 1 else e.dir)}"
    dump = f"inspect log dump {shlex.quote(_first_log(e))}"
    scores = f"Export all scores: runexp report {typed} --format csv -o scores.csv"
    if e.cluster == "local":
        return [f"View the evaluation logs: {inspect}", scores, f"Export one log as JSON: {dump}"]
    return [
        f"View the evaluation logs: runexp view {typed}",
        f"Bring them and this report here: runexp fetch {typed}",
        scores,
        f"Beside the logs, on {e.cluster}: {inspect}",
        f"Export one log as JSON, there: {dump}",
    ]


def _left_to_evaluate(e: Experiment) -> bool:
    return e.policy.optimize_only and any(job.state == states.SKIPPED for job in e.of(Phase.EVALUATION))


def _first_log(e: Experiment) -> str:
    return next(path for job in e.of(Phase.EVALUATION) for path in job.artifacts)
