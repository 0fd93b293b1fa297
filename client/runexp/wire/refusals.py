"""What the daemon says when it won't: one line each of what, where and what to do next."""

from enum import StrEnum

import msgspec


class Code(StrEnum):
    BAD_EXPERIMENT = "bad_experiment"
    #: No experiment, job or cluster of that name.
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    #: It is running already: attach instead.
    RUNNING = "running"
    #: There is nothing that could be done: nothing to retry, nothing to cancel.
    NOTHING_TO_DO = "nothing_to_do"
    #: The cluster did not answer; ask again.
    UNREACHABLE = "unreachable"
    #: All places are taken; ask again.
    BUSY = "busy"
    #: Client and daemon speak different versions.
    VERSION = "version"
    BAD_REQUEST = "bad_request"
    #: A fault of the daemon's own; its journal has the details.
    INTERNAL = "internal"


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    code: Code
    what: str
    where: str = ""
    hint: str = ""
