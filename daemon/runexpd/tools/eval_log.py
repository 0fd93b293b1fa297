"""inspect-ai's logs, read without inspect-ai, of versions 0.3.100 and later. Pure.

In a `.eval` the header is the last entry of a zip, so its last 64 kB suffice; entries are compressed with deflate, or with zstd
since 0.3.209, and a log that isn't finished has none. A `.json` begins with what a header holds, and its samples follow. Names
sort by the UTC time of their start.
"""

import json
import math
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import msgspec

from runexp.wire.jobs import Score
from runexpd.hosts.base import Answer, Ask, FileFact, Missing, Part, ReadPart, Withheld
from runexpd.tools import json_head, questions, zip_tail

ENDING = ".eval"
#: `--log-format json`. Other files may end so, too.
JSON_ENDING = ".json"
HEADER = "header.json"
TAIL_BYTES = 64 * 1024
#: A directory of fifty thousand samples, and a header with a long traceback in it, are shorter than this.
_MOST_TAIL_BYTES = 4 * 1024 * 1024
_JSON_BYTES = 256 * 1024
#: What the header itself may need beside a directory of known length.
_ROOM_BYTES = 1024 * 1024
_MOST_HEADER_BYTES = 16 * 1024 * 1024
_MOST_SCORES = 200
_MOST_NAME_CHARACTERS = 100
_STARTED = re.compile(r"\d{4}-\d\d-\d\dT\d\d[-:]\d\d[-:]\d\d")


class Metric(msgspec.Struct):
    value: float | None = None


class Scorer(msgspec.Struct):
    name: str
    scorer: str | None = None
    metrics: dict[str, Metric] = {}
    scored_samples: int | None = None


class Results(msgspec.Struct):
    total_samples: int = 0
    completed_samples: int = 0
    scores: list[Scorer] = []


class Error(msgspec.Struct):
    message: str = ""
    traceback: str = ""


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


class NotALog(Exception):
    """Raised when a file holds no header: it is unfinished, cut short, or something else."""


class NeedsMore(Exception):
    """Raised when an answer doesn't reach back to the header."""

    def __init__(self, more: Ask) -> None:
        super().__init__()
        #: What does.
        self.more = more


class Unreadable(Exception):
    """Raised when the host doesn't let us read a log."""


def order(fact: FileFact) -> tuple[str, str]:
    """Sorts logs by their start; what isn't named as inspect-ai does it comes before all that is."""
    name = questions.name(fact)
    started = _STARTED.match(name)
    return (started[0] if started else "", name)


def is_log(fact: FileFact) -> bool:
    """Whether a file is one, by its name."""
    name = questions.name(fact)
    json_log = name.endswith(JSON_ENDING) and _STARTED.match(name) is not None
    return questions.is_file(fact) and (name.endswith(ENDING) or json_log)


def first_look(fact: FileFact) -> Ask:
    """The end of a log, where its header mostly is; of a `.json` its beginning."""
    if fact.path.endswith(JSON_ENDING):
        return ReadPart(fact.path, 0, _JSON_BYTES)
    size = min(fact.size_bytes, TAIL_BYTES)
    return ReadPart(fact.path, -size, size)


def read(answer: Answer) -> Header:
    """The header in the end of a log. Raises NotALog, NeedsMore, Unreadable."""
    match answer:
        case Part(fact, data) if fact.path.endswith(JSON_ENDING):
            return _beginning(fact, data)
        case Part(fact, data):
            try:
                return parse(data)
            except zip_tail.NeedsMore as more:
                wanted = min(more.least_bytes + _ROOM_BYTES, _MOST_TAIL_BYTES, fact.size_bytes)
                if wanted <= len(data):
                    raise NotALog("its header can't be read") from None
                raise NeedsMore(ReadPart(fact.path, -wanted, wanted)) from None
        case Missing():
            raise NotALog("it is gone")
        case Withheld(why):
            raise Unreadable(why)
        case _:
            raise NotALog("it is no file")


def _beginning(fact: FileFact, data: bytes) -> Header:
    try:
        return _header(json_head.read(data.decode(errors="replace"), until=("samples", "reductions")))
    except json_head.NoObject as why:
        raise NotALog(f"its header is not as expected: {why}") from None
    except json_head.CutShort:
        wanted = min(fact.size_bytes, _MOST_TAIL_BYTES)
        if wanted > len(data):
            raise NeedsMore(ReadPart(fact.path, 0, wanted)) from None
        raise NotALog("it was never finished") from None


def _header(document: object) -> Header:
    """Raises NotALog."""
    try:
        return msgspec.convert(document, Header)
    except (ValueError, RecursionError, OverflowError) as error:
        raise NotALog(f"its header is not as expected: {error}") from None


def parse(tail: bytes) -> Header:
    """The header in the end of a log, of any length that holds it. Raises NotALog, zip_tail.NeedsMore."""
    try:
        # Not msgspec's own reading: inspect-ai writes NaN and Infinity, which are no JSON.
        return _header(json.loads(zip_tail.read(tail, HEADER, _MOST_HEADER_BYTES)))
    except zip_tail.NotAnArchive as why:
        raise NotALog(str(why)) from None
    except zip_tail.NoSuchFile:
        raise NotALog("it was never finished") from None
    except zip_tail.Unreadable as why:
        raise NotALog(f"its header can't be read: {why}") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise NotALog(f"its header is not as expected: {error}") from None


def begun_at(header: Header) -> float | None:
    """In seconds since 1970; None where the header doesn't say, or not in which time zone."""
    return seconds(header.eval.created)


def seconds(iso: str) -> float | None:
    """Of a time as logs write it, since 1970; None where it is none, or doesn't say in which time zone."""
    try:
        at = datetime.fromisoformat(iso)
        return at.timestamp() if at.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def scores(results: Results) -> tuple[Score, ...]:
    """Every metric of every scorer that is a number."""
    return tuple(score for score in _all_scores(results) if math.isfinite(score.value))


def not_numbers(results: Results) -> tuple[str, ...]:
    """The others: `match stderr is nan`."""
    return tuple(
        f"{s.name} {s.metric} is {s.value}" for s in _all_scores(results) if not math.isfinite(s.value)
    )


def _all_scores(results: Results) -> Iterator[Score]:
    found = (
        Score(_name(scorer.name), _name(metric), value.value, _count(results, scorer))
        for scorer in results.scores
        for metric, value in scorer.metrics.items()
        if value.value is not None
    )
    return islice(found, _MOST_SCORES)


def _count(results: Results, scorer: Scorer) -> int:
    """Of scored samples; older logs count the completed ones alone."""
    count = scorer.scored_samples
    return (
        count if count is not None and 0 <= count <= results.completed_samples else results.completed_samples
    )


def _name(text: str) -> str:
    return questions.line(text, _MOST_NAME_CHARACTERS)
