"""What is chosen of a policy at `runexp run`. A part of runexp.wire.requests, by whose names it is used."""

from typing import Annotated

import msgspec

from runexp.wire.jobs import Barrier, IfChanged, OnFailure, OnStall
from runexp.wire.settings import Seconds, Times

#: What a person types; a script is for what is longer.
ShellCommand = Annotated[str, msgspec.Meta(max_length=4096)]


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What was typed of a policy; what was not stays as it is remembered."""

    on_failure: OnFailure | msgspec.UnsetType = msgspec.UNSET
    barrier: Barrier | msgspec.UnsetType = msgspec.UNSET
    oom_retries: Times | msgspec.UnsetType = msgspec.UNSET
    node_retries: Times | msgspec.UnsetType = msgspec.UNSET
    on_stall: OnStall | msgspec.UnsetType = msgspec.UNSET
    stagger_evaluations_seconds: Seconds | msgspec.UnsetType = msgspec.UNSET
    before_evaluations: ShellCommand | msgspec.UnsetType = msgspec.UNSET
    #: Of this one run: nothing remembers it.
    optimize_only: bool = False
    changed: IfChanged = IfChanged.LEAVE
