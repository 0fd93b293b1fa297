"""A curve with fewer points that looks the same: its ends, and each bucket's lowest and highest. Pure."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple


class Placed(NamedTuple):
    """A figure, and when it was made, in seconds since its attempt began."""

    step: int
    seconds: float
    value: float


def thinned(points: Sequence[Placed], most: int) -> list[Placed]:
    """At most so many of them (and never fewer than their ends), in order. 0: all."""
    if most == 0 or len(points) <= most:
        return list(points)
    inner, buckets = points[1:-1], (most - 2) // 2
    kept = [points[0], *_picked(inner, buckets), points[-1]]
    return kept


def _picked(points: Sequence[Placed], buckets: int) -> Iterator[Placed]:
    for number in range(buckets):
        bucket = points[len(points) * number // buckets : len(points) * (number + 1) // buckets]
        yield from sorted({_lowest(bucket), max(bucket, key=_rank)}) if bucket else ()


def _lowest(bucket: Sequence[Placed]) -> Placed:
    """What is no number goes before what is low: a gap has to be seen."""
    gap = next((point for point in bucket if not math.isfinite(point.value)), None)
    return gap or min(bucket, key=lambda point: point.value)


def _rank(point: Placed) -> float:
    return point.value if math.isfinite(point.value) else -math.inf
