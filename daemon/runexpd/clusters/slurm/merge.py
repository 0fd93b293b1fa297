"""What queue and accounting say together. Pure.

The rules: a job's end is final when accounting gives an end state *with* an end time and the queue, which must have been
asked with success, no longer has it (or only remembers it in an end state). While the queue has it, the queue's word
counts: accounting may call a requeued job PREEMPTED for seconds. Accounting's stub rows (no user of ours, no command) are
no news, nor is an end state without an end time. A row whose command is another's is not of this attempt, though it has
its id: ids are used again after a crash of slurmctld. One whose command says nothing, of an id that sbatch itself gave us, is
if what is in the attempt's room agrees with it (rooms.fits). What both were asked for with success, and neither of them has (or
accounting without an end), is LOST; for moments that is nothing unusual, so whoever asks waits for it to stay so.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, TypeVar

from runexp.wire.states import END_STATES, LOST, PENDING
from runexpd.clusters.base import JobReport, Known
from runexpd.clusters.slurm import rooms
from runexpd.clusters.slurm.parse import Accounted, Queued, bears, first_node

Row = TypeVar("Row", bound=Queued | Accounted)
#: By token, rows that are its job's though their commands don't say so.
Owned = Collection[tuple[str, Queued | Accounted]]
NOBODYS: Owned = ()

#: Accounting's words for what the queue must have, too.
_IN_QUEUE = ("PENDING", "RUNNING", "SUSPENDED", "REQUEUED", "RESIZING")
_FORGOTTEN = "neither queue nor accounting knows it any more; `runexp cancel` gives it up"

#: Worst first: what an array or a heterogeneous job is when its elements differ.
_WORST = ("FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "CANCELLED", "COMPLETED")


class Sifted(NamedTuple):
    """What a queue says that isn't known."""

    #: Rows of our jobs that say something else.
    rows: list[Queued]
    #: The tokens of those of which it says what is known.
    quiet: set[str]


def sifted(jobs: Sequence[Known], queue: Iterable[Queued]) -> Sifted:
    """Row by row: of ten thousand jobs that wait little is news, and no more than that is kept."""
    by_id = {job.slurm_job_id: job for job in jobs}
    news = Sifted([], set())
    for row in queue:
        job = by_id.get(row.id)
        if job is not None and _is_known(row, job):
            news.quiet.add(job.token)
        elif _job_of(row) in by_id:
            news.rows.append(row)
    return news


def _is_known(row: Queued, job: Known) -> bool:
    """A row that says when a job is likely to start may say something else each time."""
    pending = row.state == PENDING
    said = (row.state, row.reason, row.start)
    return (
        said == (job.state, job.reason, job.started_at)
        and pending == (row.start is None)
        and row.state not in END_STATES
        and bears(row.command, job)
    )


def reports(
    jobs: Sequence[Known],
    queue: Sequence[Queued] | None,
    accounting: Sequence[Accounted] | None,
    owned: Owned = NOBODYS,
) -> list[JobReport]:
    """The news of each job. None: that source gave no answer. `owned`: rows whose commands don't say whose they are."""
    queued, accounted = _by_job(queue or ()), _by_job(accounting or ())
    found = []
    for job in jobs:
        waiting = [row for row in queued.get(job.slurm_job_id, []) if _is_ours(row, job, owned)]
        recorded = [row for row in accounted.get(job.slurm_job_id, []) if _is_ours(row, job, owned)]
        report = _report(job.token, waiting, recorded, queue is not None)
        if report is None and not waiting and queue is not None and accounting is not None:
            report = JobReport(token=job.token, state=LOST, final=False, reason=_FORGOTTEN)
        if report is not None:
            found.append(report)
    return found


def still_theirs(jobs: Sequence[Known], queue: Sequence[Queued], owned: Owned = NOBODYS) -> list[Known]:
    """Those that the queue has, as theirs."""
    queued = _by_job(queue)
    return [job for job in jobs if any(_is_ours(row, job, owned) for row in queued.get(job.slurm_job_id, ()))]


def unnamed(
    jobs: Sequence[Known], rows: Sequence[Queued | Accounted]
) -> list[tuple[Known, Queued | Accounted]]:
    """Jobs that we submitted, with rows of their ids whose commands don't say whose they are. Stubs have no directory."""
    found = _by_job(rows)
    return [
        (job, row)
        for job in jobs
        if not job.mark
        for row in found.get(job.slurm_job_id, ())
        if rooms.is_silent(row) and row.workdir
    ]


def _by_job(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """By the job's own id: `7_3` and `7+1` are of job 7."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(_job_of(row), []).append(row)
    return found


def _job_of(row: Queued | Accounted) -> str:
    return row.id.split("_")[0].split("+")[0]


def _is_ours(row: Queued | Accounted, job: Known, owned: Owned) -> bool:
    """A stub has neither command nor directory. Of what somebody else submitted an old sacct knows no more than the id."""
    if job.mark and isinstance(row, Accounted) and row.submit_line is None:
        return bool(row.workdir)
    line = row.command if isinstance(row, Queued) else row.submit_line or ""
    return bears(line, job) or (job.token, row) in owned


def _report(
    token: str, queued: Sequence[Queued], recorded: Sequence[Accounted], queue_answered: bool
) -> JobReport | None:
    active = [row for row in queued if row.state not in END_STATES]
    start = min((row.start for row in recorded if row.start is not None), default=None)
    if active:
        row = next((row for row in active if row.state != PENDING), active[0])
        pending = row.state == PENDING
        return JobReport(
            token=token,
            state=row.state,
            final=False,
            reason=row.reason,
            started_at=None if pending else row.start or start,
            expected_start_at=row.start if pending else None,
            user=row.user,
            node=row.node,
        )
    ends = [row.end for row in recorded if row.end is not None]
    over = bool(recorded) and all(row.state in END_STATES for row in recorded) and len(ends) == len(recorded)
    if over:
        worst = _worst(recorded)
        return JobReport(
            token=token,
            state=worst.state,
            final=queue_answered,
            exit_code=worst.exit_code,
            started_at=start,
            ended_at=max(ends),
            usage=worst.usage if len(recorded) == 1 else None,
            user=worst.user,
            node=first_node(worst.usage.nodes),
        )
    if recorded and not queued and not any(row.state in END_STATES for row in recorded):
        if queue_answered and all(row.state in _IN_QUEUE for row in recorded):
            return None
        return JobReport(token=token, state=recorded[0].state, final=False, started_at=start)
    return None


def _worst(rows: Sequence[Accounted]) -> Accounted:
    return min(rows, key=lambda row: _WORST.index(row.state) if row.state in _WORST else -1)
