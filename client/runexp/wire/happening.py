"""What every event is."""

import msgspec


class Happening(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """A fact, named by its type."""
