"""Keeps an eye on how jobs are doing: what looks bring is held against the rules of core.doing, and what changes is told the loop.

In memory only: after a restart a job is watched anew before anything is said of it. What was said is in the ledger.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import anyio
from loguru import logger

from runexp.wire import metrics, states
from runexp.wire.jobs import Progress
from runexp.wire.metrics import Concern
from runexp.wire.states import Phase, Stage
from runexpd.core import doing, waiting
from runexpd.core.commands import Watch
from runexpd.core.doing import About, Look, Vital
from runexpd.core.job import Attempt, Job
from runexpd.core.observations import Examined, Observation, Symptom
from runexpd.core.state import Experiment, State
from runexpd.core.when import lengths
from runexpd.core.when.lengths import Known, Pace, Way
from runexpd.metrics.store import Brought
from runexpd.runtime import clock
from runexpd.runtime.loop import NotTaken

#: Between two looks at what waits in queues.
QUEUE_SECONDS = 60.0
#: The rates of siblings are put together so often.
_SIBLINGS_SECONDS = 10.0


class Teller(Protocol):
    """The loop."""

    state: State

    async def tell(self, observation: Observation) -> object: ...


class Beside(NamedTuple):
    """Of jobs that should be as fast as each other, by token."""

    #: Tokens a second.
    rates: Mapping[str, float]
    #: Seconds to the first step.
    firsts: Mapping[str, float]


class Vitals:
    def __init__(self, loop: Teller) -> None:
        self._loop = loop
        #: By token, of all that were looked at and whose experiment isn't over.
        self._vitals: dict[str, Vital] = {}
        #: By token: the experiment, and what should be as fast as each other.
        self._alike: dict[str, tuple[str, str]] = {}
        self._beside: dict[tuple[str, str], tuple[float, Beside]] = {}

    def pace(self, token: str) -> Pace | None:
        """Of a job's steps, as far as they were seen."""
        known = self._vitals.get(token)
        return known.lately if known else None

    def knows(self, token: str) -> bool:
        return token in self._vitals

    def begin(self, watch: Watch, pace: Pace | None) -> None:
        """Go on from what an earlier life of the daemon's saw of it; None: nothing."""
        vital = Vital()
        if pace is not None and pace.seconds_a_step and watch.started_at is not None:
            silent = max(0.0, clock.now() - watch.started_at - pace.last_seconds)
            vital = Vital(pace=pace, pauses=(pace.seconds_a_step,), news_at=clock.steady() - silent)
        self._vitals[watch.token] = vital

    async def note(
        self,
        watch: Watch,
        progress: Progress | None,
        brought: Sequence[Brought],
        *,
        has_printed: bool = False,
    ) -> None:
        """A look brought this; nothing, too, says something. `has_printed`: its output has grown."""
        now = clock.steady()
        alike = (watch.experiment, str(watch.job.facts.get("pace") or watch.job.phase))
        self._alike[watch.token] = alike
        vital = doing.after(self._vitals.get(watch.token, Vital()), _look(brought, has_printed), now)
        job = _job(self._loop.state, watch)
        about = self._about(watch, vital, progress, job)
        self._vitals[watch.token] = vital = doing.noticed(vital, about, now)
        judged, symptoms = doing.judged(vital, about, now)
        await self._tell(watch.experiment, job, watch.token, judged, symptoms)

    def _about(self, watch: Watch, vital: Vital, progress: Progress | None, job: Job | None) -> About:
        attempt = job.attempt if job else None
        mended = job is not None and job.mends > 0
        rates, firsts = self._siblings(watch.token)
        known = Known(
            progress={watch.token: progress} if progress else {},
            paces={watch.token: vital.lately} if vital.lately else {},
        )
        return About(
            progress=progress,
            length=lengths.of_running(attempt, known, clock.now(), Way()) if attempt else None,
            limit_seconds=watch.job.time_limit_seconds,
            siblings=() if mended else rates,
            firsts=firsts,
            trains=watch.job.phase is Phase.OPTIMIZATION,
            said=frozenset(each.concern for each in attempt.health) if attempt else frozenset(),
        )

    def _siblings(self, token: str) -> tuple[list[float], list[float]]:
        """The rates of others that should be as fast, and how long they took to their first step."""
        alike, now = self._alike[token], clock.steady()
        known = self._beside.get(alike)
        if known is None or now - known[0] >= _SIBLINGS_SECONDS:
            known = self._beside[alike] = now, self._put_together(alike, now)
        return _others(known[1].rates, token), _others(known[1].firsts, token)

    def _put_together(self, alike: tuple[str, str], now: float) -> Beside:
        vitals = {t: v for t, of in self._alike.items() if of == alike and (v := self._vitals.get(t))}
        rates = {t: v.rate for t, v in vitals.items() if v.rate is not None and doing.is_fresh(v, now)}
        return Beside(rates, {t: v.pace.first_seconds for t, v in vitals.items() if v.pace is not None})

    async def run(self) -> None:
        """Look at what waits, now and then; until cancelled."""
        while True:
            await anyio.sleep(QUEUE_SECONDS)
            try:
                await self._look_at_queues()
                self._forget()
            except Exception:  # a fault of ours: nothing rests on it
                logger.exception("what waits could not be looked at")

    async def _look_at_queues(self) -> None:
        for experiment in list(self._loop.state.running()):
            if not _has_queue(experiment):
                continue
            for job, wrong in list(waiting.symptoms(experiment, clock.now())):
                if job.attempt is not None:
                    found = (wrong,) if wrong else ()
                    await self._tell(experiment.id, job, job.attempt.token, (Concern.QUEUE,), found)

    def _forget(self) -> None:
        running = {experiment.id for experiment in self._loop.state.running()}
        for token in [t for t, (experiment, _) in self._alike.items() if experiment not in running]:
            del self._alike[token]
            self._vitals.pop(token, None)
        self._beside = {alike: known for alike, known in self._beside.items() if alike[0] in running}

    async def _tell(
        self,
        experiment: str,
        job: Job | None,
        token: str,
        judged: tuple[Concern, ...],
        symptoms: tuple[Symptom, ...],
    ) -> None:
        """Only what is news."""
        if job is None or job.attempt is None or job.attempt.token != token:
            return
        said = {each.concern for each in job.attempt.health} & set(judged)
        if said == {each.concern for each in symptoms}:
            return
        seen = Examined(experiment=experiment, job=job.spec.id, token=token, judged=judged, symptoms=symptoms)
        try:
            await self._loop.tell(seen)
        except NotTaken as error:  # the next look says it again
            logger.debug("how {} is doing isn't in the ledger yet: {}", job.spec.id, error.what)


def _others(known: Mapping[str, float], token: str) -> list[float]:
    return [value for other, value in known.items() if other != token]


def _has_queue(experiment: Experiment) -> bool:
    """Whether something waits, or something was said of what waited."""
    kinds = [kind for kind, _ in experiment.jobs.counts() if kind.stage is Stage.QUEUED]
    return any(kind.state == states.PENDING for kind in kinds) or any(
        _said(job.attempt) for job in experiment.jobs.values() if job.stage is Stage.QUEUED
    )


def _said(attempt: Attempt | None) -> bool:
    return attempt is not None and any(each.concern is Concern.QUEUE for each in attempt.health)


def _job(state: State, watch: Watch) -> Job | None:
    experiment = state.experiments.get(watch.experiment)
    return experiment.jobs.get(watch.job.id) if experiment else None


def _look(brought: Sequence[Brought], has_printed: bool) -> Look:
    by_name: Mapping[str, Brought] = {series.name: series for series in brought}

    def of(name: str) -> Brought:
        return by_name.get(name, Brought(name, "", ()))

    steps = of(metrics.LOSS).points or of(metrics.SAMPLES).points
    return Look(
        steps=[(point.step, point.seconds) for point in steps],
        losses=[(point.step, point.value) for point in of(metrics.LOSS).points],
        rates=[point.value for point in of(metrics.TOKENS_PER_SECOND).points if point.value == point.value],
        has_printed=has_printed,
        gpu=[(point.seconds, point.value) for point in of(metrics.GPU_UTILIZATION).points],
    )
