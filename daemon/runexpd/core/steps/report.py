"""From the state to what is shown: views, and the combined summary of the end."""

import shlex
from collections import Counter
from collections.abc import Mapping
from posixpath import dirname

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexp.wire.views import (
    AttemptView,
    ExperimentLine,
    ExperimentView,
    JobView,
    PhaseReport,
    Report,
)
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment
from runexpd.core.steps import forecast, submit


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
        counts=dict(Counter(shown_state(job) for job in e.current)),
        trouble=trouble,
    )


def view(
    e: Experiment,
    typed: str,
    progress: Mapping[str, Progress],
    starts: Mapping[str, float],
    trouble: str = "",
) -> ExperimentView:
    """All there is to see of an experiment. By token: `progress`, and when the scheduler expects to start it (`starts`).

    `typed` is what names it on a command line, `trouble` what hinders it.
    """
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
        jobs=tuple(
            _job(e, job, typed, progress, starts) for job in e.jobs.values() if _is_worth_showing(job)
        ),
        warnings=e.warnings,
        trouble=trouble if e.outcome is None else "",
    )


def report(e: Experiment, typed: str) -> Report:
    """The combined summary; `typed` is what names it on a command line."""
    optimization, evaluation = (_phase(e, phase, typed) for phase in Phase)
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
        retired=tuple(_job(e, job, typed, {}, {}) for job in e.jobs.values() if job.retired and job.attempts),
        warnings=e.warnings,
    )


def _is_worth_showing(job: Job) -> bool:
    """One that the scaffold no longer has is shown for what ran of it."""
    return not job.retired or bool(job.attempts)


def shown_state(job: Job) -> str:
    """The word for it: one that was asked to end, and hasn't yet, is CANCELLING."""
    return states.CANCELLING if job.cancel_asked and job.stage in states.UNDER_WAY else job.state


def shown_attempt(job: Job) -> Attempt | None:
    """The attempt that its state is of; none for a job that waits to go again, or whose results are nobody's attempt."""
    of_none = (Stage.PLANNED, Stage.SKIPPED, Stage.MENDING)
    if job.stage in of_none or (job.stage is Stage.VERIFIED and job.proof is None and not job.accepted):
        return None
    return job.attempt


def _job(
    e: Experiment, job: Job, typed: str, progress: Mapping[str, Progress], starts: Mapping[str, float]
) -> JobView:
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
        detail=_detail(e, job, typed),
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
        attempts=tuple(_attempt(a) for a in job.attempts),
        progress=progress.get(attempt.token) if attempt and job.stage is Stage.QUEUED else None,
        expected_start_at=starts.get(attempt.token) if attempt and job.state == states.PENDING else None,
        retired=job.retired,
    )


def _detail(e: Experiment, job: Job, typed: str) -> str:
    if job.stage is Stage.IN_DOUBT and not job.retired:
        return f"{job.detail}; {forecast.ways_out(typed, job, forecast.missing(e, job))}"
    return job.detail or _waiting(e, job)


def _waiting(e: Experiment, job: Job) -> str:
    """Why a job that isn't over has got no further."""
    if job.retired:
        return "the scaffold no longer has it"
    if job.stage is Stage.PLANNED:
        if submit.may_go(e, job):
            return "waits for its turn"
        unclear = [j.spec.id for j in e.of(Phase.OPTIMIZATION) if j.stage is Stage.IN_DOUBT]
        barrier = "waits for the barrier" + (f": {', '.join(unclear)} unclear" if unclear else "")
        return barrier if e.phase(job.spec.phase) is PhaseState.WAITING else "waits for its run"
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
    )


def _phase(e: Experiment, phase: Phase, typed: str) -> PhaseReport:
    jobs = e.of(phase)
    return PhaseReport(
        phase=phase,
        tool=e.tools.get(phase, ""),
        state=e.phase(phase),
        succeeded=sum(job.stage is Stage.VERIFIED for job in jobs),
        total=len(jobs),
        duration_seconds=_span(jobs),
        jobs=tuple(_job(e, job, typed, {}, {}) for job in jobs),
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
    if e.outcome is Outcome.CANCELLED:
        steps.append(f"Go on with what was cancelled: runexp retry {typed}")
    elif any(job.stage is Stage.FAILED for job in e.current) and e.outcome is not Outcome.SUCCEEDED:
        steps.append(f"Mend what failed (its output: runexp logs {typed} JOB), then: runexp retry {typed}")
    elif _left_to_evaluate(e):
        place = e.dir if e.cluster == "local" else f"{e.cluster}:{e.dir}"
        steps.append(f"Evaluate what was trained: runexp run {shlex.quote(place)}")
    logs = sorted({dirname(path) for job in e.of(Phase.EVALUATION) for path in job.artifacts})
    if logs:
        steps.append(
            f"View the evaluation logs: inspect view --log-dir {shlex.quote(logs[0] if len(logs) == 1 else e.dir)}"
        )
        steps.append(f"Export one as JSON: inspect log dump {shlex.quote(_first_log(e))}")
    steps.append(f"Analyze the results as {e.dir}/experiment_summary.yaml describes them")
    return steps


def _left_to_evaluate(e: Experiment) -> bool:
    return e.policy.optimize_only and any(job.state == states.SKIPPED for job in e.of(Phase.EVALUATION))


def _first_log(e: Experiment) -> str:
    return next(path for job in e.of(Phase.EVALUATION) for path in job.artifacts)
