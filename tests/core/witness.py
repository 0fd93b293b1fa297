"""A ledger in memory that holds every event against what the core promises, and counts what took effect."""

from collections import Counter
from collections.abc import Collection, Iterator

from fakes.builders import World
from runexp.wire import events, states
from runexp.wire.events import Event
from runexp.wire.jobs import IfChanged, OnFailure
from runexp.wire.states import Phase, PhaseState, Stage
from runexpd.core import commands
from runexpd.core.apply import fold
from runexpd.core.due import due
from runexpd.core.job import Job
from runexpd.core.jobs import Jobs
from runexpd.core.observations import (
    AcceptWanted,
    Begun,
    CancelWanted,
    Forgotten,
    Listed,
    Observation,
    Recalled,
    RerunWanted,
    Restored,
    RetryWanted,
    ScaffoldSeen,
    Shelved,
    Tick,
)
from runexpd.core.observe import observe
from runexpd.core.state import Experiment
from runexpd.core.steps import prepare, submit, verify
from runexpd.core.touched import Touched

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
        #: As whoever carries commands out has it, who is told of what has changed.
        self.owed: dict[tuple[str, str], tuple[commands.Command, ...]] = {}
        self.sound = True

    def see(self, observation: Observation) -> list[Event]:
        self.told, before, entered = observation, dict(self.state.experiments), len(self.ledger)
        self.sound = False
        self.adopted: list[tuple[str, str, Collection[str]]] = []
        self.were = {(e.id, id): job.stage for e in before.values() for id, job in e.jobs.items()}
        happened = super().see(observation)
        everything = Begun(experiments=tuple(self.state.experiments))
        assert observe(self.state, everything, self.now).recorded == [], "what follows must follow at once"
        if self._says_nothing_new(observation, happened):
            again = [recorded.event for recorded in observe(self.state, observation, self.now).recorded]
            assert again == [], (
                f"it was said before: {[type(event).__name__ for event in again]}; first {[type(event).__name__ for event in happened]}"
            )
        self._check_what_is_kept_beside()
        news = [(recorded.experiment, recorded.event) for recorded in self.ledger[entered:]]
        self._check_others(news)
        self._check_pasts(before, news)
        self._check_places()
        self._check_scores(news)
        self._check_adopted()
        self._check_asked(happened)
        self.sound = True
        return happened

    def _check_what_is_kept_beside(self) -> None:
        """What is counted event by event is what a count of all comes to."""
        assert self.state == self.happened.state
        for experiment in self.state.experiments.values():
            kept, counted = experiment.jobs, Jobs(experiment.jobs.values())
            assert dict(kept.counts()) == dict(counted.counts())
            assert all(list(kept.ready(phase)) == list(counted.ready(phase)) for phase in Phase)
        self.owed = self.owed | due(self.state, self.happened.touched, self.now).jobs
        everything = due(self.state, Touched(self.state.experiments), self.now).jobs
        assert self.owed == everything

    def check_replay(self) -> None:
        assert fold(self.empty, self.ledger) == self.state

    def enter(self, experiment: str, event: Event) -> None:
        before = self.state.experiments.get(experiment)
        HAPPENED[type(event)] += 1
        if before is not None:
            JOB_STEPS.update((job.stage, type(event)) for job in touched(before, event))
            PHASE_STEPS.update((state, type(event)) for state in phases_touched(before, event))
            self._check(before, event)
        super().enter(experiment, event)
        if isinstance(event, events.AttemptIntended):
            assert self._in_flight() <= self.max_submit
        if before is not None and isinstance(event, events.RunAsked | events.RetryAsked | events.RerunAsked):
            after = self.state.experiments[experiment]
            assert all(after.phase(p) is PhaseState.RUNNING for p in Phase if is_running(before, p))

    def _check(self, before: Experiment, event: Event) -> None:
        match event:
            case events.AttemptIntended() | events.JobAdopted():
                self._note_sent(before, event)
            case events.PreparationEnded():
                assert before.preparations == event.number
            case events.PreparationDecided():
                assert isinstance(self.told, RetryWanted | AcceptWanted), "a person decides"
            case events.MendIntended() | events.JobRequeued() | events.JobResumed():
                job = before.jobs[event.job]
                assert job.attempts, "what is mended is an attempt that failed"
                assert not job.retired
                assert self.were[before.id, event.job] is not Stage.IN_DOUBT, (
                    "doubt submits nothing by itself"
                )
            case events.ResultVerified() | events.ResultAccepted():
                self.good |= {(before.id, event.job)}
            case events.ResultRejected():
                assert not before.jobs[event.job].accepted or event.failure == verify.OUTDATED
            case events.RetryAsked() | events.RerunAsked():
                self._check_again(before, event)
                self.good -= {(before.id, id) for id in event.jobs}
            case events.PhaseClosed():
                assert all(job.stage in states.SETTLED for job in before.of(event.phase))
            case events.ExperimentEnded():
                assert not any(job.is_open for job in before.jobs.values())
            case _:
                pass

    def _note_sent(self, before: Experiment, event: events.AttemptIntended | events.JobAdopted) -> None:
        assert event.token not in self.tokens, "a token was used twice"
        self.tokens |= {event.token}
        self._check_sent(before, event)

    def _check_sent(self, before: Experiment, event: events.AttemptIntended | events.JobAdopted) -> None:
        job = before.jobs[event.job]
        if isinstance(event, events.AttemptIntended):
            assert job.spec.phase is Phase.OPTIMIZATION or before.preparation not in prepare.HOLDING
            assert not job.retired
            assert (before.id, event.job) not in self.good, "what succeeded is submitted again"
        elif isinstance(self.told, ScaffoldSeen | RetryWanted):
            seen = self.told if isinstance(self.told, ScaffoldSeen) else self.told.seen
            self.adopted.append((before.id, event.job, seen.queued.keys()))
            self.good -= {(before.id, event.job)}

    def _check_again(self, before: Experiment, event: events.RetryAsked | events.RerunAsked) -> None:
        if isinstance(event, events.RetryAsked):
            self._check_retried(before, event)
        else:
            self._check_rerun(before, event)

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
        for job in before.of(Phase.EVALUATION):
            if job.spec.run in event.jobs and job.stage is Stage.VERIFIED and not before.policy.optimize_only:
                assert job.spec.id in event.jobs, "what it scored is of the old model"

    def _check_rerun(self, before: Experiment, event: events.RerunAsked) -> None:
        """Only what a person named, or said to make anew where it changed; and what was scored with it."""
        told = self.told
        named = told.jobs if isinstance(told, RerunWanted) else ()
        if isinstance(told, ScaffoldSeen) and told.changed is IfChanged.RERUN:
            named = tuple(told.changes)
        for id in event.jobs:
            job = before.jobs[id]
            trained = {t.spec.id for t in submit.trainings_of(before, job.spec.run)}
            assert id in named or (job.spec.phase is Phase.EVALUATION and trained & set(event.jobs))
            assert job.stage in states.SETTLED | {Stage.IN_DOUBT}

    def _says_nothing_new(self, observation: Observation, happened: list[Event]) -> bool:
        """What is asked of an experiment that is over is asked anew each time; so is a retry that was barred at once.

        Nor where a rule owes a job again that somebody submits by hand: it is taken up the next time. Nor where what is made
        anew left nothing to be moved aside: what lies there by then is taken as it is.
        """
        by_rule = (events.JobRequeued, events.JobResumed, events.MendIntended, events.RerunAsked)
        barred = any(isinstance(event, events.JobSkipped) for event in happened)
        if isinstance(observation, RetryWanted | RerunWanted) and barred:
            return False
        if isinstance(observation, ScaffoldSeen) and any(isinstance(e, by_rule) for e in happened):
            return False
        if isinstance(observation, ScaffoldSeen | RetryWanted | RerunWanted | AcceptWanted):
            known = self.state.experiments.get(observation.experiment)
            return known is not None and known.outcome is None
        return True

    def _check_others(self, news: list[tuple[str, Event]]) -> None:
        """The others get no more than the room that became free."""
        match self.told:
            case Tick() | Begun() | Restored():
                return
            case Listed(reports=reports):
                about = {report.experiment for report in reports}
            case Shelved() | Recalled() | Forgotten():
                about = set()
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

    def busy_places(self) -> set[str]:
        """Where something of ours is under way."""
        return {
            job.attempt.spec.place
            for experiment in self.state.experiments.values()
            for job in experiment.jobs.values()
            if job.attempt and job.stage in states.UNDER_WAY
        }

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

    def _check_adopted(self) -> None:
        for id, name, queued in self.adopted:
            experiment = self.state.experiments[id]
            job = experiment.jobs[name]
            if job.spec.phase is Phase.EVALUATION:
                for trained in submit.trainings_of(experiment, job.spec.run):
                    assert trained.stage is Stage.VERIFIED or trained.spec.id in queued

    def _check_asked(self, happened: list[Event]) -> None:
        """What a person said is done in full."""
        match self.told:
            case CancelWanted(experiment=id, jobs=()) if happened:
                assert self.state.experiments[id].cancelled
            case AcceptWanted(experiment=id) if happened:
                accepted = [event.job for event in happened if isinstance(event, events.ResultAccepted)]
                experiment = self.state.experiments[id]
                if experiment.policy.on_failure is OnFailure.CONTINUE and not experiment.policy.optimize_only:
                    for job in experiment.of(Phase.EVALUATION):
                        assert (
                            job.spec.run not in accepted or job.stage is not Stage.SKIPPED or job.cancel_asked
                        )
            case _:
                pass

    def _in_flight(self) -> int:
        """Those of a ledger that was put back may have ended long ago: they hold nobody up."""
        known = (e for e in self.state.experiments.values() if not e.restored)
        jobs = (job for e in known for job in e.jobs.values())
        return sum(job.stage in states.IN_FLIGHT for job in jobs)


def is_running(experiment: Experiment, phase: Phase) -> bool:
    return experiment.phase(phase) is PhaseState.RUNNING


def touched(experiment: Experiment, event: Event) -> Iterator[Job]:
    """The jobs of whose stage an event decides."""
    match event:
        case events.RunAsked():
            ids = tuple(spec.id for spec in event.jobs)
        case events.RetryAsked() | events.RerunAsked() | events.CancelAsked():
            ids = event.jobs
        case events.JobsRetired():
            ids = ()
        case _:
            ids = (event.job,) if hasattr(event, "job") else ()
    yield from (experiment.jobs[id] for id in ids if id in experiment.jobs)


def phases_touched(experiment: Experiment, event: Event) -> Iterator[PhaseState]:
    match event:
        case events.RunAsked() | events.RetryAsked() | events.RerunAsked():
            yield from (experiment.optimization, experiment.evaluation)
        case events.PhaseOpened() | events.PhaseClosed():
            yield experiment.phase(event.phase)
        case events.BarrierCleared(evaluate=False):
            yield experiment.evaluation
        case _:
            pass
