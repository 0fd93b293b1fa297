"""The page, asked for; and what it shows beside what is asked by others. A part of runexp.wire.requests."""

from runexp.wire.message import Message
from runexp.wire.views import ClusterView


class Clusters(Message, frozen=True, kw_only=True):
    """Where jobs run, and how the connections to there are."""


class ClustersReply(Message, frozen=True, kw_only=True):
    clusters: tuple[ClusterView, ...]


class PageAsk(Message, frozen=True, kw_only=True):
    """Serve the page if that isn't done yet, and let a browser in. Answered by a `PageOpened`."""


class PageOpened(Message, frozen=True, kw_only=True):
    #: With the token, which is good for one login within `seconds`; behind the #, so that no server is sent it unasked.
    address: str
    seconds: float
    #: Whether it can cancel and submit.
    actions: bool = False
