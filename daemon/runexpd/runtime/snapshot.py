"""An experiment as bytes, and back: what its events add up to. Pure."""

from typing import Any

import msgspec
import zstandard

from runexpd.core.held import Held
from runexpd.core.job import Job
from runexpd.core.jobs import Jobs
from runexpd.core.state import Experiment

#: Of the shapes of Experiment, Job and Attempt, and of what `apply` makes of events: raised when any of them changes, but
#: for a new field whose default is what older events come to. What another version wrote is made anew from the events.
VERSION = 6
#: No experiment is larger; a damaged file may say so.
_MOST_BYTES = 1 << 31


class Unreadable(Exception):
    """Raised for bytes that are no experiment."""


class _Whole(msgspec.Struct, array_like=True):
    """Its jobs beside it, so that they are read as what they are at once."""

    experiment: Experiment
    jobs: list[Job]


class _Written(msgspec.Struct, array_like=True):
    """The same, its jobs as they are written: they are read one at a time, and what is equal in them is made once."""

    experiment: Experiment
    jobs: list[msgspec.Raw]


_job_decoder = msgspec.msgpack.Decoder(Job)


def encode(experiment: Experiment) -> bytes:
    without = msgspec.structs.replace(experiment, jobs=Jobs())
    packed = msgspec.msgpack.encode(_Whole(without, list(experiment.jobs.values())), enc_hook=_nothing)
    # With a checksum: a bit that flips on the disk is not to become another experiment.
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(packed)


def decode(body: bytes) -> Experiment:
    """Raises Unreadable."""
    try:
        packed = zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_BYTES)
        written, held = msgspec.msgpack.decode(packed, type=_Written, dec_hook=_no_jobs), Held()
        jobs = Jobs(held.of(_job_decoder.decode(job)) for job in written.jobs)
        return msgspec.structs.replace(written.experiment, runs=held.of(written.experiment.runs), jobs=jobs)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _nothing(value: Any) -> None:
    if not isinstance(value, Jobs):
        raise NotImplementedError(type(value))


def _no_jobs(kind: type, value: Any) -> Any:
    if kind is Jobs:
        return Jobs()
    raise NotImplementedError(kind)
