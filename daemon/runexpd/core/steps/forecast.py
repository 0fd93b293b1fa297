"""What the ledger would do next with each job: `runexp plan`, on a state that `run` was tried on."""

import shlex
from collections.abc import Iterator

from runexp.wire.states import Phase, PhaseState, Stage
from runexp.wire.views import PlanLine
from runexpd.core.job import Job
from runexpd.core.state import Experiment
from runexpd.core.steps import submit


def lines(before: Experiment | None, after: Experiment, typed: str) -> Iterator[PlanLine]:
    """A line a job. `before`: the experiment as the ledger has it; `typed`: what names it on a command line."""
    for job in after.current:
        decision, reason = _decision(after, job, typed)
        yield _line(job, decision, reason)
    retired_before = {job.spec.id for job in before.jobs.values() if job.retired} if before else set()
    for job in after.jobs.values():
        if job.retired and job.spec.id not in retired_before:
            yield _line(job, "retire", "the scaffold no longer has it; what runs of it is watched to its end")


def _line(job: Job, decision: str, reason: str) -> PlanLine:
    spec = job.spec
    return PlanLine(job=spec.id, phase=spec.phase, decision=decision, reason=reason, script=spec.script)


def _decision(experiment: Experiment, job: Job, typed: str) -> tuple[str, str]:
    models = missing(experiment, job)
    match job.stage:
        case Stage.VERIFIED if job.changes and not job.kept:
            anew = f"runexp rerun {typed} {shlex.quote(job.spec.id)}"
            return "changed", f"{'; '.join(job.changes)}; `{anew}` makes it anew"
        case Stage.VERIFIED:
            return "skip", f"done: {job.detail}"
        case Stage.SKIPPED:
            return "blocked", job.detail
        case Stage.FAILED:
            return "blocked", f"failed before: {job.detail}; `{retry(typed, job, models)}` submits it again"
        case Stage.IN_DOUBT:
            return "blocked", f"unclear: {job.detail}; {ways_out(typed, job, models)}"
        case Stage.QUEUED | Stage.ENDED | Stage.UNCLEAR | Stage.MENDING:
            return "skip", f"under way: {job.detail or job.state}"
        case Stage.PLANNED | Stage.SUBMITTING | Stage.SETTING_ASIDE:
            return "submit", _waits_for(experiment, job)


def retry(typed: str, job: Job, models: tuple[str, ...] = ()) -> str:
    """The command that has a job made anew; with it its `models`, where they are missing."""
    return " ".join(["runexp retry", typed, *(shlex.quote(id) for id in (*models, job.spec.id))])


def ways_out(typed: str, job: Job, models: tuple[str, ...] = ()) -> str:
    """What a person can do about a job in doubt."""
    accept = f"runexp accept {typed} {shlex.quote(job.spec.id)}"
    return f"`{accept}` takes it as it is, `{retry(typed, job, models)}` makes it anew"


def missing(experiment: Experiment, job: Job) -> tuple[str, ...]:
    """The trainings without which an evaluation can't be made anew."""
    before = submit.trainings_of(experiment, job.spec.run) if job.spec.phase is Phase.EVALUATION else ()
    return tuple(trained.spec.id for trained in before if trained.stage in (Stage.FAILED, Stage.SKIPPED))


def _waits_for(experiment: Experiment, job: Job) -> str:
    if job.spec.phase is Phase.OPTIMIZATION:
        return job.why or "not done yet"
    if experiment.evaluation is not PhaseState.WAITING or experiment.optimization is PhaseState.CLOSED:
        return "not done yet"
    return "once the optimization barrier clears"
