"""The phases: optimization, the barrier, evaluation, the end. Every rule of when the one gives way to the next.

Once every optimization job is settled (ended *and* judged, or never to be), the barrier clears; one in doubt is not settled, it
waits for a person. No run succeeded: no evaluation is submitted. Some did: those are evaluated, with the control and eval-only
runs, and the cells of the others are skipped. `on_failure: stop` makes one failure stop all; `barrier: run` lets each run's
evaluations go ahead alone. Retired jobs count nowhere, but what runs of them is watched to its end before the experiment's.
"""

from collections.abc import Iterable, Iterator, Sequence

from runexp.wire import events
from runexp.wire.jobs import Barrier, OnFailure
from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexpd.core.job import Job
from runexpd.core.state import Experiment
from runexpd.core.steps import submit


def owed(experiment: Experiment, touched: Sequence[Job]) -> Iterator[events.Event]:
    """The next events that follow from the state alone; called again until there are none.

    `touched`: the jobs to which something has happened; all where something happened to a phase.
    """
    match experiment.optimization, experiment.evaluation:
        case PhaseState.WAITING, evaluation:
            yield events.PhaseOpened(phase=Phase.OPTIMIZATION)
            if _go_alone(experiment) and evaluation is PhaseState.WAITING:
                yield events.PhaseOpened(phase=Phase.EVALUATION)
        case PhaseState.RUNNING, _ if experiment.is_settled(Phase.OPTIMIZATION):
            yield _closed(experiment, Phase.OPTIMIZATION)
            yield from _barrier(experiment)
        case PhaseState.RUNNING, PhaseState.WAITING if _go_alone(experiment):
            yield events.PhaseOpened(phase=Phase.EVALUATION)
        case PhaseState.RUNNING, PhaseState.RUNNING:
            yield from _skipped(experiment, touched)
        case PhaseState.CLOSED, PhaseState.RUNNING:
            # One that was under way when its model was lost may be owed again.
            yield from _skipped(experiment, touched)
            yield from _after_barrier(experiment)
        case PhaseState.CLOSED, PhaseState.STOPPED | PhaseState.CLOSED:
            # One that somebody else submitted, and that a rule would submit again.
            yield from _barred(touched, experiment.barrier_reason)
            yield from _ending(experiment)


def _go_alone(experiment: Experiment) -> bool:
    """Whether a run's evaluations wait for no other run."""
    return experiment.policy.barrier is Barrier.RUN and not experiment.policy.optimize_only


def _barrier(experiment: Experiment) -> Iterator[events.Event]:
    succeeded = tuple(j.spec.run for j in experiment.of(Phase.OPTIMIZATION) if j.stage is Stage.VERIFIED)
    failed = tuple(j.spec.run for j in experiment.of(Phase.OPTIMIZATION) if j.stage is not Stage.VERIFIED)
    evaluate, reason = _decision(experiment, succeeded, failed)
    yield events.BarrierCleared(evaluate=evaluate, reason=reason, succeeded=succeeded, failed=failed)
    if evaluate:
        if experiment.evaluation is PhaseState.WAITING:
            yield events.PhaseOpened(phase=Phase.EVALUATION)
        yield from _skipped(experiment, experiment.of(Phase.OPTIMIZATION))
    else:
        yield from _barred(experiment.of(Phase.EVALUATION), reason)


def _barred(jobs: Iterable[Job], reason: str) -> Iterator[events.Event]:
    for job in jobs:
        if job.spec.phase is Phase.EVALUATION and job.stage is Stage.PLANNED and not job.retired:
            yield events.JobSkipped(job=job.spec.id, reason=reason)


def _decision(
    experiment: Experiment, succeeded: tuple[str, ...], failed: tuple[str, ...]
) -> tuple[bool, str]:
    if experiment.policy.optimize_only:
        return False, "only the optimization was asked for"
    if failed and not succeeded:
        return False, f"no run was trained: {', '.join(failed)} failed"
    if failed and experiment.policy.on_failure is OnFailure.STOP:
        return False, f"on_failure is stop, and {', '.join(failed)} failed"
    if failed:
        return True, f"{', '.join(failed)} failed; the others are evaluated"
    return (
        True,
        "every run that is trained here has a verified checkpoint" if succeeded else "nothing to train",
    )


def _skipped(experiment: Experiment, touched: Iterable[Job]) -> Iterator[events.Event]:
    """The planned evaluations of these runs whose training failed."""
    for run in dict.fromkeys(job.spec.run for job in touched):
        if reason := _no_checkpoint(experiment, run):
            for job in experiment.jobs.of_run(run, Phase.EVALUATION):
                if job.stage is Stage.PLANNED:
                    yield events.JobSkipped(job=job.spec.id, reason=reason)


def _no_checkpoint(experiment: Experiment, run: str) -> str:
    for trained in submit.trainings_of(experiment, run):
        if trained.stage in (Stage.FAILED, Stage.SKIPPED):
            return f"no checkpoint: {trained.spec.id} is {trained.state}"
    return ""


def _after_barrier(experiment: Experiment) -> Iterator[events.Event]:
    if experiment.is_settled(Phase.EVALUATION):
        yield _closed(experiment, Phase.EVALUATION)
        yield from _ending(experiment)


def _ending(experiment: Experiment) -> Iterator[events.Event]:
    if not experiment.is_open:
        yield events.ExperimentEnded(outcome=outcome(experiment))


def outcome(experiment: Experiment) -> Outcome:
    """How a settled experiment ended. Evaluations that `--optimize-only` left out count neither way."""
    left_out = Phase.EVALUATION if experiment.policy.optimize_only else None
    jobs = [j for j in experiment.current if j.stage is Stage.VERIFIED or j.spec.phase is not left_out]
    undone = [job for job in jobs if job.stage is not Stage.VERIFIED]
    if not undone:
        return Outcome.SUCCEEDED
    # What was skipped for want of others says nothing itself.
    decided = [job for job in undone if job.stage is not Stage.SKIPPED or job.cancel_asked]
    if experiment.cancelled or all(job.cancel_asked for job in decided):
        return Outcome.CANCELLED
    trained = [job.stage is Stage.VERIFIED for job in jobs if job.spec.phase is Phase.OPTIMIZATION]
    if not any(trained or [job.stage is Stage.VERIFIED for job in jobs]):
        return Outcome.FAILED
    return Outcome.PARTIAL


def _closed(experiment: Experiment, phase: Phase) -> events.PhaseClosed:
    jobs = experiment.of(phase)
    return events.PhaseClosed(
        phase=phase, succeeded=sum(job.stage is Stage.VERIFIED for job in jobs), total=len(jobs)
    )
