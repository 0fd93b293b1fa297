"""inspect-ai's .eval logs, read without inspect-ai: the header is the last entry of a zip, so its last 64 kB suffice.

The zip's entries are compressed with zstd (method 93), which zipfile reads with zipfile_zstd. A log that isn't finished has
no header. Names sort by the UTC time of their start.
"""

import io
import json
import math
import zipfile
from collections.abc import Iterator
from datetime import datetime

import msgspec
import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

from runexp.wire.jobs import Score
from runexpd.hosts.base import FileFact, FileMissing, Files

HEADER = "header.json"
TAIL_BYTES = 64 * 1024
#: A header with a long traceback in it is smaller than this.
_MOST_TAIL_BYTES = 16 * 1024 * 1024
_END_OF_ZIP = b"PK\x05\x06"


class Metric(msgspec.Struct):
    value: float | None = None


class Scorer(msgspec.Struct):
    name: str
    scorer: str | None = None
    metrics: dict[str, Metric] = {}


class Results(msgspec.Struct):
    total_samples: int = 0
    completed_samples: int = 0
    scores: list[Scorer] = []


class Error(msgspec.Struct):
    message: str = ""


class Eval(msgspec.Struct):
    #: When it was begun, ISO 8601.
    created: str = ""
    task: str = ""
    model: str = ""
    model_args: dict[str, object] = {}


class Header(msgspec.Struct):
    """What is read of header.json, version 2."""

    status: str
    eval: Eval = msgspec.field(default_factory=Eval)
    results: Results | None = None
    error: Error | None = None
    invalidated: bool = False


def begun_at(header: Header) -> float | None:
    """In seconds since 1970; None where the header doesn't say, or not in which time zone."""
    try:
        created = datetime.fromisoformat(header.eval.created)
    except ValueError:
        return None
    return created.timestamp() if created.tzinfo is not None else None


class NotALog(Exception):
    """Raised when a file holds no header: it is unfinished, cut short, or something else."""


async def read_header(files: Files, fact: FileFact) -> Header:
    """The header of a log. Raises NotALog and HostUnreachable."""
    size = TAIL_BYTES
    while True:
        size = min(size, fact.size_bytes)
        try:
            return parse(await files.read(fact.path, -size) if size else b"")
        except FileMissing:
            raise NotALog("it is gone") from None
        except _NeedsMore:
            if size >= min(fact.size_bytes, _MOST_TAIL_BYTES):
                raise NotALog("its header can't be read") from None
            size *= 8


class _NeedsMore(Exception):
    """Raised when the tail doesn't reach back to the header."""


def parse(tail: bytes) -> Header:
    """The header in the end of a log, of any length that holds it. Raises NotALog."""
    if _END_OF_ZIP not in tail[-(22 + 65535) :]:
        raise NotALog("not finished, or cut short")
    try:
        # zipfile takes what stands before the archive for a prefix, and so reads a tail as it is.
        with zipfile.ZipFile(io.BytesIO(tail)) as archive:
            info = archive.getinfo(HEADER)
            if info.header_offset < 0:
                raise _NeedsMore
            # Not msgspec's own reading: inspect-ai writes NaN and Infinity, which are no JSON.
            return msgspec.convert(json.loads(archive.read(info)), Header)
    except KeyError:
        raise NotALog("it was never finished") from None
    except (zipfile.BadZipFile, ValueError, OSError, EOFError) as error:
        if isinstance(error, msgspec.MsgspecError | json.JSONDecodeError):
            raise NotALog(f"its header is not as expected: {error}") from None
        raise _NeedsMore from None


def scores(results: Results) -> tuple[Score, ...]:
    """Every metric of every scorer that is a number."""
    return tuple(score for score in _all_scores(results) if math.isfinite(score.value))


def not_numbers(results: Results) -> tuple[str, ...]:
    """The others: `match stderr is nan`."""
    return tuple(
        f"{s.name} {s.metric} is {s.value}" for s in _all_scores(results) if not math.isfinite(s.value)
    )


def _all_scores(results: Results) -> Iterator[Score]:
    for scorer in results.scores:
        for metric, value in scorer.metrics.items():
            if value.value is not None:
                yield Score(scorer.name, metric, value.value)
