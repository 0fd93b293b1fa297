"""Follows the ledger for the ends of jobs: what a job wrote last, and what nobody looked at while it ran, is read then.

A follower an experiment. How far it came is in the metrics' file: where that was deleted, it begins at the first event, and
reads all that is still there. Of experiments that are over this happens when somebody asks for their curves.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import anyio
from loguru import logger

from runexp.wire import events, states
from runexpd.clusters.base import Cluster
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment
from runexpd.hosts.base import HostUnreachable
from runexpd.ledger import codec, desk, following
from runexpd.ledger.store import Ledger
from runexpd.metrics.store import Owner
from runexpd.runtime import onlooker
from runexpd.runtime.bell import Bell
from runexpd.runtime.digest import Indigestible
from runexpd.runtime.followers import Followers, NotYet
from runexpd.runtime.recorder import Recorder
from runexpd.runtime.shelf import Removed
from runexpd.runtime.together import together
from runexpd.tools import base as tools
from runexpd.tools.base import Tool

PAGE_EVENTS = 500
#: Looks into one job's files: more is no training that anybody looks at.
MOST_LOOKS = 400
#: Experiments whose rests are read at a time, and jobs of each: what these ask for goes in one command.
_AT_ONCE = 2
_TOGETHER = 8
#: The position is kept after so many events without an end.
_SELDOM_EVENTS = 2000
_END = b'"JobEnded"'

AtHand = Callable[[str], Awaitable[Experiment]]


@dataclass(frozen=True)
class Means:
    """What all of them share. `at_hand` raises what Shelf.recall raises."""

    ledger: Ledger
    recorder: Recorder
    clusters: Mapping[str, Cluster]
    tools: Mapping[str, Tool]
    at_hand: AtHand
    #: Up to which event each experiment was followed, as far as it is kept.
    places: dict[str, int] = field(default_factory=dict)
    reading: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(_AT_ONCE))


class _News(NamedTuple):
    ends: Sequence[events.JobEnded]
    #: Of the last event that was looked at, and whether there is none after it.
    seq: int
    is_all: bool


class Rests:
    def __init__(self, means: Means, bell: Bell, running: Callable[[], Sequence[str]]) -> None:
        """`running`: the experiments that aren't over."""
        self._means = means
        self._running = running
        self._followers = Followers(means.ledger, bell, self._behind, self._begin, anyio.sleep)

    async def run(self) -> None:
        """Follow the ledger until cancelled."""
        await self._means.recorder.open()
        self._means.places.update(await self._means.recorder.positions())
        await self._followers.run()

    async def complete(self, experiment: str) -> None:
        """Read what is left to be read of one experiment, now."""
        try:
            await Rest(experiment, self._means).catch_up()
        except NotYet as why:
            logger.debug("curves of {} are as far as they were read: {}", experiment, why.what)

    def is_behind(self, experiment: Experiment) -> bool:
        """Whether something of one that is over may be left to read."""
        return self._means.places.get(experiment.id, 0) < experiment.seq

    def _behind(self) -> list[str]:
        heads = self._means.ledger.heads()
        late = [id for id, seq in self._means.places.items() if id in heads and seq < heads[id]]
        return [*dict.fromkeys([*self._running(), *late])]

    def _begin(self, experiment: str) -> "Rest":
        return Rest(experiment, self._means)


class Rest:
    """Of one experiment. A Follower."""

    def __init__(self, experiment: str, means: Means) -> None:
        self.experiment = experiment
        self._means = means
        self._seq = self._kept = means.places.get(experiment, 0)
        self._is_over = False

    @property
    def is_over(self) -> bool:
        return self._is_over

    async def catch_up(self) -> Sequence["Rest"]:
        """See Follower. Raises NotYet."""
        try:
            await self._catch_up()
        except Removed:
            self._is_over = True
        return ()

    async def _catch_up(self) -> None:
        while (news := await self._news()) is not None:
            for start in range(0, len(news.ends), _TOGETHER):
                await self._read(news.ends[start : start + _TOGETHER])
            self._seq = news.seq
            await self._keep_place()  # whoever asked may not wait for the end of it
            if news.is_all:
                break

    async def _news(self) -> "_News | None":
        """What came next, but no more of it than is needed: it may have to wait for its turn. None: nothing did."""
        ledger, id = self._means.ledger, self.experiment
        page = await desk.ask(lambda: following.page(ledger, id, self._seq, PAGE_EVENTS))
        bodies = [body for envelope in page if _END in (body := bytes(envelope.event))]
        ends = [event for event in map(codec.decode, bodies) if isinstance(event, events.JobEnded)]
        return _News(ends, page[-1].seq, len(page) < PAGE_EVENTS) if page else None

    async def _keep_place(self) -> None:
        experiment = await self._means.at_hand(self.experiment) if self._seq != self._kept else None
        self._is_over = experiment is not None and experiment.outcome is not None
        if self._is_over or self._seq - self._kept >= _SELDOM_EVENTS:
            await self._means.recorder.set_position(self.experiment, self._seq)
            self._kept = self._means.places[self.experiment] = self._seq

    async def _read(self, ends: Sequence[events.JobEnded]) -> None:
        async with self._means.reading:
            known = await self._means.at_hand(self.experiment)
            await together(*(partial(self._read_one, known, ended) for ended in ends))

    async def _read_one(self, known: Experiment, ended: events.JobEnded) -> None:
        job = known.jobs.get(ended.job)
        attempt = next((a for a in job.attempts if a.token == ended.token), None) if job else None
        if job is None or attempt is None or await self._means.recorder.is_over(ended.token):
            return
        if attempt.started_at is not None:  # what never began has written nothing
            await self._read_on(known, job, attempt)
        ran_well = ended.state == states.COMPLETED and ended.started_at is not None
        seconds = ended.ended_at - ended.started_at if ran_well and ended.started_at is not None else None
        await self._means.recorder.finish(ended.token, kind_of(known, job), tail_kind_of(known, job), seconds)

    async def _read_on(self, known: Experiment, job: Job, attempt: Attempt) -> None:
        """Raises NotYet."""
        cluster, tool = self._means.clusters.get(known.cluster), self._means.tools.get(job.spec.tool)
        if cluster is None or tool is None or not attempt.output:
            return
        owner, looked = owner_of(known, job, attempt), _as_judged(attempt)
        for _ in range(MOST_LOOKS):
            marks = await self._means.recorder.marks(attempt.token)
            try:
                reads = await onlooker.curves(tool, cluster.host, attempt.spec, looked, marks)
            except HostUnreachable as error:
                raise NotYet(f"curves wait for an answer: {error.what}") from None
            except Indigestible as error:
                logger.warning("tool {}: no curves of {}: {}", tool.name, job.spec.id, error.what)
                return
            await self._means.recorder.note(owner, reads)
            if not any(read.is_behind for read in reads):
                return


def owner_of(known: Experiment, job: Job, attempt: Attempt) -> Owner:
    return Owner(attempt.token, known.id, job.spec.id, attempt.number, attempt.started_at)


def kind_of(known: Experiment, job: Job, models: Mapping[str, str | None] | None = None) -> str:
    """Jobs of one kind run about as long: the same tool, model and task on the same cluster. `models`: of the runs."""
    model = (models_of(known) if models is None else models).get(job.spec.run)
    epochs = job.spec.facts.get("epochs")
    return "\n".join([known.cluster, job.spec.tool, job.spec.task or "", model or "", str(epochs or "")])


def tail_kind_of(known: Experiment, job: Job) -> str:
    """Of what comes after the last step: saving a model takes as long however many steps there were."""
    model = models_of(known).get(job.spec.run)
    return "\n".join([known.cluster, job.spec.tool, model or "", "after its last step"])


def models_of(known: Experiment) -> dict[str, str | None]:
    """By run."""
    return {run.name: run.model for run in known.runs}


def _as_judged(attempt: Attempt) -> tools.Attempt:
    return tools.Attempt(
        slurm_job_id=attempt.slurm_job_id or "",
        state=attempt.state,
        exit_code=attempt.exit_code,
        started_at=attempt.started_at,
        ended_at=attempt.ended_at or 0.0,
        output=attempt.output or "",
        error=attempt.error or "",
    )
