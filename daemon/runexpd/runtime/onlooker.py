"""Puts tools' questions about what jobs are doing to a host: how far one is, and what its files say since the last look.

All that a look asks for at one moment goes in one command. Understood in a child process, as all that comes from outside is.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.jobs import JobSpec, Progress
from runexpd.hosts.base import Answer, Ask, Files
from runexpd.runtime import inspector
from runexpd.runtime.digest import Indigestible, Lane, digest
from runexpd.tools import questions
from runexpd.tools.base import Attempt, Question, Tool
from runexpd.tools.curves import Mark, Point, Read, of_output


class Watched(msgspec.Struct, frozen=True):
    """What a look into a running job's files brought."""

    progress: Progress | None
    reads: tuple[Read, ...]


async def watch(
    tool: Tool, files: Files, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]
) -> Watched:
    """How far a running job is, and what it did since the last look: asked together. Raises as `progress` does."""
    found = await _asked(watched, tool, files, job, attempt, marks)
    assert isinstance(found, Watched)
    return found


async def curves(
    tool: Tool, files: Files, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]
) -> tuple[Read, ...]:
    """What a job did since the last look. Raises as `progress` does."""
    found = await _asked(read_on, tool, files, job, attempt, marks)
    assert isinstance(found, tuple)
    return found


async def _asked(step: Callable[..., Any], tool: Tool, files: Files, *about: Any) -> Any:
    heard: tuple[tuple[Answer, ...], ...] = ()
    for _ in range(inspector.MOST_ROUNDS):
        asked = (tool, *about, heard)
        found: Any = await digest(step, *asked, seconds=inspector.PROGRESS_SECONDS, lane=Lane.LOOKING)
        if not isinstance(found, Wanted):
            return found
        heard = (*heard, tuple(await files.glance(found.asks)))
    raise Indigestible(f"{tool.name} asked {inspector.MOST_ROUNDS} times and came to no end")


class Wanted(msgspec.Struct, frozen=True):
    """What a question asks for next."""

    asks: tuple[Ask, ...]


def watched(
    tool: Tool,
    job: JobSpec,
    attempt: Attempt,
    marks: Mapping[str, Mark],
    heard: tuple[tuple[Answer, ...], ...],
) -> Wanted | Watched:
    """In the child: what it asks for next, or what it found."""
    step = inspector.after(
        questions.both(tool.progress(job, attempt), _curves(tool, job, attempt, marks)), heard
    )
    if not isinstance(step, inspector.Done):
        return Wanted(step)
    assert isinstance(step.value, tuple)
    made, reads = step.value
    return Watched(inspector.shown(made), _reads(reads))


def read_on(
    tool: Tool,
    job: JobSpec,
    attempt: Attempt,
    marks: Mapping[str, Mark],
    heard: tuple[tuple[Answer, ...], ...],
) -> Wanted | tuple[Read, ...]:
    """In the child: what it asks for next, or what it found."""
    step = inspector.after(_curves(tool, job, attempt, marks), heard)
    return _reads(step.value) if isinstance(step, inspector.Done) else Wanted(step)


def _curves(
    tool: Tool, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]
) -> Question[tuple[Read, ...]]:
    asked = getattr(tool, "curves", of_output)
    return asked(job, attempt, marks)


def _reads(value: object) -> tuple[Read, ...]:
    """What can be stored and shown. Raises ValidationError."""
    reads = msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=tuple[Read, ...])
    return tuple(replace(read, points=tuple(map(_point, read.points))) for read in reads)


def _point(point: Point) -> Point:
    if point.name.isprintable() and point.label.isprintable() and 0 <= point.step < 2**53:
        return point
    return replace(
        point,
        name=printable(point.name),
        label=printable(point.label),
        step=min(max(point.step, 0), 2**53 - 1),
    )
