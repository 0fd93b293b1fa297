"""What a tool's verdict makes of an ended job. One that is unclear submits nothing, and is never taken for bad by itself."""

from collections.abc import Iterator

from msgspec.structs import replace

from runexp.wire import events
from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, Finding, Verdict
from runexp.wire.states import Stage
from runexpd.core.job import Job
from runexpd.core.observations import Judged
from runexpd.core.state import Experiment, State
from runexpd.core.steps import submit

OUTDATED = Failure(FailureKind.OUTDATED, "scored before its model was trained anew")


def on_judged(state: State, judged: Judged) -> Iterator[events.Event]:
    """A verdict counts once, and only for the attempt that it is about."""
    job = submit.find(state, judged.experiment, judged.job, judged.token)
    if job is None or job.stage is not Stage.ENDED:
        return
    if judged.final:
        verdict = _of_given_up(job, judged.verdict)
        if verdict.finding is Finding.GOOD and _is_outdated(state.experiments[judged.experiment], job):
            verdict = replace(verdict, finding=Finding.BAD, failure=OUTDATED)
        yield meaning(judged.job, judged.token, verdict)
    elif job.detail != judged.verdict.detail:
        yield events.ResultAwaited(job=judged.job, token=judged.token, detail=judged.verdict.detail)


def _is_outdated(experiment: Experiment, job: Job) -> bool:
    """Whether the model that it scored has been trained anew since, as far as it is known which that was."""
    models = job.attempt.models if job.attempt else ()
    newest = (each.attempt for each in submit.trainings_of(experiment, job.spec.run))
    return bool(models) and any(each is not None and each.token not in models for each in newest)


def _of_given_up(job: Job, verdict: Verdict) -> Verdict:
    """What was ended since it stood still failed of that."""
    why = job.attempt.given_up if job.attempt else ""
    if not why or verdict.finding is not Finding.BAD:
        return verdict
    return replace(
        verdict,
        failure=Failure(FailureKind.STALLED, f"{why}: ended, as --on-stall cancel has it"),
        remedy=None,
        resume=None,
    )


def meaning(
    job: str, token: str | None, verdict: Verdict
) -> events.ResultVerified | events.ResultRejected | events.ResultUnclear:
    """What a verdict says for good: evidence that never came to light is a failure, where it says which."""
    if verdict.finding is Finding.GOOD:
        return events.ResultVerified(
            job=job,
            token=token,
            detail=verdict.detail,
            artifacts=verdict.artifacts,
            scores=verdict.scores,
            warnings=verdict.warnings,
            resources=verdict.resources,
        )
    if verdict.finding is Finding.UNCLEAR and verdict.failure is None:
        return events.ResultUnclear(
            job=job,
            token=token,
            detail=verdict.detail,
            artifacts=verdict.artifacts,
            warnings=verdict.warnings,
        )
    return events.ResultRejected(
        job=job,
        token=token,
        failure=verdict.failure or Failure(FailureKind.UNKNOWN, verdict.detail),
        remedy=verdict.remedy,
        resume=verdict.resume,
        warnings=verdict.warnings,
        resources=verdict.resources,
    )
