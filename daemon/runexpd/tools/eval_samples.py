"""The scores of each sample in an inspect-ai log: `summaries.json` near the end of a `.eval`, `samples` of a `.json`. Pure.

What is kept is small: eight bytes that tell a sample from others, and a number a scorer. A sample is the same in two logs when
its id, its input and its target are; of several epochs of one sample the mean counts, as inspect-ai's own reduction has it.
"""

import hashlib
import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, TypeVar

import msgspec

from runexpd.hosts.base import Answer, Ask, Missing, Part, ReadPart, Withheld
from runexpd.tools import eval_log, questions, zip_tail
from runexpd.tools.base import Question, Samples

T = TypeVar("T")

SUMMARIES = "summaries.json"
JSON_ENDING = ".json"
KEY_BYTES = 8
#: Of a `.eval`, at the first look: two hundred short samples, what is written of each behind them, and the header fit into it.
FIRST_BYTES = 32 * 1024
#: At the second, or of a `.json` at all: of two hundred thousand short samples.
MOST_BYTES = 16 * 1024 * 1024
#: Beside a directory of known length.
_ROOM_BYTES = 1024 * 1024
_MOST_UNPACKED_BYTES = 96 * 1024 * 1024
_MOST_SAMPLES = 200_000
_MOST_SCORERS = 20

#: inspect-ai's value_to_float, by which its means are made.
_WORDS = {"C": 1.0, "I": 0.0, "P": 0.5, "N": 0.0, "yes": 1.0, "true": 1.0, "no": 0.0, "false": 0.0}


class NoSamples(ValueError):
    """Raised when the samples of a log can't be had: a line that says why."""


class _Score(msgspec.Struct):
    value: Any = None


class Sample(msgspec.Struct):
    """What is read of each; the same in both forms of a log."""

    id: int | str
    input: Any = ""
    target: Any = ""
    scores: dict[str, _Score] | None = None


class _Log(msgspec.Struct):
    samples: list[Sample] = []


class _End(msgspec.Struct):
    #: ISO 8601; logs of inspect-ai 0.3.150 and earlier don't say.
    completed_at: str | None = None


def question(path: str) -> Question[Samples]:
    """Two looks at most. Raises NoSamples."""
    if path.endswith(JSON_ENDING):
        (answer,) = yield [ReadPart(path, 0, MOST_BYTES + 1)]
        return _condensed(_of_json(_data(answer)))
    return _condensed((yield from _summaries(path, Sample)))


def ends(path: str) -> Question[list[float]]:
    """When each sample of a `.eval` was completed, in seconds since 1970; of those that say so. Raises NoSamples."""
    found = (eval_log.seconds(each.completed_at or "") for each in (yield from _summaries(path, _End)))
    return [at for at in found if at is not None]


def _summaries(path: str, kind: type[T]) -> Question[list[T]]:
    """What is written of each sample at the end of a `.eval`. Raises NoSamples."""
    (answer,) = yield [ReadPart(path, -FIRST_BYTES, FIRST_BYTES)]
    try:
        return _of_eval(_data(answer), kind)
    except zip_tail.NeedsMore as more:
        (answer,) = yield [_longer(path, more.least_bytes)]
    try:
        return _of_eval(_data(answer), kind)
    except zip_tail.NeedsMore:
        raise NoSamples("its samples lie too far from its end") from None


def _longer(path: str, least_bytes: int) -> Ask:
    if least_bytes > MOST_BYTES:
        raise NoSamples(f"its samples take more than {MOST_BYTES >> 20} MiB")
    wanted = min(least_bytes + _ROOM_BYTES, MOST_BYTES)
    return ReadPart(path, -wanted, wanted)


def _data(answer: Answer) -> bytes:
    match answer:
        case Part(_, data):
            return data
        case Missing():
            raise NoSamples("it is gone")
        case Withheld(why):
            raise NoSamples(why)
        case _:
            raise NoSamples("it is no file")


def _of_eval(tail: bytes, kind: type[T]) -> list[T]:
    """Raises zip_tail.NeedsMore, NoSamples."""
    try:
        return _read(zip_tail.read(tail, SUMMARIES, _MOST_UNPACKED_BYTES), list[kind])  # type: ignore[valid-type]
    except zip_tail.NoSuchFile:
        raise NoSamples("it holds no summaries of its samples") from None
    except (zip_tail.NotAnArchive, zip_tail.Unreadable) as why:
        raise NoSamples(str(why)) from None


def _of_json(data: bytes) -> list[Sample]:
    if len(data) > MOST_BYTES:
        raise NoSamples(f"it is larger than {MOST_BYTES >> 20} MiB")
    return _read(data, _Log).samples


def _read(data: bytes, kind: type[T]) -> T:
    try:
        try:
            return msgspec.json.decode(data, type=kind)
        except msgspec.DecodeError:  # inspect-ai writes NaN and Infinity, which are no JSON
            return msgspec.convert(json.loads(data), kind)
    except (ValueError, RecursionError, OverflowError) as error:
        raise NoSamples(questions.line(f"its samples are not as expected: {error}")) from None


def _condensed(samples: list[Sample]) -> Samples:
    if len(samples) > _MOST_SAMPLES:
        raise NoSamples(f"it has more than {_MOST_SAMPLES} samples")
    values: dict[bytes, dict[str, list[float]]] = {}
    names: dict[str, None] = {}
    for sample in samples:
        mine = values.setdefault(_key(sample), {})
        for name, value in _values(sample):
            names.setdefault(name)
            mine.setdefault(name, []).append(value)
    keys = sorted(values)
    return Samples(
        keys=b"".join(keys),
        values={
            name: array("d", (_mean(values[key].get(name, ())) for key in keys)).tobytes()
            for name in islice(names, _MOST_SCORERS)
        },
    )


def _key(sample: Sample) -> bytes:
    whole = msgspec.json.encode([sample.id, sample.input, sample.target])
    return hashlib.blake2b(whole, digest_size=KEY_BYTES).digest()


def _values(sample: Sample) -> Iterator[tuple[str, float]]:
    """By scorer; a scorer of several values gives one by each of their names, as in the log's results."""
    for scorer, score in (sample.scores or {}).items():
        parts: Iterable[tuple[str, Any]] = (
            score.value.items() if isinstance(score.value, Mapping) else [(scorer, score.value)]
        )
        for name, value in parts:
            if (number := _number(value)) is not None:
                yield questions.line(str(name), 100), number


def _number(value: Any) -> float | None:
    """None for what isn't scored."""
    if isinstance(value, str):
        return _WORDS.get(value, _WORDS.get(value.lower(), _digits(value)))
    if isinstance(value, bool | int | float):
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None
    return None


def _digits(text: str) -> float:
    try:
        number = float(text[:100])
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


def _mean(values: Iterable[float]) -> float:
    """NaN: this scorer says nothing of the sample."""
    known = list(values)
    return math.fsum(known) / len(known) if known else math.nan
