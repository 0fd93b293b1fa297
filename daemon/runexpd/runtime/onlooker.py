"""Puts tools' questions about what jobs are doing to a host: how far one is, and what its files say since the last look.

All that a look asks for at one moment goes in one command. Understood in a child process, as all that comes from outside is.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.jobs import JobSpec, Progress
from runexpd.hosts.base import Files
from runexpd.runtime import inspector, rounds
from runexpd.tools import questions
from runexpd.tools.base import Attempt, Question, Tool
from runexpd.tools.curves import Mark, Point, Read, of_output

#: A running job of a tool's, and how far its files were read.
Running = tuple[Tool, JobSpec, Attempt, Mapping[str, Mark]]


class Watched(msgspec.Struct, frozen=True):
    """What a look into a running job's files brought."""

    progress: Progress | None
    reads: tuple[Read, ...]


async def watch(
    tool: Tool, files: Files, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]
) -> Watched:
    """How far a running job is, and what it did since the last look: asked together. Raises as `progress` does."""
    return await rounds.put_one(_watched, (tool, job, attempt, marks), files.glance, inspector.SHOWING)


async def curves(
    tool: Tool, files: Files, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]
) -> tuple[Read, ...]:
    """What a job did since the last look. Raises as `progress` does."""
    return await rounds.put_one(_read_on, (tool, job, attempt, marks), files.glance, inspector.SHOWING)


def _watched(about: Running) -> Question[Watched]:
    tool, job, attempt, _ = about
    made, reads = yield from questions.both(tool.progress(job, attempt), _curves(about))
    return Watched(inspector.shown(made), _reads(reads))


def _read_on(about: Running) -> Question[tuple[Read, ...]]:
    return _reads((yield from _curves(about)))


def _curves(about: Running) -> Question[tuple[Read, ...]]:
    tool, job, attempt, marks = about
    asked: Question[tuple[Read, ...]] = getattr(tool, "curves", of_output)(job, attempt, marks)
    return asked


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
