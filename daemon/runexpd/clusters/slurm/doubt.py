"""What became of a submission whose answer was lost: the receipt first, then the queue, then accounting. Pure."""

from collections.abc import Collection, Sequence

from runexpd.clusters.base import Accepted, Answer, Submission, Unclear
from runexpd.clusters.slurm import errors
from runexpd.clusters.slurm.parse import Accounted, Queued, Receipt, mark

#: How far the clocks of the file server, which dates the lock, and of slurmctld, which dates the job, may differ.
CLOCKS_SECONDS = 5.0
#: From the lock to the job at most: sbatch gives up after two minutes of tries.
SBATCH_SECONDS = 600.0
#: The queue has a job for at least so long, ended or not: a little less than what MinJobAge is unless a site changes it.
MEMORY_SECONDS = 240.0


def verdict(
    submission: Submission,
    receipt: Receipt | None,
    queue: Sequence[Queued] | None,
    accounting: Sequence[Accounted] | None,
    taken: Collection[str],
) -> Answer | None:
    """The answer; None where there is no trace of it, though all that could know were asked.

    `queue`, `accounting`: None where they gave no answer. `taken`: ids of jobs that are other submissions'.
    """
    answer = Unclear("no word of it came back") if receipt is None else errors.answer(receipt)
    if receipt is None or not isinstance(answer, Unclear):
        return answer
    for id in _of_token(submission.token, queue or (), accounting or ()):
        return Accepted(id)
    likely = _of_place(submission, receipt.begun_at, accounting or (), taken)
    if len(likely) == 1:
        return Accepted(likely[0])
    if likely:
        return Unclear(f"it may be any of the jobs {', '.join(likely)}")
    all_asked = queue is not None and accounting is not None
    return None if all_asked and receipt.what != "locked" else answer


def queue_remembers(receipt: Receipt | None, now: float | None) -> bool:
    """Whether the queue alone can tell that there is no job, since it was begun so short a time ago."""
    if receipt is None or receipt.begun_at is None or now is None:
        return False
    return now - receipt.begun_at < MEMORY_SECONDS


def _of_token(token: str, queue: Sequence[Queued], accounting: Sequence[Accounted]) -> list[str]:
    queued = [row.id for row in queue if mark(token) in row.command]
    return queued + [row.id for row in accounting if mark(token) in (row.submit_line or "")]


def _of_place(
    submission: Submission, begun_at: float | None, accounting: Sequence[Accounted], taken: Collection[str]
) -> list[str]:
    """By directory, name and time: for a site whose sacct has no SubmitLine."""
    if begun_at is None:
        return []
    return [
        row.id
        for row in accounting
        if row.submit_line is None
        and (row.workdir, row.name) == (submission.workdir, submission.name)
        and row.submitted_at is not None
        and -CLOCKS_SECONDS <= row.submitted_at - begun_at <= SBATCH_SECONDS
        and row.id not in taken
    ]
