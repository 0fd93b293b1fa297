"""Whose a job is whose command line doesn't say it: where a site's sbatch submits a copy, or sacct has no SubmitLine.

What each token's room says is asked for once and kept; forgotten with the daemon, it is asked for again.
"""

from collections.abc import Iterable, Sequence

from runexpd.clusters.base import Known
from runexpd.clusters.slurm import merge, rooms
from runexpd.clusters.slurm.parse import Accounted, Queued, bears
from runexpd.clusters.slurm.rooms import Receipt, Room

#: How far the clocks of the file server and of slurmctld may differ, where the id is one that sbatch gave us.
CLOCKS_SECONDS = 60.0
Asked = Sequence[tuple[Known, Queued | Accounted]]


class Ownership:
    def __init__(self) -> None:
        self._rooms: dict[str, Room] = {}
        #: Tokens whose jobs have been known for ours before.
        self._seen: set[str] = set()

    def note(self, jobs: Sequence[Known], queue: Sequence[Queued]) -> None:
        """What the queue knows for ours is ours in accounting, too, when it was requeued meanwhile."""
        commands = {row.id: row.command for row in queue}
        self.know(job.token for job in jobs if bears(commands.get(job.slurm_job_id, ""), job))

    def know(self, tokens: Iterable[str]) -> None:
        """Their jobs are ours, by a row of theirs."""
        self._seen.update(tokens)

    def unknown(self, asked: Asked) -> list[str]:
        """Tokens whose rooms nobody has looked into."""
        return sorted({job.token for job, _ in asked} - self._rooms.keys())

    def learn(self, receipts: Iterable[Receipt]) -> None:
        self._rooms |= {receipt.token: receipt.room for receipt in receipts}

    def owned(self, asked: Asked) -> merge.Owned:
        """The rows that are ours, with whose. Of two attempts that were given one id it is the later one's."""
        fitting = [(job, row) for job, row in asked if self._fits(job.token, row)]
        fitting.sort(key=lambda pair: self._rooms[pair[0].token].begun_at or 0.0)
        owners = {row: job.token for job, row in fitting}
        self._seen |= set(owners.values())
        return {(token, row) for row, token in owners.items()}

    def forget_all_but(self, jobs: Sequence[Known]) -> None:
        tokens = {job.token for job in jobs}
        self._seen &= tokens
        self._rooms = {token: room for token, room in self._rooms.items() if token in tokens}

    def _fits(self, token: str, row: Queued | Accounted) -> bool:
        room = self._rooms.get(token)
        return room is not None and rooms.fits(room, row, CLOCKS_SECONDS, seen=token in self._seen)
