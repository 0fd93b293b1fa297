"""What is submitted again by rule, with no one asking: out of GPU memory with a smaller batch, and a node's failure as it was.

Decided in the same moment as the failure, so a job that will be tried again never looks settled to the barrier.
"""

from collections.abc import Iterator, Sequence

from runexp.wire import events, states
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Job
from runexpd.core.observations import MendDone
from runexpd.core.state import Experiment, State


def owed(experiment: Experiment, touched: Sequence[Job]) -> Iterator[events.Event]:
    """The retries that follow from the state alone, of jobs to which something has happened."""
    for job in touched:
        if job.stage is Stage.FAILED and not job.cancel_asked and not job.retired:
            yield from _retry(experiment, job)


def _retry(experiment: Experiment, job: Job) -> Iterator[events.Event]:
    policy = experiment.policy
    if job.remedy is not None and job.spec.phase is Phase.OPTIMIZATION and job.mends < policy.oom_retries:
        yield events.MendIntended(
            job=job.spec.id, remedy=job.remedy, number=job.mends + 1, limit=policy.oom_retries
        )
    elif job.state in (states.NODE_FAIL, states.BOOT_FAIL) and job.requeues < policy.node_retries:
        yield events.JobRequeued(
            job=job.spec.id,
            reason=f"{job.state} is no fault of the job's",
            number=job.requeues + 1,
            limit=policy.node_retries,
        )


def on_mended(state: State, mended: MendDone) -> Iterator[events.Event]:
    """Counts once, and only for the mend that it is about."""
    experiment = state.experiments.get(mended.experiment)
    job = experiment.jobs.get(mended.job) if experiment else None
    if job is None or job.stage is not Stage.MENDING or job.mends != mended.number:
        return
    if mended.refused:
        yield events.MendRefused(job=mended.job, reason=mended.refused)
    else:
        yield events.Mended(job=mended.job)
