"""An experiment's jobs in their order, with what is counted of them kept beside: no question about ten thousand looks at each.

Frozen: `put` gives another one, which shares with this one all that has not changed (immutables.Map, a hash trie). What is
kept beside the jobs is what the steps ask for: how many are in which stage, who may go, a run's trainings and evaluations.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Self

from immutables import Map

from runexp.wire.jobs import JobSpec
from runexp.wire.states import UNDER_WAY, Phase, Stage
from runexpd.core.job import Job


class Kind(NamedTuple):
    """What jobs are counted by."""

    phase: Phase
    stage: Stage
    #: Slurm's word, or ours.
    state: str
    retired: bool
    #: It was asked to end, and hasn't yet.
    cancelling: bool
    #: Something is wrong with what it does.
    unwell: bool


class Jobs(Mapping[str, Job]):
    """By id, in order."""

    def __init__(self, jobs: Iterable[Job] = ()) -> None:
        listed = list(jobs)
        self._jobs: Map[str, Job] = Map({job.spec.id: job for job in listed})
        #: Never changed, and shared by all that `put` makes of this one.
        self._order = tuple(job.spec.id for job in listed)
        self._positions = {id: position for position, id in enumerate(self._order)}
        self._of_runs = _of_runs(listed)
        self._counts: Map[Kind, int] = Map(Counter(_kind(job) for job in listed))
        self._ready = {phase: self._all_ready(phase) for phase in Phase}

    def __getitem__(self, id: str) -> Job:
        return self._jobs[id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._order)

    def __len__(self) -> int:
        return len(self._order)

    def put(self, job: Job) -> Self:
        """With this job in place of the one of its id. Raises KeyError if there is none."""
        before, after = self._jobs[job.spec.id], self._copy()
        after._jobs = self._jobs.set(job.spec.id, job)
        after._counts = _counted(self._counts, before, job)
        ids = [job.spec.id]
        if _is_trained(before) != _is_trained(job):
            ids += self._of_runs[Phase.EVALUATION].get(before.spec.run, ())
        for id in ids:
            after._place(id)
        return after

    def counts(self) -> Iterator[tuple[Kind, int]]:
        """How many there are of each kind."""
        return iter(self._counts.items())

    def in_stages(self, stages: frozenset[Stage]) -> int:
        """How many are in one of them, retired ones included."""
        return sum(count for kind, count in self._counts.items() if kind.stage in stages)

    def spec(self, id: str) -> JobSpec | None:
        """None if there is no such job."""
        return self._jobs[id].spec if id in self._jobs else None

    def of_run(self, run: str, phase: Phase) -> tuple[Job, ...]:
        """The run's jobs of a phase, without retired ones."""
        found = (self._jobs[id] for id in self._of_runs[phase].get(run, ()))
        return tuple(job for job in found if not job.retired)

    def is_ready(self, job: Job) -> bool:
        """Whether it waits for nothing but its phase and its turn."""
        if job.stage is not Stage.PLANNED or job.cancel_asked or job.retired:
            return False
        if job.spec.phase is Phase.OPTIMIZATION:
            return True
        return all(
            trained.stage is Stage.VERIFIED for trained in self.of_run(job.spec.run, Phase.OPTIMIZATION)
        )

    def ready(self, phase: Phase) -> Iterator[Job]:
        """Those that are, in order."""
        return (self._jobs[self._order[position]] for position in self._ready[phase])

    def _copy(self) -> Self:
        copy = object.__new__(type(self))
        copy.__dict__.update(self.__dict__)
        return copy

    def _place(self, id: str) -> None:
        """Among those that are ready, or out of them."""
        job, position = self._jobs[id], self._positions[id]
        ready = self._ready[job.spec.phase]
        at = bisect_left(ready, position)
        is_there = ready[at : at + 1] == (position,)
        if is_there == self.is_ready(job):
            return
        among = ready[:at] + ready[at + 1 :] if is_there else (*ready[:at], position, *ready[at:])
        self._ready = {**self._ready, job.spec.phase: among}

    def _all_ready(self, phase: Phase) -> tuple[int, ...]:
        jobs = enumerate(self.values())
        return tuple(at for at, job in jobs if job.spec.phase is phase and self.is_ready(job))


def _of_runs(jobs: Iterable[Job]) -> dict[Phase, dict[str, tuple[str, ...]]]:
    found: dict[Phase, dict[str, list[str]]] = {phase: {} for phase in Phase}
    for job in jobs:
        found[job.spec.phase].setdefault(job.spec.run, []).append(job.spec.id)
    return {phase: {run: tuple(ids) for run, ids in runs.items()} for phase, runs in found.items()}


def _kind(job: Job) -> Kind:
    cancelling = job.cancel_asked and job.stage in UNDER_WAY
    unwell = bool(job.attempt and job.attempt.health)
    return Kind(job.spec.phase, job.stage, job.state, job.retired, cancelling, unwell)


def _is_trained(job: Job) -> tuple[bool, bool]:
    """What evaluations of its run go by."""
    return job.stage is Stage.VERIFIED, job.retired


def _counted(counts: Map[Kind, int], before: Job, after: Job) -> Map[Kind, int]:
    old, new = _kind(before), _kind(after)
    if old == new:
        return counts
    left = counts[old] - 1
    counts = counts.set(old, left) if left else counts.delete(old)
    return counts.set(new, counts.get(new, 0) + 1)
