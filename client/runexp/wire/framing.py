"""Bytes to structs and back: one JSON document a line, a `Hello` from each side first.

JSON lines, because a person with `socat` can read and write them, and because field names let both sides grow.
"""

import msgspec

from runexp.wire.requests import Reply, Request

#: Goes up when an old client could misread a new daemon, or the other way round.
PROTOCOL = 4
#: A line longer than this is not ours. Views of a thousand jobs take about a megabyte.
MAX_LINE_BYTES = 64 * 1024 * 1024


class Packed(bytes):
    """A message that is a line already."""


class Hello(msgspec.Struct, frozen=True):
    protocol: int
    #: The distribution's version, for the reader.
    version: str


_encoder = msgspec.json.Encoder()
_hello = msgspec.json.Decoder(Hello)
_request: msgspec.json.Decoder[Request] = msgspec.json.Decoder(Request)
_reply: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def pack(message: Hello | Request | Reply) -> bytes:
    """A message as one line, newline included."""
    return _encoder.encode(message) + b"\n"


def unpack_hello(line: bytes) -> Hello:
    """Raises msgspec.MsgspecError."""
    return _hello.decode(line)


def unpack_request(line: bytes) -> Request:
    """Raises msgspec.MsgspecError."""
    return _request.decode(line)


def unpack_reply(line: bytes) -> Reply:
    """Raises msgspec.MsgspecError."""
    return _reply.decode(line)
