"""What can happen to a job while it runs, beside its states. A part of runexp.wire.events, by whose names they are used."""

from runexp.wire.happening import Happening
from runexp.wire.metrics import Concern


class ConcernRaised(Happening, frozen=True, kw_only=True):
    """Something is wrong with a job that is under way. Said once, until it is withdrawn or the job is over."""

    job: str
    token: str
    concern: Concern
    #: One line, with figures.
    what: str
    #: What can be done about it; empty where nothing need be.
    hint: str = ""


class ConcernWithdrawn(Happening, frozen=True, kw_only=True):
    """It no longer is."""

    job: str
    token: str
    concern: Concern


class JobGivenUp(Happening, frozen=True, kw_only=True):
    """The policy wants a job to end that makes no step any more: it is cancelled on the cluster, with no one asking."""

    job: str
    token: str
    reason: str
