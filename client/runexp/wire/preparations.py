"""What can happen to the command before the evaluations. A part of runexp.wire.events, by whose names they are used."""

import msgspec


class _Event(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    pass


class PreparationIntended(_Event, frozen=True, kw_only=True):
    """A command is about to be run on the cluster's login node, once, before the first evaluation is submitted."""

    command: str
    #: Counted from 1.
    number: int


class PreparationEnded(_Event, frozen=True, kw_only=True):
    """It ended; but for 0 the evaluations are held until a person decides."""

    number: int
    #: None: nobody can tell.
    exit_code: int | None
    #: The last lines of what it wrote.
    said: tuple[str, ...] = ()


class PreparationCancelAsked(_Event, frozen=True, kw_only=True):
    """It is to end: somebody wants it to, or no evaluation waits for it any more."""


class PreparationDecided(_Event, frozen=True, kw_only=True):
    """`runexp retry`: it is run again; or `runexp accept`: the evaluations go on without it."""

    again: bool
