"""What became of a submission whose answer was lost: the receipt first, then the queue, then accounting. Pure."""

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from runexp.wire.states import END_STATES
from runexpd.clusters.base import Accepted, Answer, Deferred, Refused, Submission, Unclear
from runexpd.clusters.slurm import errors, rooms
from runexpd.clusters.slurm.errors import plain
from runexpd.clusters.slurm.parse import Accounted, Queued, mark
from runexpd.clusters.slurm.rooms import Receipt, Room
from runexpd.clusters.slurm.usage import number

#: How far the clocks of the file server, which dates the lock, and of slurmctld, which dates the job, may differ.
CLOCKS_SECONDS = 5.0
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
    likely = _of_place(submission, receipt.room, [*(queue or ()), *(accounting or ())], taken)
    if len(likely) == 1:
        return Accepted(likely[0])
    if likely:
        return Unclear(f"it may be any of the jobs {', '.join(likely)}")
    all_asked = queue is not None and accounting is not None
    return None if all_asked and receipt.what != "locked" else answer


def queue_remembers(receipt: Receipt | None, now: float | None) -> bool:
    """Whether the queue alone can tell that there is no job, since it was begun so short a time ago."""
    if receipt is None or receipt.room.begun_at is None or now is None:
        return False
    return now - receipt.room.begun_at < MEMORY_SECONDS


def traceless(receipt: Receipt | None) -> Answer:
    """What it is when no trace was found for long: nothing, unless sbatch said that all was well."""
    if receipt is not None and (receipt.what, receipt.exit_code) == ("done", 0):
        return Refused(
            f"{plain((*receipt.out, *receipt.said))}: sbatch printed no job id, and no job is found"
        )
    return Deferred("its submission never reached Slurm", at_once=True)


class Patience:
    """With refusals that may be of a limit on how many are queued, though nobody says so.

    Such a limit passes when a job of this user's ends. One that is refused again after that, or while there is none, is
    refused for another reason. Forgotten with the daemon: then it only takes longer.
    """

    def __init__(self) -> None:
        #: By script: how many jobs were there when it was refused, at least.
        self._least: dict[str, int] = {}

    def answer(self, submission: Submission, refusal: Answer, queue: Sequence[Queued] | None) -> Answer:
        if not isinstance(refusal, Refused):
            return refusal
        if queue is not None:
            there = sum(row.state not in END_STATES for row in queue)
            least = self._least.pop(submission.script, there)
            if there == 0 or there < least:
                return refusal
            self._least[submission.script] = least
        return Deferred(refusal.error)


def _of_token(token: str, queue: Sequence[Queued], accounting: Sequence[Accounted]) -> list[str]:
    queued = [row.id for row in queue if mark(token) in row.command]
    return queued + [row.id for row in accounting if mark(token) in (row.submit_line or "")]


def _of_place(
    submission: Submission, room: Room, rows: Sequence[Queued | Accounted], taken: Collection[str]
) -> list[str]:
    """By directory, name and time: for a site whose sacct has no SubmitLine, or whose sbatch submits a copy."""
    if not room.name:
        places = {place for place in (submission.workdir, submission.chdir) if place}
        room = replace(room, name=submission.name, places=room.places | places)
    found = {row.id for row in rows if rooms.fits(room, row, CLOCKS_SECONDS)}
    return sorted(id for id in found - set(taken) if number(id) is not None)
