"""What becomes of experiments that are over: out of sight, out of the ledger; and of what they leave on a cluster."""

from typing import Annotated

import msgspec

from runexp.wire.happening import Happening
from runexp.wire.message import Count, Message

Days = Annotated[float, msgspec.Meta(ge=0, le=36_500)]


class ExperimentArchived(Happening, frozen=True, kw_only=True):
    """`runexp archive`: out of sight, until something is asked of it again."""


class ExperimentUnarchived(Happening, frozen=True, kw_only=True):
    """`runexp archive --undo`: in sight again."""


class LedgerRestored(Happening, frozen=True, kw_only=True):
    """The ledger is as it was once: what happened since is not in it. Nothing is done until somebody says `runexp run`."""

    #: So many tokens may have been used meanwhile; the next one is beyond.
    tokens: int


class Archive(Message, frozen=True, kw_only=True):
    """Put an experiment that is over, or whose cluster has left the configuration, out of sight. Answered by `UpkeepReply`."""

    experiment: str


class Unarchive(Message, frozen=True, kw_only=True):
    """Back in sight. Answered by `UpkeepReply`."""

    experiment: str


class Remove(Message, frozen=True, kw_only=True):
    """Take an experiment that is over out of the ledger. Its files are left as they are. Answered by `UpkeepReply`."""

    experiment: str
    #: Also one whose cluster has left the configuration before it was over: its jobs may still run there.
    abandon: bool = False


class UpkeepReply(Message, frozen=True, kw_only=True):
    experiment: str
    name: str
    #: What was left alone, in a line: jobs of it that may still run where nobody looks. Empty: nothing.
    left: str = ""


class Leftovers(Message, frozen=True, kw_only=True):
    """What submissions have left on a cluster. Answered by `LeftoversReply`."""

    cluster: str
    #: Only of experiments that have been over for so long.
    days: Days


class Discard(Message, frozen=True, kw_only=True):
    """Delete the leftovers of experiments that are over. Answered by `LeftoversReply`, of what was there before."""

    cluster: str
    days: Days


class LeftoversReply(Message, frozen=True, kw_only=True):
    cluster: str
    #: Submissions whose experiment is over, or was taken out of the ledger.
    over: Count
    #: Those whose experiment isn't over, or hasn't been for so long.
    needed: Count
    #: Those that no experiment of this ledger's knows: another daemon's, it may be.
    unknown: Count
