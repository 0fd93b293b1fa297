"""Settings of one experiment, changed while it runs: what happens, what is asked, and what is answered."""

from typing import Annotated

import msgspec

from runexp.wire.happening import Happening
from runexp.wire.jobs import Barrier, OnFailure, OnStall, Policy
from runexp.wire.message import Message

_MOST = 31_536_000
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
Times = Annotated[int, msgspec.Meta(ge=0, le=100)]
Count = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]


class PolicyChanged(Happening, frozen=True, kw_only=True):
    """`runexp set`: from now on the experiment goes by this."""

    policy: Policy


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What may be set, of a Policy; None puts back what holds for all, where there is such a thing."""

    on_failure: OnFailure | msgspec.UnsetType = msgspec.UNSET
    barrier: Barrier | msgspec.UnsetType = msgspec.UNSET
    oom_retries: Times | msgspec.UnsetType = msgspec.UNSET
    node_retries: Times | msgspec.UnsetType = msgspec.UNSET
    on_stall: OnStall | msgspec.UnsetType = msgspec.UNSET
    max_submit: Count | msgspec.UnsetType | None = msgspec.UNSET
    stagger_seconds: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    stagger_evaluations_seconds: Seconds | msgspec.UnsetType | None = msgspec.UNSET

    def put_into(self, policy: Policy) -> Policy:
        """That policy, with what is set here."""
        values = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return msgspec.structs.replace(policy, **{n: v for n, v in values if v is not msgspec.UNSET})


class Set(Message, frozen=True, kw_only=True):
    """Change an experiment's settings; with none it only says how they are. Answered by `SetReply`."""

    experiment: str
    settings: Settings = Settings()


class SetReply(Message, frozen=True, kw_only=True):
    experiment: str
    name: str
    policy: Policy


def said(policy: Policy) -> str:
    """What is chosen, on a line; what is left to the cluster isn't in it."""
    chosen = msgspec.to_builtins(policy)
    return ", ".join(f"{name} {value}" for name, value in chosen.items() if value not in (None, False))
