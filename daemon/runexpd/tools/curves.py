"""How files that grow are read on: from where reading stopped, whole lines only, never the whole again. Pure.

A tool says where its figures show and how its lines read (`Source`); all else is here, the same for each tool. What a line of
torchtune's loggers says (`Step 12 | loss:0.6 lr:0.001`) is understood of every tool's output.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from runexp.wire import metrics
from runexp.wire.jobs import JobSpec
from runexpd.hosts.base import Ask, Part, ReadPart
from runexpd.tools.base import Attempt, Question

#: Read of one file at a time; the rest waits for the next look.
MOST_BYTES = 256 * 1024
#: Of one file at a time: more are not believed.
MOST_POINTS = 20_000
#: Quantities of one file.
MOST_NAMES = 24
#: File systems and hosts keep time of their own; times come in whole seconds.
_CLOCK_TOLERANCE_SECONDS = 2.0

_STEP = re.compile(r"^Step (\d{1,9}) \| (.{1,2000})$", re.MULTILINE)
_ITEM = re.compile(r"([A-Za-z][\w./-]{0,59}):(\S{1,40})")
#: Others keep the name that their tool gave them.
_NAMES = {
    "tokens_per_second_per_gpu": metrics.TOKENS_PER_SECOND,
    "peak_memory_reserved": metrics.MEMORY,
    "learning_rate": metrics.LEARNING_RATE,
}


class Point(msgspec.Struct, frozen=True, array_like=True):
    """One figure."""

    name: str
    #: What it is of: a training step, or samples done, or seconds.
    step: int
    #: May be nan or infinite.
    value: float
    #: Since the source began, where its lines say so.
    seconds: float | None = None
    #: What a `metric` is called.
    label: str = ""


class Mark(msgspec.Struct, frozen=True):
    """Where reading of a file stopped."""

    path: str
    offset: int = 0
    #: How many points it has given.
    points: int = 0
    #: What its lines are read by: the header of a table.
    head: str = ""


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What a look into a file brought."""

    mark: Mark
    points: tuple[Point, ...]
    #: When the file was last written to, in seconds since 1970 by its host's clock.
    modified_at: float
    #: There is more of it than was read.
    is_behind: bool


#: What whole lines say, by their source's head; and its head from then on.
Parse = Callable[[str, str], tuple[Iterable[Point], str]]


class Source(NamedTuple):
    path: str
    parse: Parse
    #: Where reading begins, in bytes; negative: from the end.
    begin: int = 0


def follow(
    sources: Sequence[Source], marks: Mapping[str, Mark], attempt: Attempt
) -> Question[tuple[Read, ...]]:
    """Read each on. What was last written to before the attempt began is another's, and left alone."""
    known = [marks.get(source.path, Mark(source.path, source.begin)) for source in sources]
    asks: list[Ask] = [ReadPart(mark.path, mark.offset, MOST_BYTES) for mark in known]
    answers = (yield asks) if asks else ()
    earliest = (attempt.started_at or 0.0) - _CLOCK_TOLERANCE_SECONDS
    return tuple(
        _read(source, mark, part, attempt.ended_at is not None)
        for source, mark, part in zip(sources, known, answers, strict=True)
        if isinstance(part, Part) and part.fact.modified_at >= earliest
    )


def of_output(job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
    """For a tool that says nothing of it: `Step` lines in the job's output."""
    return (yield from follow([Source(attempt.output, steps)], marks, attempt))


def _read(source: Source, mark: Mark, part: Part, is_over: bool) -> Read:
    size, data = part.fact.size_bytes, part.data
    mark = msgspec.structs.replace(mark, offset=_from_the_beginning(mark.offset, size))
    if size < mark.offset:  # it was begun anew
        return Read(mark=Mark(mark.path), points=(), modified_at=part.fact.modified_at, is_behind=True)
    is_last = is_over and mark.offset + len(data) >= size
    end = len(data) if is_last else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    if end == 0 and len(data) >= MOST_BYTES:  # a line that nobody writes
        end = len(data)
    found, head = source.parse(data[:end].decode(errors="replace"), mark.head)
    points = tuple(_few(found))
    after = Mark(mark.path, mark.offset + end, mark.points + len(points), head)
    return Read(
        mark=after,
        points=points,
        modified_at=part.fact.modified_at,
        is_behind=end > 0 and after.offset < size and len(data) >= MOST_BYTES,
    )


def _from_the_beginning(offset: int, size: int) -> int:
    return offset if offset >= 0 else max(0, size + offset)


def _few(found: Iterable[Point]) -> Iterator[Point]:
    names: set[str] = set()
    for count, point in enumerate(found):
        if count >= MOST_POINTS:
            return
        if point.name in names or len(names) < MOST_NAMES:
            names.add(point.name)
            yield point


def steps(text: str, head: str) -> tuple[Iterator[Point], str]:
    """Lines of torchtune's DiskLogger and StdoutLogger: `Step 12 | loss:0.6 lr:0.001 tokens_per_second_per_gpu:86.1`."""
    return _of_steps(text), head


def _of_steps(text: str) -> Iterator[Point]:
    for line in _STEP.finditer(text):
        for name, value in _ITEM.findall(line[2]):
            if (number := number_of(value)) is not None:
                yield Point(_NAMES.get(name, name), int(line[1]), number)


def number_of(text: str) -> float | None:
    """None for what is no number; `nan` and `inf` are some."""
    try:
        return float(text)
    except ValueError:
        return None


def is_finite(value: float) -> bool:
    return math.isfinite(value)
