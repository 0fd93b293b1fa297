"""Wall time and work, told apart. Pure."""

from collections.abc import Iterable, Sequence

import msgspec

from runexp.wire.views import AttemptView, JobView, PhaseReport


class Times(msgspec.Struct, frozen=True, kw_only=True):
    """Of a phase, or of all. In seconds; None: nothing ran, or it isn't known."""

    #: The time in which anything was queued or ran: what the calendar says, without what lies idle between.
    active: float | None
    #: Of all attempts together, from each one's start to its end.
    work: float | None
    #: The same, times the GPUs of each.
    gpu: float | None
    attempts: int


def of(phase: PhaseReport) -> Times:
    return together([phase])


def together(phases: Sequence[PhaseReport]) -> Times:
    attempts = [attempt for phase in phases for job in phase.jobs for attempt in job.attempts]
    spans = [
        (a.submitted_at, a.ended_at)
        for a in attempts
        if a.submitted_at is not None and a.ended_at is not None
    ]
    return Times(
        active=_covered(spans) if spans else None,
        work=_sum(ran(attempt) for attempt in attempts),
        gpu=_sum(gpu_seconds(attempt) for attempt in attempts),
        attempts=len(attempts),
    )


def ran(attempt: AttemptView) -> float | None:
    """From its start to its end."""
    if attempt.started_at is None or attempt.ended_at is None:
        return None
    return max(0.0, attempt.ended_at - attempt.started_at)


def gpu_seconds(attempt: AttemptView) -> float | None:
    seconds = ran(attempt)
    if seconds is None or attempt.usage is None or attempt.usage.gpus is None:
        return None
    return seconds * attempt.usage.gpus


def of_job(job: JobView) -> float | None:
    """Of all its attempts, in GPU-seconds."""
    return _sum(map(gpu_seconds, job.attempts))


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """How long at least one of them lasted."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        if end > reached:
            total += end - max(begin, reached)
            reached = end
    return total
