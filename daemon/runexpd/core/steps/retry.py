"""What is submitted again by rule, with no one asking: out of GPU memory with a smaller batch, a node's failure as it was, and an
evaluation that was killed, to go on with the samples that it had finished.

Decided in the same moment as the failure, so a job that will be tried again never looks settled to the barrier.
"""

from collections.abc import Iterator, Sequence

from runexp.wire import events, states
from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Resume
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Job
from runexpd.core.observations import MendDone
from runexpd.core.state import Experiment, State

#: What was killed goes on so often: a time limit that isn't enough for what was left is a person's to raise.
MOST_RESUMES = 1


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
            reason="; ".join((f"{job.state} is no fault of the job's", *_finished(job))),
            number=job.requeues + 1,
            limit=policy.node_retries,
        )
    elif job.resume is not None and job.resumes < MOST_RESUMES and _may_go_on(job, job.resume):
        yield events.JobResumed(
            job=job.spec.id,
            reason="; ".join((job.state, *_finished(job))),
            path=job.resume.path,
            number=job.resumes + 1,
            limit=MOST_RESUMES,
        )


def _may_go_on(job: Job, resume: Resume) -> bool:
    """Whether something else ended it, and what is left fits into the time that it has: half was done in as much."""
    if job.state == states.TIMEOUT:
        return 2 * resume.done >= resume.total
    killed = job.failure is not None and job.failure.kind == FailureKind.KILLED
    return job.state == states.PREEMPTED or (job.state == states.FAILED and killed)


def _finished(job: Job) -> Iterator[str]:
    if job.resume is not None:
        yield f"it is to go on with {job.resume.done} of {job.resume.total} samples that were finished"


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
