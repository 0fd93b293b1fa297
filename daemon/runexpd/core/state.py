"""What the ledger's events add up to. Built by `apply` alone; nothing in here is ever changed, only replaced."""

from collections.abc import Iterator

import msgspec
from immutables import Map

from runexp.wire import states
from runexp.wire.jobs import Policy, RunSpec
from runexp.wire.states import Outcome, Phase, PhaseState, Preparation
from runexp.wire.views import ExperimentLine
from runexpd.core.job import Job, is_open
from runexpd.core.jobs import Jobs


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    dir: str
    cluster: str
    added_at: float
    #: When `run` or `retry` was last asked.
    asked_at: float
    #: When `run` last began to look at what lies there; None: when it was asked.
    looked_at: float | None = None
    policy: Policy = Policy()
    tools: dict[str, str] = {}
    #: Paths of the run logs, by `experiment`, `optimization`, `evaluation`.
    logs: dict[str, str] = {}
    runs: tuple[RunSpec, ...] = ()
    #: By id: optimization jobs in the summary's order, then evaluations in the matrix's, then retired ones.
    jobs: Jobs = Jobs()
    #: How many tokens were ever made for it: the next is one more, whatever happened to the scaffold.
    tokens: int = 0
    #: When a training was last intended.
    trained_at: float = float("-inf")
    optimization: PhaseState = PhaseState.CLOSED
    evaluation: PhaseState = PhaseState.CLOSED
    #: When an evaluation was last intended.
    evaluated_at: float = float("-inf")
    #: The command that is run once before the first evaluation: how it stands, how often it was begun, the newest one, the last
    #: line of what it said.
    preparation: Preparation = Preparation.OWED
    preparations: int = 0
    prepared_by: str = ""
    preparation_said: str = ""
    #: What the barrier decided, for the reader; empty before.
    barrier_reason: str = ""
    #: All that was open was asked to end.
    cancelled: bool = False
    outcome: Outcome | None = None
    #: Out of sight: see events.ExperimentArchived.
    archived: bool = False
    #: What happened since a backup was made isn't known: nothing is done until somebody says `run`.
    restored: bool = False
    ended_at: float | None = None
    warnings: tuple[str, ...] = ()
    #: What it is to find out, as its summary says.
    question: str = ""
    #: The cluster took no more: until this time it gets none while it holds `held_at` of ours, or more.
    held_until: float = 0.0
    held_at: int = 0
    #: One of its own was put off, which concerns nobody else: until this time the cluster gets none of it.
    put_off_until: float = 0.0
    #: The newest event's number, and how many there are.
    seq: int = 0
    events: int = 0

    @property
    def current(self) -> tuple[Job, ...]:
        """The jobs that the scaffold has, in order."""
        return tuple(job for job in self.jobs.values() if not job.retired)

    def of(self, phase: Phase) -> tuple[Job, ...]:
        """Those of a phase."""
        return tuple(job for job in self.jobs.values() if job.spec.phase is phase and not job.retired)

    def is_settled(self, phase: Phase) -> bool:
        """Whether nothing of it is owed any more."""
        return not any(
            kind.phase is phase and not kind.retired and kind.stage not in states.SETTLED
            for kind, _ in self.jobs.counts()
        )

    @property
    def is_open(self) -> bool:
        """Whether its end waits for a job, or for what runs before the evaluations."""
        return self.preparation_runs or any(
            is_open(kind.stage, kind.retired) for kind, _ in self.jobs.counts()
        )

    @property
    def preparation_runs(self) -> bool:
        return self.preparation in (Preparation.RUNNING, Preparation.CANCELLING)

    def phase(self, phase: Phase) -> PhaseState:
        return self.optimization if phase is Phase.OPTIMIZATION else self.evaluation


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How politely to treat a cluster. From the configuration, not from the ledger."""

    #: At most this many of ours in its queue at a time.
    max_submit: int = 25
    #: Between two training submissions; they race for the Hugging Face cache otherwise.
    stagger_seconds: float = 5.0
    #: How many run at a time, where we decide it.
    max_running: int | None = None
    #: Between two submissions of evaluations.
    stagger_evaluations_seconds: float = 0.0
    #: What is run once before an experiment's first evaluation; empty: nothing.
    before_evaluations: str = ""


class Parked(msgspec.Struct, frozen=True):
    """Why nothing more is done with an experiment."""

    why: str
    #: What is known of it can't be relied on: nobody can have it tried again.
    for_good: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    experiments: dict[str, Experiment] = {}
    #: Those that are over and not at hand, by id: see observations.Shelved.
    shelved: Map[str, ExperimentLine] = Map()
    #: By cluster name.
    limits: dict[str, Limits] = {}
    #: Experiments with which nothing more is done, by id: a fault of ours with one is not the others' affair.
    parked: dict[str, Parked] = {}

    def running(self) -> Iterator[Experiment]:
        """Experiments that aren't over, the longest waiting first."""
        yield from sorted(
            (e for e in self.experiments.values() if self.is_running(e)), key=lambda e: (e.asked_at, e.id)
        )

    def known(self) -> Iterator[Experiment | ExperimentLine]:
        """All that were ever added."""
        yield from self.experiments.values()
        yield from self.shelved.values()

    def watched(self) -> Iterator[Experiment]:
        """Those of which it is of interest what the cluster says."""
        return (e for e in self.experiments.values() if self.is_watched(e))

    def is_watched(self, experiment: Experiment) -> bool:
        return experiment.outcome is None and experiment.id not in self.parked

    def is_adrift(self, experiment: Experiment) -> bool:
        """It isn't over, and nobody can tell what becomes of its jobs: its cluster has left the configuration, or its past is lost."""
        is_gone = experiment.cluster not in self.limits
        return experiment.outcome is None and (is_gone or self.is_lost(experiment.id))

    def is_out_of_sight(self, experiment: Experiment) -> bool:
        """It was archived, and nothing of it goes on: one that was adrift is in sight again with its cluster."""
        return experiment.archived and (experiment.outcome is not None or self.is_adrift(experiment))

    def is_lost(self, id: str) -> bool:
        """Its past can't be read."""
        return id in self.parked and self.parked[id].for_good

    def is_running(self, experiment: Experiment) -> bool:
        """Whether anything is begun of it."""
        return self.is_watched(experiment) and not experiment.restored
