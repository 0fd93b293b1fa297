"""apply(state, recorded) -> state: the one fold, for live events and for replay."""

from collections.abc import Callable, Iterable
from functools import reduce

from msgspec.structs import replace

from runexp.wire import events, states
from runexp.wire.events import Recorded
from runexp.wire.jobs import JobSpec
from runexp.wire.states import Phase, PhaseState, Preparation, Stage
from runexpd.core import apply_job
from runexpd.core.job import Job
from runexpd.core.jobs import Jobs
from runexpd.core.lifecycle import IllegalTransition, check_preparation, next_phase_state
from runexpd.core.state import Experiment, State


def fold(state: State, recorded: Iterable[Recorded]) -> State:
    """Apply many, in order."""
    return reduce(apply, recorded, state)


def apply(state: State, recorded: Recorded) -> State:
    """The state after an event. Raises IllegalTransition if it can't have happened."""
    event, key = recorded.event, recorded.experiment
    if isinstance(event, events.ExperimentAdded) and key not in state.experiments:
        after = Experiment(
            id=key,
            name=event.name,
            dir=event.dir,
            cluster=event.cluster,
            added_at=recorded.at,
            asked_at=recorded.at,
        )
    elif key in state.experiments:
        after = happened(state.experiments[key], event, recorded.at)
    else:
        raise IllegalTransition(f"{type(event).__name__} to experiment {key}, which was never added")
    return replace(state, experiments={**state.experiments, key: _counted(after, recorded.seq)})


def _counted(experiment: Experiment, seq: int) -> Experiment:
    return replace(experiment, seq=seq, events=experiment.events + 1)


def happened(experiment: Experiment, event: events.Event, at: float) -> Experiment:
    """One experiment after one event of its own, at a time in seconds since 1970. Raises IllegalTransition."""
    match event:
        case events.ExperimentAdded():
            raise IllegalTransition(f"experiment {experiment.id} was added twice")
        case (
            events.RunAsked()
            | events.RetryAsked()
            | events.RerunAsked()
            | events.CancelAsked()
            | events.JobsRetired()
            | events.PolicyChanged()
        ):
            return _asked(experiment, event, at)
        case (
            events.PhaseOpened()
            | events.PhaseClosed()
            | events.BarrierCleared()
            | events.ExperimentEnded()
            | events.StatusChecked()
        ):
            return _of_phases(experiment, event, at)
        case (
            events.PreparationIntended()
            | events.PreparationCancelAsked()
            | events.PreparationEnded()
            | events.PreparationDecided()
        ):
            return _of_preparation(experiment, event)
        case events.ExperimentArchived() | events.ExperimentUnarchived():
            return replace(experiment, archived=isinstance(event, events.ExperimentArchived))
        case events.LedgerRestored():
            tokens = max(experiment.tokens, event.tokens)
            return replace(experiment, tokens=tokens, restored=experiment.outcome is None)
        case events.AttemptIntended() | events.JobAdopted():
            counted = replace(experiment, tokens=experiment.tokens + 1)
            if isinstance(event, events.AttemptIntended):
                trains = _trains(experiment, event.job)
                counted = replace(counted, **{"trained_at" if trains else "evaluated_at": at})
            return _each(counted, (event.job,), lambda job: apply_job.happened(job, event, at))
        case events.SubmitDeferred():
            return _each(_held(experiment, event), (event.job,), lambda job: apply_job.put_off(job, event))
        case _:
            return _each(experiment, (event.job,), lambda job: apply_job.happened(job, event, at))


def _held(experiment: Experiment, event: events.SubmitDeferred) -> Experiment:
    if event.alone:
        return replace(experiment, put_off_until=event.until)
    return replace(experiment, held_until=event.until, held_at=event.held)


Again = events.RetryAsked | events.RerunAsked
Asked = events.RunAsked | Again | events.CancelAsked | events.JobsRetired | events.PolicyChanged
OfPhases = (
    events.PhaseOpened
    | events.PhaseClosed
    | events.BarrierCleared
    | events.ExperimentEnded
    | events.StatusChecked
)


def _asked(experiment: Experiment, event: Asked, at: float) -> Experiment:
    match event:
        case events.RunAsked():
            return _run_asked(experiment, event, at)
        case events.RetryAsked() | events.RerunAsked():
            return _retry_asked(experiment, event, at)
        case events.CancelAsked():
            return _cancel_asked(experiment, event)
        case events.JobsRetired():
            return _each(experiment, event.jobs, lambda job: replace(job, retired=True))
        case events.PolicyChanged():
            return replace(experiment, policy=event.policy)


def _of_phases(experiment: Experiment, event: OfPhases, at: float) -> Experiment:
    match event:
        case events.PhaseOpened() | events.PhaseClosed():
            state = next_phase_state(experiment.phase(event.phase), type(event))
            return _with_phase(experiment, event.phase, state)
        case events.BarrierCleared():
            return _barrier_cleared(experiment, event)
        case events.ExperimentEnded():
            return replace(experiment, outcome=event.outcome, ended_at=at)
        case events.StatusChecked():
            return experiment


OfPreparation = (
    events.PreparationIntended
    | events.PreparationCancelAsked
    | events.PreparationEnded
    | events.PreparationDecided
)


def _of_preparation(experiment: Experiment, event: OfPreparation) -> Experiment:
    check_preparation(experiment.preparation, type(event))
    match event:
        case events.PreparationIntended():
            begun = replace(experiment, preparations=event.number, prepared_by=event.command)
            return replace(begun, preparation=Preparation.RUNNING, preparation_said="")
        case events.PreparationCancelAsked():
            return replace(experiment, preparation=Preparation.CANCELLING)
        case events.PreparationEnded():
            return _preparation_ended(experiment, event)
        case events.PreparationDecided():
            return replace(experiment, preparation=Preparation.OWED if event.again else Preparation.DONE)


def _preparation_ended(experiment: Experiment, event: events.PreparationEnded) -> Experiment:
    code = "nobody can tell how it ended" if event.exit_code is None else f"exit code {event.exit_code}"
    said = ": ".join((code, *event.said[-1:]))
    cancelled = experiment.preparation is Preparation.CANCELLING
    failed = Preparation.CANCELLED if cancelled else Preparation.FAILED
    how = Preparation.DONE if event.exit_code == 0 else failed
    return replace(experiment, preparation=how, preparation_said=said)


def _run_asked(experiment: Experiment, event: events.RunAsked, at: float) -> Experiment:
    """The scaffold's jobs in its order, then those retired. (What was neither listed nor retired was dropped, once.)"""

    def owed(spec: JobSpec) -> Job:
        job = experiment.jobs.get(spec.id, Job(spec=spec))
        after = apply_job.restage(job, event, spec=spec, retired=False)
        if after.stage is Stage.PLANNED:
            why = event.why.get(spec.id, "")
            return replace(after, state=states.PLANNED, detail="", cancel_asked=False, why=why, resume=None)
        return after

    listed = {spec.id: owed(spec) for spec in event.jobs}
    retired = (job for id, job in experiment.jobs.items() if job.retired and id not in listed)
    return replace(
        _reopened(experiment, event, at),
        name=event.name or experiment.name,
        looked_at=event.looked_at,
        policy=event.policy,
        restored=False,
        preparation=_still(experiment, event.policy.before_evaluations),
        tools=event.tools,
        logs=event.logs,
        runs=event.runs,
        jobs=Jobs((*listed.values(), *retired)),
        warnings=event.warnings,
        question=event.question,
    )


def _still(experiment: Experiment, command: str | None) -> Preparation:
    """Another command is owed anew, and one that was cancelled, but for one that runs: that is seen to its end."""
    if experiment.preparation_runs:
        return experiment.preparation
    is_other = command != experiment.policy.before_evaluations
    cancelled = experiment.preparation is Preparation.CANCELLED
    return Preparation.OWED if is_other or cancelled else experiment.preparation


def _cancel_asked(experiment: Experiment, event: events.CancelAsked) -> Experiment:
    after = _each(experiment, event.jobs, lambda job: apply_job.restage(job, event, cancel_asked=True))
    left = any(job.is_open and not job.cancel_asked for job in after.jobs.values())
    return replace(after, cancelled=not left)


def _retry_asked(experiment: Experiment, event: Again, at: float) -> Experiment:
    specs = {spec.id: spec for spec in event.specs}

    def owed(job: Job) -> Job:
        spec = specs.get(job.spec.id, job.spec)
        fresh = replace(apply_job.blank(job), cancel_asked=False, mends=0, requeues=0, resumes=0)
        return apply_job.restage(fresh, event, spec=spec, state=states.PLANNED)

    after = _each(_reopened(experiment, event, at), event.jobs, owed)
    warnings = experiment.warnings if event.warnings is None else event.warnings
    # Of other runs, it may be; and what somebody asks for since it was killed goes on with nothing: its model may be another.
    jobs = Jobs(_at_the_beginning(job) for job in after.jobs.values())
    return replace(after, jobs=jobs, warnings=warnings)


def _at_the_beginning(job: Job) -> Job:
    return job if job.resume is None else replace(job, resume=None)


def _reopened(experiment: Experiment, event: events.Event, at: float) -> Experiment:
    return replace(
        experiment,
        asked_at=at,
        looked_at=None,
        preparation=_reopened_preparation(experiment),
        cancelled=False,
        archived=False,
        outcome=None,
        ended_at=None,
        barrier_reason="",
        optimization=next_phase_state(experiment.optimization, type(event)),
        evaluation=next_phase_state(experiment.evaluation, type(event)),
    )


def _reopened_preparation(experiment: Experiment) -> Preparation:
    """What ended with an experiment is owed with it."""
    cancelled = experiment.preparation is Preparation.CANCELLED and experiment.outcome is not None
    return Preparation.OWED if cancelled else experiment.preparation


def _barrier_cleared(experiment: Experiment, event: events.BarrierCleared) -> Experiment:
    after = replace(experiment, barrier_reason=event.reason)
    if event.evaluate:
        return after
    return _with_phase(after, Phase.EVALUATION, next_phase_state(experiment.evaluation, type(event)))


def _with_phase(experiment: Experiment, phase: Phase, state: PhaseState) -> Experiment:
    return replace(experiment, **{phase.value: state})


def _trains(experiment: Experiment, id: str) -> bool:
    return id in experiment.jobs and experiment.jobs[id].spec.phase is Phase.OPTIMIZATION


def _each(experiment: Experiment, ids: Iterable[str], change: Callable[[Job], Job]) -> Experiment:
    jobs = experiment.jobs
    try:
        for id in ids:
            jobs = jobs.put(change(jobs[id]))
    except KeyError as error:
        raise IllegalTransition(f"job {error} is not in experiment {experiment.id}") from None
    return replace(experiment, jobs=jobs)
