"""What an event makes of the job that it is about. A part of the one fold: see apply."""

from sys import intern
from typing import Any, assert_never

from msgspec.structs import replace

from runexp.wire import events, states
from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure
from runexp.wire.metrics import Health
from runexp.wire.states import Stage
from runexpd.core.job import Attempt, Job
from runexpd.core.lifecycle import IllegalTransition, next_stage

Known = events.SubmitAccepted | events.SubmitRefused | events.SubmitUnclear
Seen = events.StateChanged | events.JobEnded
Doing = events.ConcernRaised | events.ConcernWithdrawn | events.JobGivenUp
Found = (
    events.ResultAwaited
    | events.ResultVerified
    | events.ResultRejected
    | events.ResultUnclear
    | events.ResultAccepted
)
Recipes = events.RecipeRecorded | events.ChangeSeen
Retried = events.MendIntended | events.Mended | events.MendRefused | events.JobRequeued | events.JobResumed
Anew = events.AsideIntended | events.ResultsSetAside | events.AsideRefused


def happened(
    job: Job,
    event: events.AttemptIntended
    | events.JobAdopted
    | Known
    | Seen
    | Doing
    | Found
    | Retried
    | Recipes
    | Anew
    | events.JobSkipped,
    at: float,
) -> Job:
    """The job after it, at a time in seconds since 1970. Raises IllegalTransition."""
    match event:
        case events.AttemptIntended():
            attempt = _intended(job, event, at)
            fresh = replace(blank(job), why=job.why)
            return restage(fresh, event, state=states.SUBMITTING, attempts=(*job.attempts, attempt))
        case events.JobAdopted():
            return _adopted(job, event, at)
        case events.SubmitAccepted() | events.SubmitRefused() | events.SubmitUnclear():
            return _answered(job, event, at)
        case events.StateChanged() | events.JobEnded():
            return _seen(job, event)
        case events.ConcernRaised() | events.ConcernWithdrawn() | events.JobGivenUp():
            return _doing(job, event, at)
        case (
            events.ResultAwaited()
            | events.ResultVerified()
            | events.ResultRejected()
            | events.ResultUnclear()
            | events.ResultAccepted()
        ):
            return _found(job, event)
        case events.RecipeRecorded() | events.ChangeSeen():
            return _of_recipe(job, event)
        case events.JobSkipped():
            return restage(job, event, state=states.SKIPPED, detail=event.reason)
        case _:
            return _once_more(job, event)


def _intended(job: Job, event: events.AttemptIntended, at: float) -> Attempt:
    return Attempt(number=event.number, token=event.token, spec=job.spec, intended_at=at, resume=job.resume)


def _adopted(job: Job, event: events.JobAdopted, at: float) -> Job:
    attempt = Attempt(
        number=event.number,
        token=event.token,
        spec=job.spec,
        intended_at=at,
        mark=event.mark,
        accepted_at=at,
        slurm_job_id=event.slurm_job_id,
        state=states.PENDING,
        output=event.output or None,
    )
    detail = f"adopted: job {event.slurm_job_id}, submitted by somebody else, runs its script"
    fresh = replace(blank(job), detail=detail, attempts=(*job.attempts, attempt))
    return restage(fresh, event, state=states.PENDING)


def _answered(job: Job, event: Known, at: float) -> Job:
    match event:
        case events.SubmitAccepted():
            known = {"slurm_job_id": event.slurm_job_id, "output": event.output or None, "accepted_at": at}
            return _reattempt(job, event, state=states.PENDING, reason=None, **known)
        case events.SubmitRefused():
            after = _reattempt(job, event, state=states.SUBMIT_FAILED, reason=event.error, ended_at=at)
            return replace(
                after, failure=Failure(FailureKind.SUBMIT_REFUSED, event.error), detail=event.error
            )
        case events.SubmitUnclear():
            return _reattempt(job, event, state=states.SUBMITTING, reason=event.reason)


def put_off(job: Job, event: events.SubmitDeferred) -> Job:
    """As if it had not been sent; its token is used up."""
    known = {
        "detail": event.reason,
        "attempts": job.attempts[:-1],
        "resume": _same_attempt(job, event.token).resume,
        "put_off_until": event.until if event.alone else 0.0,
    }
    return restage(job, event, state=states.PLANNED, **known)


def _seen(job: Job, event: Seen) -> Job:
    """Slurm's words are few: each is held once."""
    told = {"output": event.output, "error": event.error}
    places = {name: path for name, path in told.items() if path}
    known = {"state": intern(event.state), "started_at": event.started_at, **places}
    if isinstance(event, events.StateChanged):
        return _reattempt(job, event, reason=event.reason and intern(event.reason), **known)
    ended = {"exit_code": intern(event.exit_code), "ended_at": event.ended_at}
    return _reattempt(job, event, reason=None, usage=event.usage, health=(), **ended, **known)


def _doing(job: Job, event: Doing, at: float) -> Job:
    attempt = _same_attempt(job, event.token)
    if isinstance(event, events.JobGivenUp):
        return _reattempt(job, event, given_up=event.reason)
    others = tuple(each for each in attempt.health if each.concern is not event.concern)
    if isinstance(event, events.ConcernWithdrawn):
        return _reattempt(job, event, health=others)
    raised = Health(concern=event.concern, since_at=at, what=event.what, hint=event.hint)
    return _reattempt(job, event, health=(*others, raised))


def _found(job: Job, event: Found) -> Job:
    match event:
        case events.ResultAwaited():
            return restage(job, event, detail=event.detail)
        case events.ResultVerified():
            return _verified(job, event)
        case events.ResultRejected():
            return _rejected(job, event)
        case events.ResultUnclear():
            found = {"detail": event.detail, "artifacts": event.artifacts, "warnings": event.warnings}
            return restage(blank(job), event, state=states.UNCLEAR, **found)
        case events.ResultAccepted():
            detail = f"taken as it is; it was {job.state}: {job.detail}"
            return restage(job, event, state=states.VERIFIED, accepted=True, failure=None, detail=detail)


def _verified(job: Job, event: events.ResultVerified) -> Job:
    if job.stage is Stage.VERIFIED:  # by the same attempt, of the same recipe
        found = {"detail": event.detail, "artifacts": event.artifacts, "warnings": event.warnings}
        return restage(job, event, **found)
    return restage(
        blank(job),
        event,
        state=states.VERIFIED,
        proof=event.token,
        detail=event.detail,
        artifacts=event.artifacts,
        scores=event.scores,
        warnings=event.warnings,
        resources=event.resources,
    )


def _rejected(job: Job, event: events.ResultRejected) -> Job:
    ended_well = job.state in (states.COMPLETED, states.VERIFIED, states.UNCLEAR)
    return restage(
        blank(job),
        event,
        state=states.UNVERIFIED if ended_well else job.state,
        detail=event.failure.message,
        failure=event.failure,
        remedy=event.remedy,
        resume=event.resume,
        warnings=event.warnings,
        resources=event.resources,
    )


def _once_more(job: Job, event: Retried | Anew) -> Job:
    match event:
        case events.AsideIntended() | events.ResultsSetAside() | events.AsideRefused():
            return _anew(job, event)
        case (
            events.MendIntended()
            | events.Mended()
            | events.MendRefused()
            | events.JobRequeued()
            | events.JobResumed()
        ):
            return _retried(job, event)
        case _:
            assert_never(event)


def _retried(job: Job, event: Retried) -> Job:
    match event:
        case events.MendIntended():
            return restage(job, event, mends=event.number, detail=event.remedy.summary)
        case events.Mended():
            return restage(job, event, state=states.PLANNED, mended=(*job.mended, job.detail))
        case events.MendRefused():
            return restage(job, event, remedy=None, detail=f"{job.detail}: {event.reason}")
        case events.JobRequeued():
            return restage(job, event, state=states.PLANNED, requeues=event.number, detail=event.reason)
        case events.JobResumed():
            return restage(
                job, event, state=states.PLANNED, resumes=event.number, detail=event.reason, warnings=()
            )


def _of_recipe(job: Job, event: Recipes) -> Job:
    if isinstance(event, events.ChangeSeen):
        return replace(job, changes=event.changes, kept=event.kept)
    if event.token is None:
        return replace(job, recipe=event.recipe)
    sent = (
        replace(a, recipe=event.recipe, models=event.models) if a.token == event.token else a
        for a in job.attempts
    )
    return replace(job, attempts=tuple(sent))


def _anew(job: Job, event: Anew) -> Job:
    match event:
        case events.AsideIntended():
            return restage(job, event, aside=event.paths, asides=event.number)
        case events.ResultsSetAside():
            return restage(job, event, aside=())
        case events.AsideRefused():
            detail = f"its old results can't be moved aside: {event.reason}"
            failure = Failure(FailureKind.NOT_SET_ASIDE, detail)
            return restage(job, event, state=states.UNVERIFIED, aside=(), detail=detail, failure=failure)


def blank(job: Job) -> Job:
    """Without what was found at an earlier look."""
    return replace(
        job,
        detail="",
        why="",
        proof=None,
        accepted=False,
        failure=None,
        remedy=None,
        resume=None,
        artifacts=(),
        scores=(),
        warnings=(),
        recipe="",
        changes=(),
        kept=False,
        put_off_until=0.0,
        resources=None,
    )


def restage(job: Job, event: events.Event, **changes: Any) -> Job:
    return replace(job, stage=next_stage(job.stage, type(event)), **changes)


def _reattempt(job: Job, event: Any, **changes: Any) -> Job:
    """Change the newest attempt, and let the job show its state."""
    attempt = replace(_same_attempt(job, event.token), **changes)
    return restage(job, event, state=attempt.state, attempts=(*job.attempts[:-1], attempt))


def _same_attempt(job: Job, token: str) -> Attempt:
    if job.attempt is None or job.attempt.token != token:
        raise IllegalTransition(f"token {token} is not the newest of job {job.spec.id}")
    return job.attempt
