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
from runexpd.core.state import Attempt, Experiment, Job
from runexpd.core.steps import submit


def line(e: Experiment) -> ExperimentLine:
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
        counts=dict(Counter(job.state for job in e.jobs.values())),
    )


def view(
    e: Experiment, progress: Mapping[str, Progress], starts: Mapping[str, float], trouble: str = ""
) -> ExperimentView:
    """All there is to see of an experiment. By token: `progress`, and when the scheduler expects to start it (`starts`).

    `trouble` is what hinders its cluster.
    """
    return ExperimentView(
        id=e.id,
        name=e.name,
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
        jobs=tuple(_job(e, job, progress, starts) for job in e.jobs.values()),
        warnings=e.warnings,
        trouble=trouble if e.outcome is None else "",
    )


def report(e: Experiment) -> Report:
    """The combined summary."""
    optimization, evaluation = _phase(e, Phase.OPTIMIZATION), _phase(e, Phase.EVALUATION)
    return Report(
        id=e.id,
        name=e.name,
        dir=e.dir,
        cluster=e.cluster,
        outcome=e.outcome,
        optimization=optimization,
        evaluation=evaluation,
        total_seconds=_span(tuple(e.jobs.values())),
        log=e.logs.get("experiment", ""),
        next_steps=tuple(_next_steps(e)),
        warnings=e.warnings,
    )


def _job(e: Experiment, job: Job, progress: Mapping[str, Progress], starts: Mapping[str, float]) -> JobView:
    attempt = job.attempt
    return JobView(
        id=job.spec.id,
        phase=job.spec.phase,
        tool=job.spec.tool,
        run=job.spec.run,
        task=job.spec.task,
        epoch=job.spec.epoch,
        stage=job.stage,
        state=job.state,
        detail=job.detail or _waiting(e, job),
        slurm_job_id=attempt.slurm_job_id if attempt else None,
        started_at=attempt.started_at if attempt else None,
        ended_at=attempt.ended_at if attempt else None,
        script=job.spec.script,
        workdir=job.spec.workdir,
        output=attempt.output if attempt else None,
        failure=job.failure,
        artifacts=job.artifacts,
        scores=job.scores,
        warnings=job.warnings,
        attempts=tuple(_attempt(a) for a in job.attempts),
        progress=progress.get(attempt.token) if attempt and job.stage is Stage.QUEUED else None,
        expected_start_at=starts.get(attempt.token) if attempt and job.state == states.PENDING else None,
    )


def _waiting(e: Experiment, job: Job) -> str:
    """Why a job that isn't over has got no further."""
    if job.stage is Stage.PLANNED:
        if submit.may_go(e, job):
            return "waits for its turn"
        return (
            "waits for the barrier" if e.phase(job.spec.phase) is PhaseState.WAITING else "waits for its run"
        )
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


def _phase(e: Experiment, phase: Phase) -> PhaseReport:
    jobs = e.of(phase)
    return PhaseReport(
        phase=phase,
        tool=e.tools.get(phase, ""),
        state=e.phase(phase),
        succeeded=sum(job.stage is Stage.VERIFIED for job in jobs),
        total=len(jobs),
        duration_seconds=_span(jobs),
        jobs=tuple(_job(e, job, {}, {}) for job in jobs),
        log=e.logs.get(phase, ""),
    )


def _span(jobs: tuple[Job, ...]) -> float | None:
    """From the first submission to the last end, of each job's newest attempt."""
    attempts = [job.attempt for job in jobs if job.attempt]
    begun = [a.accepted_at for a in attempts if a.accepted_at is not None]
    ended = [a.ended_at for a in attempts if a.ended_at is not None]
    return max(0.0, max(ended) - min(begun)) if begun and ended else None


def _next_steps(e: Experiment) -> list[str]:
    steps = []
    if any(job.stage is Stage.FAILED for job in e.jobs.values()) and e.outcome is not Outcome.SUCCEEDED:
        steps.append(
            f"Mend what failed (its output: runexp logs {e.typed} JOB), then: runexp retry {e.typed}"
        )
    elif e.outcome is Outcome.CANCELLED:
        steps.append(f"Go on with what was cancelled: runexp retry {e.typed}")
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
