"""An experiment as bytes, and back: what its events add up to, and its row of `runexp ls`. Pure."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import zstandard

from runexp.wire.views import ExperimentLine
from runexpd.core.held import Held
from runexpd.core.job import Job
from runexpd.core.jobs import Jobs
from runexpd.core.state import Experiment

T = TypeVar("T", Experiment, ExperimentLine)

#: Of the shapes of Experiment, Job and Attempt, and of what `apply` makes of events: raised when any of them changes, but
#: for a new field whose default is what older events come to. What another version wrote is made anew from the events.
VERSION = 6
#: No experiment is larger; a damaged file may say so.
_MOST_BYTES = 1 << 31


class Unreadable(Exception):
    """Raised for bytes that are no experiment, or another."""


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
    return _sealed(packed)


def decode(body: bytes, id: str) -> Experiment:
    """The experiment of this id. Raises Unreadable."""
    with _read():
        written, held = msgspec.msgpack.decode(_unsealed(body), type=_Written, dec_hook=_no_jobs), Held()
        jobs = Jobs(held.of(_job_decoder.decode(job)) for job in written.jobs)
        found = msgspec.structs.replace(written.experiment, runs=held.of(written.experiment.runs), jobs=jobs)
    return _of(id, found)


def encode_line(line: ExperimentLine) -> bytes:
    return _sealed(msgspec.json.encode(line))


def decode_line(body: bytes, id: str) -> ExperimentLine:
    """How the experiment of this id is shown. Raises Unreadable."""
    with _read():
        found = msgspec.json.decode(_unsealed(body), type=ExperimentLine)
    return _of(id, found)


def _sealed(packed: bytes) -> bytes:
    """With a checksum: a bit that flips on the disk is not to become another experiment."""
    return zstandard.ZstdCompressor(level=3, write_checksum=True).compress(packed)


def _unsealed(body: bytes) -> bytes:
    if zstandard.frame_content_size(body) > _MOST_BYTES:  # room for all of it would be made at once
        raise ValueError("it says that it is larger than any")
    return zstandard.ZstdDecompressor().decompress(body, max_output_size=_MOST_BYTES)


@contextmanager
def _read() -> Iterator[None]:
    """Raises Unreadable for what goes wrong."""
    try:
        yield
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError, TypeError, KeyError) as error:
        raise Unreadable(f"{type(error).__name__}: {error}") from None


def _of(id: str, found: T) -> T:
    """Pages of a file that were swapped are whole, each of them."""
    if found.id != id:
        raise Unreadable(f"it is that of {found.id}")
    return found


def _nothing(value: Any) -> None:
    if not isinstance(value, Jobs):
        raise NotImplementedError(type(value))


def _no_jobs(kind: type, value: Any) -> Any:
    if kind is Jobs:
        return Jobs()
    raise NotImplementedError(kind)
