"""apply(state, recorded) -> state: the one fold, for live events and for replay."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any, assert_never

from msgspec.structs import replace

from runexp.wire import events, states
from runexp.wire.events import Recorded
from runexp.wire.jobs import Failure, JobSpec
from runexp.wire.states import Phase, PhaseState
from runexpd.core.lifecycle import IllegalTransition, next_phase_state, next_stage
from runexpd.core.state import Attempt, Experiment, Job, State


def fold(state: State, recorded: Iterable[Recorded]) -> State:
    """Apply many, in order."""
    return reduce(apply, recorded, state)


def apply(state: State, recorded: Recorded) -> State:
    """The state after an event. Raises IllegalTransition if it can't have happened."""
    event, key = recorded.event, recorded.experiment
    if isinstance(event, events.ExperimentAdded):
        after = Experiment(
            id=key,
            name=event.name,
            dir=event.dir,
            cluster=event.cluster,
            added_at=recorded.at,
            asked_at=recorded.at,
        )
    elif key in state.experiments:
        after = _to_experiment(state.experiments[key], event, recorded.at)
    else:
        raise IllegalTransition(f"{type(event).__name__} to experiment {key}, which was never added")
    return replace(state, experiments={**state.experiments, key: replace(after, seq=recorded.seq)})


def _to_experiment(experiment: Experiment, event: events.Event, at: float) -> Experiment:
    match event:
        case events.RunAsked():
            return _run_asked(experiment, event, at)
        case events.RetryAsked():
            return _retry_asked(experiment, event, at)
        case events.CancelAsked():
            return _each(experiment, event.jobs, lambda job: _restage(job, event, cancel_asked=True))
        case events.PhaseOpened() | events.PhaseClosed():
            return _with_phase(
                experiment, event.phase, next_phase_state(experiment.phase(event.phase), type(event))
            )
        case events.BarrierCleared():
            return _barrier_cleared(experiment, event)
        case events.ExperimentEnded():
            return replace(experiment, outcome=event.outcome, ended_at=at)
        case events.StatusChecked():
            return experiment
        case events.ExperimentAdded():
            raise IllegalTransition(f"experiment {experiment.id} was added twice")
        case events.SubmitDeferred():
            held = replace(experiment, held_until=event.until, held_at=event.held)
            return _each(held, (event.job,), lambda job: _put_off(job, event))
        case _:
            return _each(experiment, (event.job,), lambda job: _to_job(job, event, at))


Known = events.SubmitAccepted | events.SubmitRefused | events.SubmitUnclear
Seen = events.StateChanged | events.JobEnded
Found = events.ResultVerified | events.ResultRejected
Retried = events.MendIntended | events.Mended | events.MendRefused | events.JobRequeued


def _to_job(
    job: Job,
    event: events.AttemptIntended | events.JobAdopted | Known | Seen | Found | Retried | events.JobSkipped,
    at: float,
) -> Job:
    match event:
        case events.AttemptIntended():
            attempt = Attempt(number=event.number, token=event.token, intended_at=at)
            attempts = (*job.attempts, attempt)
            return _restage(
                _blank(job), event, state=states.SUBMITTING, tokens=job.tokens + 1, attempts=attempts
            )
        case events.JobAdopted():
            return _adopted(job, event, at)
        case events.SubmitAccepted() | events.SubmitRefused() | events.SubmitUnclear():
            return _answered(job, event, at)
        case events.StateChanged() | events.JobEnded():
            return _seen(job, event)
        case events.ResultVerified() | events.ResultRejected():
            return _found(job, event)
        case events.MendIntended() | events.Mended() | events.MendRefused() | events.JobRequeued():
            return _retried(job, event)
        case events.JobSkipped():
            return _restage(job, event, state=states.SKIPPED, detail=event.reason)
        case _:
            assert_never(event)


def _adopted(job: Job, event: events.JobAdopted, at: float) -> Job:
    attempt = Attempt(
        number=event.number,
        token=event.token,
        intended_at=at,
        mark=event.mark,
        accepted_at=at,
        slurm_job_id=event.slurm_job_id,
        state=states.PENDING,
        output=event.output,
    )
    detail = f"adopted: job {event.slurm_job_id}, submitted by somebody else, runs its script"
    fresh = replace(_blank(job), detail=detail, tokens=job.tokens + 1, attempts=(*job.attempts, attempt))
    return _restage(fresh, event, state=states.PENDING)


def _answered(job: Job, event: Known, at: float) -> Job:
    match event:
        case events.SubmitAccepted():
            known = {"slurm_job_id": event.slurm_job_id, "output": event.output, "accepted_at": at}
            return _reattempt(job, event, state=states.PENDING, reason=None, **known)
        case events.SubmitRefused():
            after = _reattempt(job, event, state=states.SUBMIT_FAILED, reason=event.error, ended_at=at)
            return replace(after, failure=Failure("submit_refused", event.error), detail=event.error)
        case events.SubmitUnclear():
            return _reattempt(job, event, state=states.SUBMITTING, reason=event.reason)


def _put_off(job: Job, event: events.SubmitDeferred) -> Job:
    """As if it had not been sent; its token is used up."""
    _same_attempt(job, event.token)
    return _restage(job, event, state=states.PLANNED, detail=event.reason, attempts=job.attempts[:-1])


def _seen(job: Job, event: Seen) -> Job:
    if isinstance(event, events.StateChanged):
        return _reattempt(job, event, state=event.state, reason=event.reason, started_at=event.started_at)
    ended = {"exit_code": event.exit_code, "started_at": event.started_at, "ended_at": event.ended_at}
    return _reattempt(job, event, state=event.state, reason=None, usage=event.usage, **ended)


def _found(job: Job, event: Found) -> Job:
    if isinstance(event, events.ResultVerified):
        return _restage(
            _blank(job),
            event,
            state=states.VERIFIED,
            proof=event.token,
            detail=event.detail,
            artifacts=event.artifacts,
            scores=event.scores,
            warnings=event.warnings,
        )
    ended_well = job.state in (states.COMPLETED, states.VERIFIED)
    return _restage(
        _blank(job),
        event,
        state=states.UNVERIFIED if ended_well else job.state,
        detail=event.failure.message,
        failure=event.failure,
        remedy=event.remedy,
        warnings=event.warnings,
    )


def _retried(job: Job, event: Retried) -> Job:
    match event:
        case events.MendIntended():
            return _restage(job, event, mends=event.number, detail=event.remedy.summary)
        case events.Mended():
            return _restage(job, event, state=states.PLANNED)
        case events.MendRefused():
            return _restage(job, event, remedy=None, detail=f"{job.detail}: {event.reason}")
        case events.JobRequeued():
            return _restage(job, event, state=states.PLANNED, requeues=event.number, detail=event.reason)


def _run_asked(experiment: Experiment, event: events.RunAsked, at: float) -> Experiment:
    def owed(spec: JobSpec) -> Job:
        job = experiment.jobs.get(spec.id, Job(spec=spec))
        after = _restage(job, event, spec=spec, cancel_asked=False)
        return replace(after, state=states.PLANNED, detail="") if after.stage is not job.stage else after

    return replace(
        _reopened(experiment, event, at),
        policy=event.policy,
        tools=event.tools,
        logs=event.logs,
        runs=event.runs,
        jobs={spec.id: owed(spec) for spec in event.jobs},
        warnings=event.warnings,
    )


def _retry_asked(experiment: Experiment, event: events.RetryAsked, at: float) -> Experiment:
    specs = {spec.id: spec for spec in event.specs}

    def owed(job: Job) -> Job:
        spec = specs.get(job.spec.id, job.spec)
        fresh = replace(_blank(job), cancel_asked=False, mends=0, requeues=0)
        return _restage(fresh, event, spec=spec, state=states.PLANNED)

    return _each(_reopened(experiment, event, at), event.jobs, owed)


def _reopened(experiment: Experiment, event: events.Event, at: float) -> Experiment:
    return replace(
        experiment,
        asked_at=at,
        outcome=None,
        ended_at=None,
        barrier_reason="",
        optimization=next_phase_state(experiment.optimization, type(event)),
        evaluation=next_phase_state(experiment.evaluation, type(event)),
    )


def _barrier_cleared(experiment: Experiment, event: events.BarrierCleared) -> Experiment:
    after = replace(experiment, barrier_reason=event.reason)
    if event.evaluate:
        return after
    return _with_phase(after, Phase.EVALUATION, next_phase_state(experiment.evaluation, type(event)))


def _with_phase(experiment: Experiment, phase: Phase, state: PhaseState) -> Experiment:
    return replace(experiment, **{phase.value: state})


def _each(experiment: Experiment, ids: Iterable[str], change: Callable[[Job], Job]) -> Experiment:
    try:
        changed = {id: change(experiment.jobs[id]) for id in ids}
    except KeyError as error:
        raise IllegalTransition(f"job {error} is not in experiment {experiment.id}") from None
    return replace(experiment, jobs={**experiment.jobs, **changed})


def _blank(job: Job) -> Job:
    """Without what was found at an earlier look."""
    return replace(
        job, detail="", proof=None, failure=None, remedy=None, artifacts=(), scores=(), warnings=()
    )


def _restage(job: Job, event: events.Event, **changes: Any) -> Job:
    return replace(job, stage=next_stage(job.stage, type(event)), **changes)


def _reattempt(job: Job, event: Any, **changes: Any) -> Job:
    """Change the newest attempt, and let the job show its state."""
    attempt = replace(_same_attempt(job, event.token), **changes)
    return _restage(job, event, state=attempt.state, attempts=(*job.attempts[:-1], attempt))


def _same_attempt(job: Job, token: str) -> Attempt:
    if job.attempt is None or job.attempt.token != token:
        raise IllegalTransition(f"token {token} is not the newest of job {job.spec.id}")
    return job.attempt
