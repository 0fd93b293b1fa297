"""The configuration, read again while the daemon runs."""

from runexp.wire.message import Message


class Reload(Message, frozen=True, kw_only=True):
    """Read the configuration again; one that is wrong is refused, and changes nothing. The daemon begins again with it, as the same
    process: clients lose their connection for a moment."""


class ReloadReply(Message, frozen=True, kw_only=True):
    """It is good, and will be in force when `InfoReply.started_at` is another than this."""

    started_at: float
