"""The blocks of what happens to one job. Pure."""

from collections.abc import Callable, Iterator
from typing import assert_never

from runexp import report as summary
from runexp.wire import events, states
from runexp.wire.jobs import Usage
from runexp.wire.states import Phase
from runexpd.core.job import Job
from runexpd.core.steps import forecast
from runexpd.experiments.actions import Action
from runexpd.experiments.blocks import EXPERIMENT, Block

Answered = (
    events.JobAdopted
    | events.SubmitAccepted
    | events.SubmitRefused
    | events.SubmitDeferred
    | events.SubmitUnclear
)
Doing = events.ConcernRaised | events.ConcernWithdrawn | events.JobGivenUp
#: Of one job, with something to say.
OfJob = (
    Answered
    | events.StateChanged
    | events.JobEnded
    | Doing
    | events.ResultAwaited
    | events.ResultVerified
    | events.ResultUnclear
    | events.ResultAccepted
    | events.ResultRejected
    | events.MendIntended
    | events.MendRefused
    | events.JobRequeued
    | events.JobResumed
    | events.JobSkipped
    | events.ChangeSeen
    | events.AsideIntended
    | events.AsideRefused
)


def of_job(before: Job, event: OfJob, after: Job, typed: Callable[[], str]) -> Iterator[Block]:
    """The blocks of an event, from what it changed; `typed` is what names the experiment on a command line."""
    match event:
        case (
            events.JobAdopted()
            | events.SubmitAccepted()
            | events.SubmitRefused()
            | events.SubmitDeferred()
            | events.SubmitUnclear()
        ):
            yield from _answered(event, after)
        case events.StateChanged() | events.JobEnded():
            yield from _seen(before, event, after)
        case events.ConcernRaised() | events.ConcernWithdrawn() | events.JobGivenUp():
            yield _doing(event, after)
        case events.ResultAwaited() | events.ResultVerified() | events.ResultUnclear():
            yield from _found(event, after, typed)
        case events.ResultRejected():
            yield from _rejected(event, after)
        case events.MendIntended() | events.MendRefused() | events.JobRequeued() | events.JobResumed():
            yield _retried(event, after)
        case events.ResultAccepted() | events.ChangeSeen():
            yield _decided(before, event)
        case events.AsideIntended() | events.AsideRefused() | events.JobSkipped():
            yield _not_yet(before, event)
        case _:
            assert_never(event)


def _seen(before: Job, event: events.StateChanged | events.JobEnded, after: Job) -> Iterator[Block]:
    if before.state != event.state:
        yield _state_change(before, event, after)
    if isinstance(event, events.JobEnded) and event.started_at is not None:
        elapsed_seconds = max(0.0, event.ended_at - event.started_at)
        yield _utilization(elapsed_seconds, event.usage or Usage(), after)


def _answered(event: Answered, job: Job) -> Iterator[Block]:
    phase, id, command = job.spec.phase, job.spec.id, f"sbatch {job.spec.script}"
    action = Action.SUBMIT_JOB if _trains(job) else Action.SUBMIT_EVAL
    match event:
        case events.JobAdopted():
            adopted = "by somebody else: adopted, and watched on"
            yield Block(phase, action, id, command, adopted, event.slurm_job_id)
        case events.SubmitAccepted():
            yield Block(phase, action, id, command, "submitted", event.slurm_job_id)
        case events.SubmitRefused():
            yield Block(phase, Action.SUBMIT_FAILED, id, command, event.error)
            yield _error(job)
        case events.SubmitDeferred():
            yield Block(phase, Action.SUBMIT_DEFERRED, id, event.reason, "tried again later")
        case events.SubmitUnclear():
            yield Block(
                phase, Action.SUBMIT_UNCLEAR, id, event.reason, "being found out; not submitted again"
            )
        case _:
            assert_never(event)


def _doing(event: Doing, job: Job) -> Block:
    id = job.spec.id
    match event:
        case events.ConcernRaised():
            return Block(
                EXPERIMENT,
                Action(f"HEALTH_{event.concern.upper()}"),
                id,
                event.what,
                event.hint or "watched on",
            )
        case events.ConcernWithdrawn():
            return Block(EXPERIMENT, Action(f"HEALTH_{event.concern.upper()}"), id, "a look at it", "over")
        case events.JobGivenUp():
            return Block(
                EXPERIMENT, Action.CANCEL_STALLED, id, event.reason, "ended, as --on-stall cancel has it"
            )
        case _:
            assert_never(event)


def _found(
    event: events.ResultAwaited | events.ResultVerified | events.ResultUnclear,
    job: Job,
    typed: Callable[[], str],
) -> Iterator[Block]:
    phase, id, action = (
        job.spec.phase,
        job.spec.id,
        Action.VERIFY_CHECKPOINTS if _trains(job) else Action.VERIFY_EVAL,
    )
    match event:
        case events.ResultAwaited():
            later = f"not to be seen yet, looked for again: {event.detail}"
            yield Block(phase, action, id, f"job is {job.state}", later)
        case events.ResultVerified():
            known = "" if event.token else "done before: "
            yield Block(phase, action, id, _paths(event), f"{known}{event.detail}{_warnings(event)}")
            yield from _resources(event, job)
        case events.ResultUnclear():
            ways = forecast.ways_out(typed(), job)
            yield Block(
                phase, action, id, _paths(event), f"unclear: {event.detail}{_warnings(event)}; {ways}"
            )
            yield Block(EXPERIMENT, Action.UNCLEAR, id, event.detail, ways)
        case _:
            assert_never(event)


def _paths(event: events.ResultVerified | events.ResultUnclear) -> str:
    return ", ".join(event.artifacts) or "no files"


def _warnings(event: events.ResultVerified | events.ResultUnclear) -> str:
    return "".join(f"; warning: {warning}" for warning in event.warnings)


def _rejected(event: events.ResultRejected, job: Job) -> Iterator[Block]:
    phase, id = job.spec.phase, job.spec.id
    action = Action.VERIFY_EVAL
    if _trains(job):
        action = Action.CHECKPOINT_MISSING if job.state == states.UNVERIFIED else Action.VERIFY_FINETUNING
    yield Block(phase, action, id, f"{event.failure.kind}, {job.state}", event.failure.message)
    yield from _resources(event, job)
    yield _error(job)


def _retried(
    event: events.MendIntended | events.MendRefused | events.JobRequeued | events.JobResumed, job: Job
) -> Block:
    phase, id = job.spec.phase, job.spec.id
    match event:
        case events.MendIntended():
            tries = f"retry {event.number} of {event.limit}, {event.remedy.file}"
            return Block(phase, Action.OOM_RETRY, id, tries, event.remedy.summary)
        case events.MendRefused():
            return Block(phase, Action.OOM_EXHAUSTED, id, "its config was left as it is", event.reason)
        case events.JobRequeued():
            return Block(phase, Action.NODE_RETRY, id, f"retry {event.number} of {event.limit}", event.reason)
        case events.JobResumed():
            tries = f"retry {event.number} of {event.limit}, from {event.path}"
            return Block(phase, Action.EVAL_RESUME, id, tries, event.reason)
        case _:
            assert_never(event)


def _decided(job: Job, event: events.ResultAccepted | events.ChangeSeen) -> Block:
    if isinstance(event, events.ResultAccepted):
        was = f"{job.state}: {job.detail}" if job.detail else job.state
        return Block(EXPERIMENT, Action.ACCEPT, job.spec.id, was, "a person takes its results as they are")
    if not event.changes:
        return Block(
            EXPERIMENT, Action.RECIPE_CHANGED, job.spec.id, "as its results were made", "no longer changed"
        )
    said = "its results are kept" if event.kept else "its results stay until a person decides"
    return Block(EXPERIMENT, Action.RECIPE_CHANGED, job.spec.id, "; ".join(event.changes), said)


def _not_yet(job: Job, event: events.AsideIntended | events.AsideRefused | events.JobSkipped) -> Block:
    phase, id = job.spec.phase, job.spec.id
    match event:
        case events.AsideIntended():
            return Block(
                phase, Action.SET_ASIDE, id, ", ".join(event.paths), "moved aside before it is made anew"
            )
        case events.AsideRefused():
            return Block(
                phase, Action.SET_ASIDE, id, "left where they are: nothing is submitted", event.reason
            )
        case events.JobSkipped():
            action = Action.SKIP_JOB if _trains(job) else Action.SKIP_EVAL
            return Block(phase, action, id, "not submitted", event.reason)


def _trains(job: Job) -> bool:
    return job.spec.phase is Phase.OPTIMIZATION


def _state_change(before: Job, event: events.StateChanged | events.JobEnded, after: Job) -> Block:
    job_id = after.attempt.slurm_job_id if after.attempt else ""
    exit_code = f", exit code {event.exit_code}" if isinstance(event, events.JobEnded) else ""
    details = f"{before.state} -> {event.state}{exit_code}"
    return Block(
        after.spec.phase, Action.STATE_CHANGE, after.spec.id, details, f"job {job_id} is {event.state}"
    )


def _utilization(elapsed_seconds: float, usage: Usage, job: Job) -> Block:
    job_id = job.attempt.slurm_job_id if job.attempt else ""
    used = summary.utilization(elapsed_seconds, usage)
    return Block(
        job.spec.phase, Action.COMPUTE_UTILIZATION, job.spec.id, f"job {job_id} as accounted for", used
    )


def _resources(event: events.ResultVerified | events.ResultRejected, job: Job) -> Iterator[Block]:
    """As the scaffolder's own log has it while a job runs; here it is of the whole of it."""
    if event.resources is not None:
        job_id = job.attempt.slurm_job_id if job.attempt else ""
        details = f"job {job_id}, {event.resources.samples} samples of nvidia-smi"
        used = summary.resources(event.resources)
        yield Block(job.spec.phase, Action.RESOURCE_STATUS, job.spec.id, details, used)


def _error(job: Job) -> Block:
    output = job.attempt.output if job.attempt and job.attempt.output else "none"
    return Block(EXPERIMENT, Action.ERROR, job.spec.id, f"{job.state}; output: {output}", job.detail)
