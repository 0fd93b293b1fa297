"""What is shown of each job. Of thousands, those that have changed are made anew, and the others stay the same things."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec.structs import replace

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexp.wire.metrics import Estimate
from runexp.wire.states import Phase, PhaseState, Stage
from runexp.wire.views import AttemptView, JobView
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment
from runexpd.core.steps import forecast, prepare, submit
from runexpd.core.when.forecast import Forecast

NOTHING = Forecast()


class Drawn(NamedTuple):
    """A job's view, and all that it was made of."""

    job: Job
    detail: str
    progress: Progress | None
    expected_start_at: float | None
    begins: Estimate | None
    ends: Estimate | None
    view: JobView


def draw(
    e: Experiment,
    typed: str,
    jobs: Iterable[Job],
    progress: Mapping[str, Progress] | None = None,
    starts: Mapping[str, float] | None = None,
    before: Mapping[str, Drawn] | None = None,
    estimates: Forecast = NOTHING,
) -> dict[str, Drawn]:
    """Jobs of an experiment, by id. By token: `progress`, and when the scheduler expects to start it (`starts`).

    `typed` is what names the experiment on a command line, `before` what was drawn of it last.
    """
    barrier, known = _barrier(e), before or {}
    drawn = {}
    for job in jobs:
        made, expected = _how_far(job, progress or {}, starts or {})
        detail = _detail(e, job, typed, barrier)
        last = known.get(job.spec.id)
        begins, ends = estimates.begins.get(job.spec.id), estimates.ends.get(job.spec.id)
        if last is None or last.job is not job or last[1:6] != (detail, made, expected, begins, ends):
            view = _view(job, detail, made, expected)
            if begins is not None or ends is not None:
                view = replace(view, begins=begins, ends=ends)
            last = Drawn(job, detail, made, expected, begins, ends, view)
        drawn[job.spec.id] = last
    return drawn


def shown_state(job: Job) -> str:
    """The word for it: one that was asked to end, and hasn't yet, is CANCELLING."""
    return states.CANCELLING if job.cancel_asked and job.stage in states.UNDER_WAY else job.state


def shown_attempt(job: Job) -> Attempt | None:
    """The attempt that its state is of; none for a job that waits to go again, or whose results are nobody's attempt."""
    of_none = (Stage.PLANNED, Stage.SKIPPED, Stage.MENDING, Stage.SETTING_ASIDE)
    if job.stage in of_none or (job.stage is Stage.VERIFIED and job.proof is None and not job.accepted):
        return None
    return job.attempt


def _how_far(
    job: Job, progress: Mapping[str, Progress], starts: Mapping[str, float]
) -> tuple[Progress | None, float | None]:
    attempt = shown_attempt(job)
    if attempt is None:
        return None, None
    made = progress.get(attempt.token) if job.stage is Stage.QUEUED else None
    return made, starts.get(attempt.token) if job.state == states.PENDING else None


def _view(job: Job, detail: str, progress: Progress | None, expected_start_at: float | None) -> JobView:
    attempt = shown_attempt(job)
    return JobView(
        id=job.spec.id,
        phase=job.spec.phase,
        tool=job.spec.tool,
        run=job.spec.run,
        task=job.spec.task,
        epoch=job.spec.epoch,
        stage=job.stage,
        state=shown_state(job),
        detail=detail,
        slurm_job_id=attempt.slurm_job_id if attempt else None,
        started_at=attempt.started_at if attempt else None,
        ended_at=attempt.ended_at if attempt else None,
        script=job.spec.script,
        workdir=job.spec.workdir,
        output=job.attempt.output if job.attempt else None,
        failure=job.failure,
        artifacts=job.artifacts,
        scores=job.scores,
        warnings=job.warnings,
        resources=job.resources,
        label=job.spec.label,
        mended=job.mended,
        attempts=tuple(_attempt(a) for a in job.attempts),
        progress=progress,
        expected_start_at=expected_start_at,
        retired=job.retired,
        health=attempt.health if attempt else (),
        limit_at=_limit_at(job, attempt),
        changes=job.changes,
        kept=job.kept,
    )


def _limit_at(job: Job, attempt: Attempt | None) -> float | None:
    if attempt is None or attempt.started_at is None or job.stage is not Stage.QUEUED:
        return None
    limit = attempt.spec.time_limit_seconds
    return None if limit is None else attempt.started_at + limit


def _barrier(e: Experiment) -> str:
    if not e.jobs.in_stages(frozenset({Stage.IN_DOUBT})):
        return "waits for the barrier"
    unclear = [job.spec.id for job in e.of(Phase.OPTIMIZATION) if job.stage is Stage.IN_DOUBT]
    return "waits for the barrier" + (f": {', '.join(unclear)} unclear" if unclear else "")


def _detail(e: Experiment, job: Job, typed: str, barrier: str) -> str:
    if job.stage is Stage.IN_DOUBT and not job.retired:
        return f"{job.detail}; {forecast.ways_out(typed, job, forecast.missing(e, job))}"
    return job.detail or "; ".join(filter(None, (_waiting(e, job, barrier), job.why)))


def _waiting(e: Experiment, job: Job, barrier: str) -> str:
    """Why a job that isn't over has got no further."""
    if job.retired:
        return "the scaffold no longer has it"
    if job.stage is Stage.PLANNED:
        if submit.may_go(e, job):
            return prepare.waiting(e, job) or "waits for its turn"
        return barrier if e.phase(job.spec.phase) is PhaseState.WAITING else "waits for its run"
    if job.stage is Stage.SETTING_ASIDE:
        return "its old results are being moved aside"
    if job.attempt and job.stage in (Stage.UNCLEAR, Stage.QUEUED):
        return job.attempt.reason or ""
    return "results are being verified" if job.stage is Stage.ENDED else ""


def _attempt(a: Attempt) -> AttemptView:
    return AttemptView(
        number=a.number,
        token=a.token,
        slurm_job_id=a.slurm_job_id,
        state=a.state,
        exit_code=a.exit_code,
        submitted_at=a.accepted_at,
        started_at=a.started_at,
        ended_at=a.ended_at,
        usage=a.usage,
        recipe=a.recipe,
        resumed_from=a.resume.path if a.resume else "",
    )
