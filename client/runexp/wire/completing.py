"""What a shell completes that lies on a cluster. A part of runexp.wire.requests."""

from runexp.wire.message import Message


class Directories(Message, frozen=True, kw_only=True):
    """Directories whose path begins so, on a cluster whose connection is open. Answered by `DirectoriesReply`."""

    cluster: str
    #: As it is typed; `~` is the home there.
    path: str


class DirectoriesReply(Message, frozen=True, kw_only=True):
    #: Each with a slash behind it; none where nobody can tell at once.
    paths: tuple[str, ...]
