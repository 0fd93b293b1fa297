"""Everything that can happen to an experiment, in the order of the flow. Past tense; facts, never guesses.

These are the ledger's payload and the wire's. Times are seconds since 1970, UTC.
"""

import msgspec

from runexp.wire.anew import AsideIntended as AsideIntended
from runexp.wire.anew import AsideRefused as AsideRefused
from runexp.wire.anew import ChangeSeen as ChangeSeen
from runexp.wire.anew import RecipeRecorded as RecipeRecorded
from runexp.wire.anew import RerunAsked as RerunAsked
from runexp.wire.anew import ResultsSetAside as ResultsSetAside
from runexp.wire.anew import RetryAsked as RetryAsked
from runexp.wire.concerns import ConcernRaised as ConcernRaised
from runexp.wire.concerns import ConcernWithdrawn as ConcernWithdrawn
from runexp.wire.concerns import JobGivenUp as JobGivenUp
from runexp.wire.happening import Happening
from runexp.wire.jobs import Failure, JobSpec, Policy, Remedy, Resources, Resume, RunSpec, Score, Usage
from runexp.wire.mends import JobRequeued as JobRequeued
from runexp.wire.mends import JobResumed as JobResumed
from runexp.wire.mends import Mended as Mended
from runexp.wire.mends import MendIntended as MendIntended
from runexp.wire.mends import MendRefused as MendRefused
from runexp.wire.preparations import PreparationCancelAsked as PreparationCancelAsked
from runexp.wire.preparations import PreparationDecided as PreparationDecided
from runexp.wire.preparations import PreparationEnded as PreparationEnded
from runexp.wire.preparations import PreparationIntended as PreparationIntended
from runexp.wire.settings import PolicyChanged as PolicyChanged
from runexp.wire.states import Outcome, Phase
from runexp.wire.submissions import AttemptIntended as AttemptIntended
from runexp.wire.submissions import JobAdopted as JobAdopted
from runexp.wire.submissions import SubmitAccepted as SubmitAccepted
from runexp.wire.submissions import SubmitDeferred as SubmitDeferred
from runexp.wire.submissions import SubmitRefused as SubmitRefused
from runexp.wire.submissions import SubmitUnclear as SubmitUnclear
from runexp.wire.upkeep import ExperimentArchived as ExperimentArchived
from runexp.wire.upkeep import ExperimentUnarchived as ExperimentUnarchived
from runexp.wire.upkeep import LedgerRestored as LedgerRestored


class ExperimentAdded(Happening, frozen=True, kw_only=True):
    """The ledger heard of the experiment for the first time."""

    name: str
    dir: str
    cluster: str


class RunAsked(Happening, frozen=True, kw_only=True):
    """`runexp run`: the scaffold was read and every job in it is owed, unless a later event says otherwise."""

    policy: Policy
    #: Tool by phase.
    tools: dict[str, str]
    #: Where the run logs go: paths by `experiment`, `optimization`, `evaluation`.
    logs: dict[str, str]
    runs: tuple[RunSpec, ...]
    jobs: tuple[JobSpec, ...]
    warnings: tuple[str, ...] = ()
    #: What the experiment is to find out, as its summary says.
    question: str = ""
    #: As its summary has it now; empty: as before.
    name: str = ""
    #: Of jobs that were done once, as what lies there tells: why they are owed again.
    why: dict[str, str] = msgspec.field(default_factory=dict)
    #: When looking at what lies there began; None: in a ledger from before this was kept.
    looked_at: float | None = None


class JobsRetired(Happening, frozen=True, kw_only=True):
    """The scaffold no longer has these jobs. What runs of them is watched on; nothing is owed of them until they come back."""

    jobs: tuple[str, ...]


class CancelAsked(Happening, frozen=True, kw_only=True):
    """`runexp cancel`: these jobs are to end. Planned ones are skipped, queued ones cancelled on the cluster."""

    jobs: tuple[str, ...]


class PhaseOpened(Happening, frozen=True, kw_only=True):
    """What is owed in this phase may be submitted from now on."""

    phase: Phase


class StateChanged(Happening, frozen=True, kw_only=True):
    """The cluster shows the job in another state, and it isn't over."""

    job: str
    token: str
    state: str
    #: Slurm's pending reason.
    reason: str | None = None
    started_at: float | None = None
    #: The job's output, and stderr's own file, where only its start tells their names (`%u`, `%N`); empty: as they were known.
    output: str = ""
    error: str = ""


class JobEnded(Happening, frozen=True, kw_only=True):
    """The cluster has finished with the job: an end state, with an end time, and out of the queue."""

    job: str
    token: str
    state: str
    #: `code:signal`, as sacct writes it.
    exit_code: str
    started_at: float | None
    ended_at: float
    usage: Usage | None = None
    #: As of StateChanged.
    output: str = ""
    error: str = ""


class StatusChecked(Happening, frozen=True, kw_only=True):
    """A look at the cluster brought news of the phase: how its jobs stand now."""

    phase: Phase
    #: Jobs by the word that is shown.
    counts: dict[str, int]


class ResultAwaited(Happening, frozen=True, kw_only=True):
    """What a job that ended should have left isn't to be seen: it is looked for again for a while."""

    job: str
    token: str
    detail: str


class ResultUnclear(Happening, frozen=True, kw_only=True):
    """Whether the results are good can't be told, and nothing more will come to light: a person decides."""

    job: str
    #: None for results that were there before any attempt.
    token: str | None
    detail: str
    artifacts: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


class ResultAccepted(Happening, frozen=True, kw_only=True):
    """`runexp accept`: a person takes the results as they are."""

    job: str


class ResultVerified(Happening, frozen=True, kw_only=True):
    """The job's tool found its results whole. `token` is None for results that were there before any attempt."""

    job: str
    token: str | None
    detail: str
    artifacts: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = ()
    resources: Resources | None = None


class ResultRejected(Happening, frozen=True, kw_only=True):
    """The job failed, or ended well and left no good results."""

    job: str
    token: str | None
    failure: Failure
    remedy: Remedy | None = None
    #: How it can go on, whether or not it does.
    resume: Resume | None = None
    warnings: tuple[str, ...] = ()
    resources: Resources | None = None


class JobSkipped(Happening, frozen=True, kw_only=True):
    """The job is not submitted; it is owed again if a retry mends the reason."""

    job: str
    reason: str


class BarrierCleared(Happening, frozen=True, kw_only=True):
    """Every optimization job has ended and was judged; what follows from it."""

    #: True: the evaluation phase goes ahead.
    evaluate: bool
    reason: str
    #: Runs whose checkpoints are good, and runs that failed.
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]


class PhaseClosed(Happening, frozen=True, kw_only=True):
    """Nothing more is owed in this phase."""

    phase: Phase
    succeeded: int
    total: int


class ExperimentEnded(Happening, frozen=True, kw_only=True):
    """Nothing is owed or under way any more."""

    outcome: Outcome


Event = (
    ExperimentAdded | RunAsked | JobsRetired | RetryAsked | RerunAsked | CancelAsked | PolicyChanged | PhaseOpened
    | AttemptIntended | JobAdopted | SubmitAccepted | SubmitRefused | SubmitDeferred | SubmitUnclear
    | StateChanged | ConcernRaised | ConcernWithdrawn | JobGivenUp | JobEnded | StatusChecked
    | ResultAwaited | ResultVerified | ResultUnclear | ResultAccepted | ResultRejected
    | MendIntended | Mended | MendRefused | JobRequeued | JobResumed | JobSkipped
    | RecipeRecorded | ChangeSeen | AsideIntended | ResultsSetAside | AsideRefused
    | BarrierCleared | PreparationIntended | PreparationCancelAsked | PreparationEnded | PreparationDecided | PhaseClosed | ExperimentEnded
    | ExperimentArchived | ExperimentUnarchived | LedgerRestored
)  # fmt: skip


class Envelope(msgspec.Struct, frozen=True):
    """An event with its place in the ledger. `event` stays raw, so that an older client can step over a new type."""

    seq: int
    at: float
    experiment: str
    event: msgspec.Raw


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place in the ledger, decoded."""

    seq: int
    at: float
    experiment: str
    event: Event
