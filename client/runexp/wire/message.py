"""What every request and reply is."""

from typing import Annotated

import msgspec

#: What every program can hold as a number.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """A line of the conversation, named by its type."""
