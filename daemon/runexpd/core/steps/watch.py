"""What a listing means. A job that is left out, or shown in a word that nobody knows, is not over.

Nor is one that the cluster has lost: only a person who gives it up ends it.
"""

from collections import Counter
from collections.abc import Iterator

from runexp.wire import events, states
from runexp.wire.metrics import Concern
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Attempt
from runexpd.core.observations import Report
from runexpd.core.state import Experiment, State
from runexpd.core.steps import submit


def on_report(state: State, report: Report, now: float) -> Iterator[events.Event]:
    """The job's end, or a state it was not in before; of one that no longer waits nothing is wrong with how long it does."""
    job = submit.find(state, report.experiment, report.job, report.token)
    if job is None or job.attempt is None or job.stage is not Stage.QUEUED:
        return
    if report.final and report.state in states.END_STATES:
        yield events.JobEnded(
            job=report.job,
            token=report.token,
            state=report.state,
            exit_code=report.exit_code,
            started_at=report.started_at,
            ended_at=report.ended_at if report.ended_at is not None else now,
            usage=report.usage,
            output=report.output,
            error=report.error,
        )
    elif report.state == states.LOST and (job.cancel_asked or job.attempt.given_up):
        yield events.JobEnded(
            job=report.job,
            token=report.token,
            state=states.CANCELLED,
            exit_code="",
            started_at=job.attempt.started_at,
            ended_at=now,
        )
    elif _is_news(job.attempt, report):
        yield events.StateChanged(
            job=report.job,
            token=report.token,
            state=report.state,
            reason=report.reason,
            started_at=report.started_at,
            output=report.output,
            error=report.error,
        )
        if report.state != states.PENDING and _is_said_to_wait(job.attempt):
            yield events.ConcernWithdrawn(job=report.job, token=report.token, concern=Concern.QUEUE)


def _is_said_to_wait(attempt: Attempt) -> bool:
    return any(each.concern is Concern.QUEUE for each in attempt.health)


def checked(experiment: Experiment, phase: Phase) -> events.StatusChecked:
    """How the phase stands after a round that brought news of it."""
    counts: Counter[str] = Counter()
    for kind, count in experiment.jobs.counts():
        if kind.phase is phase and not kind.retired:
            counts[kind.state] += count
    return events.StatusChecked(phase=phase, counts=dict(sorted(counts.items())))


def _is_news(attempt: Attempt, report: Report) -> bool:
    seen = (attempt.state, attempt.reason, attempt.started_at, attempt.output, attempt.error)
    places = (report.output or attempt.output, report.error or attempt.error)
    return seen != (report.state, report.reason, report.started_at, *places)
