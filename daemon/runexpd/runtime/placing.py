"""When each step was made: lines seldom say so, but between two looks a run goes at one pace. Pure."""

from collections.abc import Sequence

import msgspec

from runexpd.metrics.store import Brought
from runexpd.metrics.thin import Placed
from runexpd.tools.curves import Mark, Point, Read


class Place(msgspec.Struct, frozen=True):
    """How far a file was read, and when its last point was made, in seconds since the attempt began."""

    mark: Mark
    seconds: float = 0.0


def placed(read: Read, since_seconds: float, began_at: float | None) -> tuple[list[Brought], Place]:
    """A look's points by series. `since_seconds`: when the last point before them was made, or at least none had been."""
    upto = since_seconds if began_at is None else max(since_seconds, read.modified_at - began_at)
    times = _times(read.points, since_seconds, upto)
    found: dict[str, list[Placed]] = {}
    labels: dict[str, str] = {}
    for point in read.points:
        seconds = times[point.step] if point.seconds is None else point.seconds
        found.setdefault(point.name, []).append(Placed(point.step, seconds, point.value))
        labels[point.name] = point.label
    brought = [Brought(name, labels[name], points) for name, points in found.items()]
    return brought, Place(read.mark, upto if read.points else since_seconds)


def _times(points: Sequence[Point], since: float, upto: float) -> dict[int, float]:
    steps = list(dict.fromkeys(point.step for point in points if point.seconds is None))
    return {step: since + (upto - since) * n / len(steps) for n, step in enumerate(steps, start=1)}
