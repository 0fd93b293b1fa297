"""An experiment as bytes, and back: what its events add up to. Pure."""

from typing import Any

import msgspec
import zstandard

from runexpd.core.job import Job
from runexpd.core.jobs import Jobs
from runexpd.core.state import Experiment

#: Of the shapes of Experiment, Job and Attempt, and of what `apply` makes of events: raised when any of them changes. What
#: another version wrote is made anew from the events.
VERSION = 1
#: No experiment is larger; a damaged file may say so.
_MOST_BYTES = 1 << 31


class Unreadable(Exception):
    """Raised for bytes that are no experiment."""


def encode(experiment: Experiment) -> bytes:
    packed = msgspec.msgpack.encode(experiment, enc_hook=_jobs_as_list)
    return zstandard.ZstdCompressor(level=3).compress(packed)


def decode(body: bytes) -> Experiment:
    """Raises Unreadable."""
    try:
        packed = zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_BYTES)
        return msgspec.msgpack.decode(packed, type=Experiment, dec_hook=_jobs_of_list)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _jobs_as_list(value: Any) -> Any:
    if isinstance(value, Jobs):
        return list(value.values())
    raise NotImplementedError(type(value))


def _jobs_of_list(kind: type, value: Any) -> Any:
    if kind is Jobs:
        return Jobs(msgspec.convert(value, list[Job]))
    raise NotImplementedError(kind)
