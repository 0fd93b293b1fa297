"""Events of failed jobs that are owed again by rule, with no one asking. A part of runexp.wire.events, by whose names they are used."""

from runexp.wire.happening import Happening
from runexp.wire.jobs import Remedy


class MendIntended(Happening, frozen=True, kw_only=True):
    """The job's config is about to be changed as the remedy says; then it is owed again, with no one asking."""

    job: str
    remedy: Remedy
    #: Counted from 1, of so many.
    number: int
    limit: int


class Mended(Happening, frozen=True, kw_only=True):
    """The config now says what the remedy wants."""

    job: str


class MendRefused(Happening, frozen=True, kw_only=True):
    """The config could not be changed: the job stays failed."""

    job: str
    reason: str


class JobResumed(Happening, frozen=True, kw_only=True):
    """The job was killed and is owed again, with no one asking: its script goes on with what was finished."""

    job: str
    #: How it ended, and how much was finished.
    reason: str
    #: What it goes on from.
    path: str
    number: int
    limit: int


class JobRequeued(Happening, frozen=True, kw_only=True):
    """The job failed for no fault of its own and is owed again, with no one asking."""

    job: str
    reason: str
    number: int
    limit: int
