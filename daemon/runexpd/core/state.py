"""What the ledger's events add up to. Built by `apply` alone; dicts in here are replaced, never changed."""

from collections.abc import Iterator

import msgspec

from runexp.wire import states
from runexp.wire.jobs import Failure, JobSpec, Policy, Remedy, RunSpec, Score, Usage
from runexp.wire.states import Outcome, Phase, PhaseState, Stage


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One submission of a job."""

    number: int
    token: str
    #: The job as it was sent; whatever the scaffold says since, this is what runs, and what is judged.
    spec: JobSpec
    intended_at: float
    #: What the job's command line holds on the cluster; empty: the token.
    mark: str = ""
    accepted_at: float | None = None
    slurm_job_id: str | None = None
    state: str = states.SUBMITTING
    #: Why it is pending, or why its submission is unclear.
    reason: str | None = None
    exit_code: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    output: str | None = None
    usage: Usage | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True):
    #: As the scaffold last had it.
    spec: JobSpec
    stage: Stage = Stage.PLANNED
    #: The word that is shown.
    state: str = states.PLANNED
    #: One line for the reader: what was found, or why not.
    detail: str = ""
    #: Those the cluster took or refused, and the one under way.
    attempts: tuple[Attempt, ...] = ()
    #: The scaffold no longer has it: nothing is owed of it, and what runs of it is watched to its end.
    retired: bool = False
    cancel_asked: bool = False
    #: The token of the attempt whose results were verified; None where they were there before.
    proof: str | None = None
    #: A person took its results as they are: no look takes that back.
    accepted: bool = False
    failure: Failure | None = None
    remedy: Remedy | None = None
    #: How often it was submitted again by rule since somebody last asked.
    mends: int = 0
    requeues: int = 0
    artifacts: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def attempt(self) -> Attempt | None:
        """The newest."""
        return self.attempts[-1] if self.attempts else None

    @property
    def is_open(self) -> bool:
        """Whether the experiment's end waits for it."""
        return self.stage in states.UNDER_WAY if self.retired else self.stage not in states.SETTLED


class Experiment(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    dir: str
    cluster: str
    added_at: float
    #: When `run` or `retry` was last asked.
    asked_at: float
    policy: Policy = Policy()
    tools: dict[str, str] = {}
    #: Paths of the run logs, by `experiment`, `optimization`, `evaluation`.
    logs: dict[str, str] = {}
    runs: tuple[RunSpec, ...] = ()
    #: By id: optimization jobs in the summary's order, then evaluations in the matrix's, then retired ones.
    jobs: dict[str, Job] = {}
    #: How many tokens were ever made for it: the next is one more, whatever happened to the scaffold.
    tokens: int = 0
    optimization: PhaseState = PhaseState.CLOSED
    evaluation: PhaseState = PhaseState.CLOSED
    #: What the barrier decided, for the reader; empty before.
    barrier_reason: str = ""
    #: All that was open was asked to end.
    cancelled: bool = False
    outcome: Outcome | None = None
    ended_at: float | None = None
    warnings: tuple[str, ...] = ()
    #: The cluster took no more: until this time it gets none while it holds `held_at` of ours, or more.
    held_until: float = 0.0
    held_at: int = 0
    #: The newest event's number.
    seq: int = 0

    @property
    def current(self) -> tuple[Job, ...]:
        """The jobs that the scaffold has, in order."""
        return tuple(job for job in self.jobs.values() if not job.retired)

    def of(self, phase: Phase) -> tuple[Job, ...]:
        """Those of a phase."""
        return tuple(job for job in self.jobs.values() if job.spec.phase is phase and not job.retired)

    def phase(self, phase: Phase) -> PhaseState:
        return self.optimization if phase is Phase.OPTIMIZATION else self.evaluation


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How politely to treat a cluster. From the configuration, not from the ledger."""

    #: At most this many of ours in its queue at a time.
    max_submit: int = 25
    #: Between two training submissions; they race for the Hugging Face cache otherwise.
    stagger_seconds: float = 5.0


class Parked(msgspec.Struct, frozen=True):
    """Why nothing more is done with an experiment."""

    why: str
    #: What is known of it can't be relied on: nobody can have it tried again.
    for_good: bool = False


class State(msgspec.Struct, frozen=True, kw_only=True):
    experiments: dict[str, Experiment] = {}
    #: By cluster name.
    limits: dict[str, Limits] = {}
    #: Experiments with which nothing more is done, by id: a fault of ours with one is not the others' affair.
    parked: dict[str, Parked] = {}

    def running(self) -> Iterator[Experiment]:
        """Experiments that aren't over, the longest waiting first."""
        yield from sorted(
            (e for e in self.experiments.values() if e.outcome is None and e.id not in self.parked),
            key=lambda e: (e.asked_at, e.id),
        )
