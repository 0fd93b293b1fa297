"""Notifications, as they are asked about: who is told of news, and how that goes."""

import msgspec


class AddressView(msgspec.Struct, frozen=True, kw_only=True):
    """Where notifications go. Nothing of the address itself is in it but which service it is of."""

    name: str
    #: `ntfy`, `mailto`; a question mark where that can't be told.
    service: str
    tells: tuple[str, ...]
    #: How many are still to be told.
    waiting: int
    #: When the last message arrived, in seconds since 1970, as far as this daemon knows.
    sent_at: float | None = None
    #: Why the last one didn't; empty when it did.
    trouble: str = ""


class Notices(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """Who is told of news, and how that goes. With `test`, each of them gets a message first."""

    #: Names; none: all.
    addresses: tuple[str, ...] = ()
    test: bool = False


class NoticesReply(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    addresses: tuple[AddressView, ...]
