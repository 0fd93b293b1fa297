"""Events about what results are made of, and about making them anew. A part of runexp.wire.events."""

import msgspec

from runexp.wire.happening import Happening
from runexp.wire.jobs import JobSpec


class RetryAsked(Happening, frozen=True, kw_only=True):
    """`runexp retry`: these failed jobs, and the skipped ones that waited for them, are owed again."""

    jobs: tuple[str, ...]
    #: Their scripts and configs as they stand now.
    specs: tuple[JobSpec, ...] = ()
    #: What reading the scaffold warned of, as it stands now; None: it wasn't read, or in a ledger from before this was kept.
    warnings: tuple[str, ...] | None = None


class RerunAsked(Happening, frozen=True, kw_only=True):
    """`runexp rerun`: these jobs are owed again, whatever they came to."""

    jobs: tuple[str, ...]
    #: Their scripts and configs as they stand now.
    specs: tuple[JobSpec, ...]
    #: What changed since their results were made, by job, where it is known.
    why: dict[str, str] = msgspec.field(default_factory=dict)
    #: What reading the scaffold warned of, as it stands now; None: in a ledger from before this was kept.
    warnings: tuple[str, ...] | None = None


class RecipeRecorded(Happening, frozen=True, kw_only=True):
    """What decides what a job does was read, as it stands: for an attempt, when it was sent."""

    job: str
    #: None: for results that were there before any attempt, as of when they were first seen.
    token: str | None
    #: Names a `runexp.wire.recipes.Recipe`, which the daemon keeps.
    recipe: str
    #: Of an evaluation: the attempts, by token, that trained what it evaluates.
    models: tuple[str, ...] = ()


class ChangeSeen(Happening, frozen=True, kw_only=True):
    """What the scaffold says is no longer what a job's results came from; nothing: it is so again."""

    job: str
    #: By value: `lora_rank 4 -> 2`.
    changes: tuple[str, ...]
    #: A person keeps the results all the same.
    kept: bool = False


class AsideIntended(Happening, frozen=True, kw_only=True):
    """A job is made anew: what lies at these paths, on the cluster, is about to be moved aside."""

    job: str
    paths: tuple[str, ...]
    #: Counted from 1; with the experiment's id it names the directory, beside each, that they are moved into.
    number: int


class ResultsSetAside(Happening, frozen=True, kw_only=True):
    """The old results are out of the way: the job is owed."""

    job: str


class AsideRefused(Happening, frozen=True, kw_only=True):
    """The old results could not be moved: nothing is submitted over them."""

    job: str
    reason: str
