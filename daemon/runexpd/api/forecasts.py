"""Estimates for whoever looks: made when somebody does, not more often than they are worth, and left alone while they hardly move."""

import asyncio
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec
from loguru import logger

from runexp.wire.jobs import Progress
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Attempt
from runexpd.core.state import Experiment, Limits
from runexpd.core.when import forecast
from runexpd.core.when.forecast import Forecast
from runexpd.core.when.lengths import Known, Pace
from runexpd.hosts.threads import aside
from runexpd.runtime import clock
from runexpd.runtime.rests import kind_of, models_of, tail_kind_of

#: Between two estimates of an experiment, and for each of its jobs.
PAUSE_SECONDS, PAUSE_SECONDS_PER_JOB = 1.0, 0.002


class Site(msgspec.Struct, frozen=True):
    """What is known of a cluster; `progress` and `starts` by token."""

    progress: Mapping[str, Progress]
    starts: Mapping[str, float]
    limits: Limits
    #: Experiments that run there, too, where it is we who decide how many jobs do.
    beside: tuple[Experiment, ...] = ()


class Forecasts:
    def __init__(self, pace: Callable[[str], Pace | None], others: Callable[[str], Sequence[float]]) -> None:
        """`pace`: of an attempt, by token; `others`: how long jobs of a kind ran before, in seconds."""
        self._pace = pace
        self._others = others
        #: When it was made, after which event, and what it says.
        self._kept: dict[str, tuple[float, int, Forecast]] = {}
        #: What is being estimated, by experiment: whoever else wants it waits for the same.
        self._making: dict[str, asyncio.Task[None]] = {}

    def of(self, e: Experiment, site: Site) -> Forecast:
        """The same thing as before, where it says the same. Of very many jobs only what `refresh` made."""
        if e.outcome is not None:
            return NOTHING
        if len(e.jobs) <= MOST_AT_ONCE and self._is_old(e):
            self._keep(e, self._made(e, site, clock.now()))
        return self._kept[e.id][2] if e.id in self._kept else NOTHING

    async def refresh(self, e: Experiment, site: Site) -> None:
        """Of many jobs it takes its time: aside. It goes on when whoever asked has waited enough, and is there for the next."""
        if e.outcome is not None or len(e.jobs) <= MOST_AT_ONCE:
            return
        if e.id not in self._making and self._is_old(e):
            self._making[e.id] = asyncio.ensure_future(self._make(e, site))
        if e.id in self._making:
            await asyncio.shield(self._making[e.id])

    async def _make(self, e: Experiment, site: Site) -> None:
        now = clock.now()
        try:
            self._keep(e, await aside(lambda: self._made(e, site, now)))
        finally:
            del self._making[e.id]

    def _is_old(self, e: Experiment) -> bool:
        at, seq, _ = self._kept.get(e.id, (float("-inf"), -1, NOTHING))
        pause = PAUSE_SECONDS + PAUSE_SECONDS_PER_JOB * len(e.jobs)
        few = len(e.jobs) <= MOST_AT_ONCE
        return not 0 <= clock.now() - at < (pause / 4 if few and seq != e.seq else pause)

    def _made(self, e: Experiment, site: Site, now: float) -> Forecast:
        known = Known(
            progress=site.progress,
            paces={token: pace for token in _tokens(e) if (pace := self._pace(token)) is not None},
            starts=site.starts,
            others=self._of_others(e),
            tails=self._tails(e),
            ahead=tuple(self._ahead(e, site.beside, now)),
        )
        before = self._kept[e.id][2] if e.id in self._kept else NOTHING
        try:
            made = forecast.settled(before, forecast.of(e, known, site.limits, now), now)
        except Exception:  # a fault of ours: what is only likely is no reason to show nothing of what is
            logger.exception("nothing can be foretold of experiment {}", e.id)
            return NOTHING
        return before if made == before else made

    def _keep(self, e: Experiment, made: Forecast) -> None:
        self._kept[e.id] = clock.now(), e.seq, made

    def _of_others(self, e: Experiment) -> dict[str, Sequence[float]]:
        models = models_of(e)
        return {job.spec.id: self._others(kind_of(e, job, models)) for job in e.jobs.values()}

    def _tails(self, e: Experiment) -> dict[Phase, Sequence[float]]:
        """Of a phase's first job: the others are of the same tool."""
        first = {phase: job for phase in Phase for job in islice(e.of(phase), 1)}
        return {phase: self._others(tail_kind_of(e, job)) for phase, job in first.items()}

    def _ahead(self, e: Experiment, beside: Iterable[Experiment], now: float) -> Iterator[float]:
        """Of those that were in the queue before the first of ours that waits, as far as they have been estimated."""
        before = min((at for a in _queued(e) if a.started_at is None and (at := a.accepted_at)), default=now)
        for other in beside:
            made = self._kept[other.id][2] if other.id in self._kept and other.id != e.id else NOTHING
            for job in other.jobs.values():
                ends, begins = made.ends.get(job.spec.id), made.begins.get(job.spec.id)
                if ends and (a := job.attempt) and a.accepted_at is not None and a.accepted_at < before:
                    yield max(0.0, ends.likely_at - max(now, begins.likely_at if begins else now))

    def keep(self, at_hand: Container[str]) -> None:
        """Let go of those of all other experiments."""
        for id in [id for id in self._kept if id not in at_hand]:
            del self._kept[id]


NOTHING = Forecast()
#: More jobs than that are estimated aside, and not anew with every event.
MOST_AT_ONCE = 200


def _queued(e: Experiment) -> Iterator[Attempt]:
    return (a for job in e.jobs.values() if job.stage is Stage.QUEUED and (a := job.attempt) is not None)


def _tokens(e: Experiment) -> list[str]:
    return [job.attempt.token for job in e.jobs.values() if job.attempt is not None]
