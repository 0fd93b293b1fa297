"""due(state, now) -> commands: all that is owed to the world, whether or not it is being worked on already."""

from collections.abc import Iterator

from runexp.wire.jobs import Barrier
from runexp.wire.states import Phase, Stage
from runexpd.core import commands
from runexpd.core.state import Attempt, Experiment, Job, State
from runexpd.core.steps import submit


def due(state: State, now: float) -> Iterator[commands.Command]:
    """Everything to be done, in the order in which it is best begun."""
    for experiment in state.running():
        shut = {_gate(experiment, job) for job in experiment.current if job.stage in _NOT_QUEUED}
        for job in experiment.jobs.values():
            if job.attempt is not None:
                gate = _gate(experiment, job)
                yield from _for(experiment, job, job.attempt, "" if gate in shut else gate)
    at = submit.wake_at(state, now)
    if at is not None:
        yield commands.Wake(at)


_NOT_QUEUED = (Stage.PLANNED, Stage.SUBMITTING, Stage.UNCLEAR, Stage.MENDING, Stage.IN_DOUBT)


def _gate(experiment: Experiment, job: Job) -> str:
    """The same for jobs that something waits for together: the barrier's, or the end's."""
    alone = experiment.policy.barrier is Barrier.RUN and job.spec.phase is Phase.OPTIMIZATION
    return f"{experiment.id} {job.spec.run if alone else job.spec.phase}"


def _for(experiment: Experiment, job: Job, attempt: Attempt, gate: str) -> Iterator[commands.Command]:
    cluster, id, spec, token = experiment.cluster, experiment.id, attempt.spec, attempt.token
    match job.stage:
        case Stage.SUBMITTING:
            yield commands.Submit(cluster, id, spec, token)
        case Stage.UNCLEAR:
            yield commands.Resolve(cluster, id, spec, token)
        case Stage.QUEUED:
            if job.cancel_asked:
                yield commands.Cancel(cluster, id, spec, token, attempt.slurm_job_id or "", attempt.mark)
            yield commands.Watch(
                cluster,
                id,
                spec,
                token,
                attempt.slurm_job_id or "",
                attempt.state,
                attempt.output or "",
                attempt.started_at,
                gate,
                attempt.mark,
            )
        case Stage.ENDED:
            yield commands.Judge(
                cluster,
                id,
                spec,
                token,
                attempt.slurm_job_id or "",
                attempt.state,
                attempt.exit_code,
                attempt.output or "",
                attempt.started_at,
                attempt.ended_at,
            )
        case Stage.MENDING:
            assert job.remedy is not None  # it is what was intended
            yield commands.Mend(cluster, id, spec.id, job.mends, job.remedy)
        case Stage.PLANNED | Stage.VERIFIED | Stage.FAILED | Stage.SKIPPED | Stage.IN_DOUBT:
            pass
