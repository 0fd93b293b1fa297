"""One job of an experiment, as the ledger's events left it. Frozen: a change is another one.

Nothing in it leads back to it, so Python need not look through ten thousand of them for garbage (`gc=False`).
"""

import math
from collections.abc import Iterable

import msgspec

from runexp.wire import states
from runexp.wire.jobs import Failure, JobSpec, Remedy, Resources, Resume, Score, Usage
from runexp.wire.metrics import Health
from runexp.wire.states import Stage


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
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
    #: None: not known yet.
    output: str | None = None
    #: The file that its stderr has for itself, where only its start tells; None: the spec's pattern and the id do.
    error: str | None = None
    usage: Usage | None = None
    #: What is wrong with it now, while it is under way.
    health: tuple[Health, ...] = ()
    #: Why the policy wants it to end; empty: it doesn't.
    given_up: str = ""
    #: Names what decided what it did, as it was sent; empty: not known.
    recipe: str = ""
    #: Of an evaluation: the attempts, by token, that trained what it evaluates.
    models: tuple[str, ...] = ()
    #: How its script goes on with what an earlier one had finished; None: it begins at the beginning.
    resume: Resume | None = None


class Job(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    #: As the scaffold last had it.
    spec: JobSpec
    stage: Stage = Stage.PLANNED
    #: The word that is shown.
    state: str = states.PLANNED
    #: One line for the reader: what was found, or why not.
    detail: str = ""
    #: Why it is owed, though it was done once; empty: it never was, or a person asked for it.
    why: str = ""
    #: Those the cluster took or refused, and the one under way.
    attempts: tuple[Attempt, ...] = ()
    #: The scaffold no longer has it: nothing is owed of it, and what runs of it is watched to its end.
    retired: bool = False
    cancel_asked: bool = False
    #: Until when it was put off, for a reason of its own, when it was last sent; 0: it was not.
    put_off_until: float = 0.0
    #: The token of the attempt whose results were verified; None where they were there before.
    proof: str | None = None
    #: A person took its results as they are: no look takes that back.
    accepted: bool = False
    failure: Failure | None = None
    remedy: Remedy | None = None
    #: How it could go on, or will: its next attempt takes it.
    resume: Resume | None = None
    #: Of results that no attempt of ours made: what the scaffold said when they were first seen.
    recipe: str = ""
    #: What the scaffold said otherwise, when it was last read, and whether a person keeps the results all the same.
    changes: tuple[str, ...] = ()
    kept: bool = False
    #: What is being moved aside before it is made anew, and how often that was.
    aside: tuple[str, ...] = ()
    asides: int = 0
    #: How often it was submitted again by rule since somebody last asked.
    mends: int = 0
    #: All that was ever changed by rule before it went again.
    mended: tuple[str, ...] = ()
    requeues: int = 0
    resumes: int = 0
    artifacts: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = ()
    resources: Resources | None = None

    @property
    def attempt(self) -> Attempt | None:
        """The newest."""
        return self.attempts[-1] if self.attempts else None

    @property
    def made_of(self) -> str:
        """Names the recipe that its results came from; empty: not known, or there are none."""
        if self.proof is None:
            return self.recipe
        return next((attempt.recipe for attempt in self.attempts if attempt.token == self.proof), "")

    @property
    def is_open(self) -> bool:
        """Whether the experiment's end waits for it."""
        return is_open(self.stage, self.retired)


def last_end(attempts: Iterable[Attempt]) -> float:
    """When the last of them that were jobs ended, in seconds since 1970: one that was refused never began; -inf where none has."""
    ends = (a.ended_at for a in attempts if a.ended_at is not None and a.accepted_at is not None)
    return max(ends, default=-math.inf)


def is_open(stage: Stage, retired: bool) -> bool:
    """Whether the experiment's end waits for a job in this stage: of a retired one, what runs of it is watched to its end."""
    return stage in states.UNDER_WAY if retired else stage not in states.SETTLED
