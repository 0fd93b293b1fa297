"""A ledger in memory that holds every event against what the core promises, and counts what took effect."""

from collections import Counter
from collections.abc import Iterator

from fakes.builders import World
from runexp.wire import events, states
from runexp.wire.events import Event
from runexp.wire.states import Phase, PhaseState, Stage
from runexpd.core.apply import fold
from runexpd.core.observations import (
    AcceptWanted,
    Listed,
    Observation,
    RetryWanted,
    ScaffoldSeen,
    Tick,
)
from runexpd.core.observe import observe
from runexpd.core.state import Experiment, Job
from runexpd.core.steps import submit

#: Over all worlds: events, and what they did to jobs and to phases.
HAPPENED: Counter[type[Event]] = Counter()
JOB_STEPS: Counter[tuple[Stage, type[Event]]] = Counter()
PHASE_STEPS: Counter[tuple[PhaseState, type[Event]]] = Counter()


class Witness(World):
    """Fails where an event, or what an observation came to, breaks a promise."""

    def __init__(self, *, max_submit: int, stagger_seconds: float) -> None:
        super().__init__(max_submit=max_submit, stagger_seconds=stagger_seconds)
        self.max_submit = max_submit
        self.tokens: frozenset[str] = frozenset()
        #: Verified or accepted, and not made anew since a person asked for that: (experiment, job).
        self.good: frozenset[tuple[str, str]] = frozenset()
        self.told: Observation = Tick()
        self.sound = True

    def see(self, observation: Observation) -> list[Event]:
        self.told, before, entered = observation, dict(self.state.experiments), len(self.ledger)
        self.sound = False
        happened = super().see(observation)
        assert observe(self.state, Tick(), self.now) == [], "what follows must follow at once"
        if self._says_nothing_new(observation, happened):
            assert observe(self.state, observation, self.now) == [], "it was said before"
        news = [(recorded.experiment, recorded.event) for recorded in self.ledger[entered:]]
        self._check_others(news)
        self._check_pasts(before, news)
        self._check_places()
        self._check_scores(news)
        self.sound = True
        return happened

    def check_replay(self) -> None:
        assert fold(self.empty, self.ledger) == self.state

    def enter(self, experiment: str, event: Event) -> None:
        before = self.state.experiments.get(experiment)
        HAPPENED[type(event)] += 1
        if before is not None:
            self._check(before, event)
        super().enter(experiment, event)
        if isinstance(event, events.AttemptIntended):
            assert self._in_flight() <= self.max_submit

    def _check(self, before: Experiment, event: Event) -> None:
        JOB_STEPS.update((job.stage, type(event)) for job in touched(before, event))
        PHASE_STEPS.update((state, type(event)) for state in phases_touched(before, event))
        if isinstance(event, events.AttemptIntended | events.JobAdopted):
            assert event.token not in self.tokens, "a token was used twice"
            self.tokens |= {event.token}
        if isinstance(event, events.AttemptIntended):
            assert not before.jobs[event.job].retired
            assert (before.id, event.job) not in self.good, "what succeeded is submitted again"
        if isinstance(event, events.ResultVerified | events.ResultAccepted):
            self.good |= {(before.id, event.job)}
        if isinstance(event, events.JobAdopted):
            self.good -= {(before.id, event.job)}
        if isinstance(event, events.MendIntended):
            was = self.state.experiments[before.id].jobs[event.job]
            assert was.attempts, "a mend is of an attempt that failed"
        if isinstance(event, events.RetryAsked):
            self._check_retried(before, event)
            self.good -= {(before.id, id) for id in event.jobs}

    def _check_retried(self, before: Experiment, event: events.RetryAsked) -> None:
        """Doubt and success are a person's to overrule, or follow from a model that is made anew."""
        named = self.told.jobs if isinstance(self.told, RetryWanted) else ()
        for id in event.jobs:
            job = before.jobs[id]
            anew = job.spec.phase is Phase.EVALUATION and any(
                trained.spec.id in event.jobs for trained in submit.trainings_of(before, job.spec.run)
            )
            assert job.stage is not Stage.IN_DOUBT or id in named or anew
            assert (before.id, id) not in self.good or id in named or anew or job.stage is Stage.FAILED

    def _says_nothing_new(self, observation: Observation, happened: list[Event]) -> bool:
        """What is asked of an experiment that is over is asked anew each time; so is what was barred at once."""
        if isinstance(observation, RetryWanted) and any(isinstance(e, events.JobSkipped) for e in happened):
            return False
        if isinstance(observation, ScaffoldSeen | RetryWanted | AcceptWanted):
            known = self.state.experiments.get(observation.experiment)
            return known is not None and known.outcome is None
        return True

    def _check_others(self, news: list[tuple[str, Event]]) -> None:
        """The others get no more than the room that became free."""
        match self.told:
            case Tick():
                return
            case Listed(reports=reports):
                about = {report.experiment for report in reports}
            case told:
                about = {told.experiment}
        assert all(
            experiment in about or isinstance(event, events.AttemptIntended) for experiment, event in news
        )

    def _check_pasts(self, before: dict[str, Experiment], news: list[tuple[str, Event]]) -> None:
        """Jobs and attempts only ever become more; one that was put off had not been sent."""
        put_off = {(id, e.job, e.token) for id, e in news if isinstance(e, events.SubmitDeferred)}
        for id, experiment in before.items():
            now = self.state.experiments[id].jobs
            for job in experiment.jobs.values():
                had = [a.token for a in job.attempts if (id, job.spec.id, a.token) not in put_off]
                assert [a.token for a in now[job.spec.id].attempts][: len(had)] == had

    def _check_places(self) -> None:
        places = [
            job.attempt.spec.place
            for experiment in self.state.experiments.values()
            for job in experiment.jobs.values()
            if job.attempt and job.spec.phase is Phase.OPTIMIZATION
            if job.stage in states.IN_FLIGHT | {Stage.ENDED}
        ]
        assert len(places) == len(set(places)), "two attempts train in one directory"

    def _check_scores(self, news: list[tuple[str, Event]]) -> None:
        for id, event in news:
            if isinstance(event, events.ResultVerified) and event.token is None:
                experiment = self.state.experiments[id]
                job = experiment.jobs[event.job]
                if job.spec.phase is Phase.EVALUATION:
                    trained = submit.trainings_of(experiment, job.spec.run)
                    assert all(t.stage is Stage.VERIFIED for t in trained), (
                        "scores of a model that is to come"
                    )

    def _in_flight(self) -> int:
        jobs = (job for e in self.state.experiments.values() for job in e.jobs.values())
        return sum(job.stage in states.IN_FLIGHT for job in jobs)


def touched(experiment: Experiment, event: Event) -> Iterator[Job]:
    """The jobs of whose stage an event decides."""
    match event:
        case events.RunAsked():
            ids = tuple(spec.id for spec in event.jobs)
        case events.RetryAsked() | events.CancelAsked():
            ids = event.jobs
        case events.JobsRetired():
            ids = ()
        case _:
            ids = (event.job,) if hasattr(event, "job") else ()
    yield from (experiment.jobs[id] for id in ids if id in experiment.jobs)


def phases_touched(experiment: Experiment, event: Event) -> Iterator[PhaseState]:
    match event:
        case events.RunAsked() | events.RetryAsked():
            yield from (experiment.optimization, experiment.evaluation)
        case events.PhaseOpened() | events.PhaseClosed():
            yield experiment.phase(event.phase)
        case events.BarrierCleared(evaluate=False):
            yield experiment.evaluation
        case _:
            pass
