"""What the world can tell us. Each is taken by `observe`, whenever and however often it comes."""

import msgspec

from runexp.wire.jobs import IfChanged, JobSpec, Policy, RunSpec, Usage, Verdict
from runexp.wire.metrics import Concern
from runexp.wire.settings import Settings
from runexp.wire.views import ExperimentLine
from runexpd.core.state import Experiment


class Queued(msgspec.Struct, frozen=True, kw_only=True):
    """A job in the cluster's queue that somebody else submitted, and that runs a script of ours."""

    slurm_job_id: str
    #: What its command line holds.
    mark: str
    output: str


class ScaffoldSeen(msgspec.Struct, frozen=True, kw_only=True):
    """A scaffold that somebody asked to run, and what lies in it already."""

    #: The ledger's, or a new one where the directory isn't in it.
    experiment: str
    name: str
    dir: str
    cluster: str
    policy: Policy
    tools: dict[str, str]
    logs: dict[str, str]
    runs: tuple[RunSpec, ...]
    jobs: tuple[JobSpec, ...]
    #: What the tools said of results on disk, by job.
    verdicts: dict[str, Verdict]
    #: When looking at them began; None: when this is told.
    looked_at: float | None = None
    #: Jobs that run already, submitted by somebody else, by job.
    queued: dict[str, Queued] = {}
    #: What the scaffold says otherwise than what verified results came from, by job; of the others nothing, or it isn't known.
    changes: dict[str, tuple[str, ...]] = {}
    #: What is to become of those.
    changed: IfChanged = IfChanged.LEAVE
    #: Names of the recipes as they stand, by job, where no attempt has one.
    recipes: dict[str, str] = {}
    warnings: tuple[str, ...] = ()
    question: str = ""


class RerunWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants these jobs made anew, whatever they came to."""

    #: The scaffold and the results as they lie there now.
    seen: ScaffoldSeen
    jobs: tuple[str, ...]

    @property
    def experiment(self) -> str:
        return self.seen.experiment


class RetryWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asked to submit again what failed: of these jobs, or of all where none is named."""

    #: The scaffold and the results as they lie there now.
    seen: ScaffoldSeen
    jobs: tuple[str, ...]

    @property
    def experiment(self) -> str:
        return self.seen.experiment


class AcceptWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody takes these jobs' results as they are."""

    experiment: str
    jobs: tuple[str, ...]


class SettingWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody chose otherwise while it runs, or before it runs again; only what she typed."""

    experiment: str
    typed: Settings


class SightWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody wants an experiment that is over out of sight, or back."""

    experiment: str
    archived: bool


class CancelWanted(msgspec.Struct, frozen=True, kw_only=True):
    experiment: str
    jobs: tuple[str, ...]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    experiment: str
    job: str
    token: str
    slurm_job_id: str
    output: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    experiment: str
    job: str
    token: str
    error: str


class Deferred(msgspec.Struct, frozen=True, kw_only=True):
    experiment: str
    job: str
    token: str
    reason: str
    #: Nothing hinders another submission: this one was lost on its way.
    at_once: bool = False
    #: It concerns this job, or what its experiment needs, alone: those of others may go.
    alone: bool = False


class Unclear(msgspec.Struct, frozen=True, kw_only=True):
    experiment: str
    job: str
    token: str
    reason: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster says of one attempt."""

    experiment: str
    job: str
    token: str
    state: str
    #: It is over for good.
    final: bool
    exit_code: str = ""
    reason: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    usage: Usage | None = None
    #: Where it prints, and what it prints to stderr if that has a file of its own, where only the job's start tells.
    output: str = ""
    error: str = ""


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a cluster's watcher. A job that is left out: no news of it."""

    reports: tuple[Report, ...]


class Symptom(msgspec.Struct, frozen=True):
    """Something that is wrong, in a line with figures, and what can be done about it."""

    concern: Concern
    what: str
    hint: str = ""


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """A look at how a job is doing."""

    experiment: str
    job: str
    token: str
    #: What could be told of it, one way or the other: of all else nothing follows.
    judged: tuple[Concern, ...]
    #: What is wrong, of those.
    symptoms: tuple[Symptom, ...] = ()


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A tool looked at an ended job's results."""

    experiment: str
    job: str
    token: str
    verdict: Verdict
    #: False: it is unclear, and will be looked at again.
    final: bool = True


class MendDone(msgspec.Struct, frozen=True, kw_only=True):
    """A job's config was changed, or why it couldn't be."""

    experiment: str
    job: str
    #: Which of the job's mends this was.
    number: int
    #: Empty: it was.
    refused: str = ""


class PreparationSaid(msgspec.Struct, frozen=True, kw_only=True):
    """What was run before the evaluations has ended."""

    experiment: str
    number: int
    #: None: nobody can tell.
    exit_code: int | None
    #: The last lines of what it wrote.
    said: tuple[str, ...] = ()


class RecipeSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What decides what an attempt does was read, and is kept by this name."""

    experiment: str
    job: str
    token: str
    recipe: str


class AsideDone(msgspec.Struct, frozen=True, kw_only=True):
    """A job's old results were moved aside, or why they couldn't be."""

    experiment: str
    job: str
    #: Which time this was.
    number: int
    #: Empty: they were.
    refused: str = ""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """Of these experiments nothing is known to have been looked at: the daemon has begun, or one goes on that was parked."""

    experiments: tuple[str, ...]


class Shelved(msgspec.Struct, frozen=True, kw_only=True):
    """What an experiment's events up to `seq` add up to is kept elsewhere, and need not be at hand while it is over."""

    experiment: str
    seq: int
    line: ExperimentLine


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger was put back as it was once: how many tokens may have been used since, for each experiment that is in it."""

    tokens: int


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody takes an experiment that is over, or adrift, out of the ledger."""

    experiment: str


class Recalled(msgspec.Struct, frozen=True, kw_only=True):
    """An experiment that is over, as it was kept: something is asked of it."""

    experiment: Experiment


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


Answer = Accepted | Refused | Deferred | Unclear
#: What a person asked for.
Asked = ScaffoldSeen | RetryWanted | RerunWanted | AcceptWanted | CancelWanted | SettingWanted | SightWanted
Observation = (
    Asked
    | Answer
    | Listed
    | Examined
    | Judged
    | MendDone
    | PreparationSaid
    | RecipeSeen
    | AsideDone
    | Begun
    | Shelved
    | Recalled
    | Forgotten
    | Restored
    | Tick
)
