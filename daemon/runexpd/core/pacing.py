"""When to ask a cluster next: a budget of queries, spent where a change is likely. Pure.

A token bucket: it fills at the budget's rate, and never above what ten minutes bring, so a burst is paid for by quiet before
or after it. A round is worth its price when some job's end (or a fresh submission's start) is near; else the rounds thin
out with the time since anything last changed.
"""

from collections.abc import Iterable

import msgspec

#: A round asks sacct and squeue: two queries.
ROUND_COST = 2.0
#: What the bucket holds, in minutes of its rate.
BURST_MINUTES = 10.0
#: Between two rounds while an end is awaited any moment.
HOT_SECONDS = 0.35
#: Without news, the pause grows with the time since the last change, by this share of it.
GROWTH = 0.3
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 120.0
#: An end that was awaited and did not come is awaited this long, hot; after that it was a wrong guess.
HOPE_SECONDS = 8.0


class Bucket(msgspec.Struct, frozen=True):
    """Queries in hand."""

    per_minute: float
    queries: float
    #: When `queries` was counted; seconds since 1970.
    at: float


def full(per_minute: float, now: float) -> Bucket:
    return Bucket(per_minute, max(ROUND_COST, per_minute * BURST_MINUTES), now)


def refilled(bucket: Bucket, now: float) -> Bucket:
    most = max(ROUND_COST, bucket.per_minute * BURST_MINUTES)
    earned = max(0.0, now - bucket.at) * bucket.per_minute / 60
    return Bucket(bucket.per_minute, min(most, bucket.queries + earned), now)


def spent(bucket: Bucket, now: float, queries: float = ROUND_COST) -> Bucket:
    """After a round at `now`."""
    after = refilled(bucket, now)
    return Bucket(after.per_minute, after.queries - queries, now)


def affordable_at(bucket: Bucket, now: float) -> float:
    """When the bucket holds a round."""
    lacking = ROUND_COST - refilled(bucket, now).queries
    return now if lacking <= 0 else now + lacking * 60 / bucket.per_minute


def next_round_at(
    bucket: Bucket, now: float, asked_at: float, changed_at: float, expected_ends: Iterable[float]
) -> float:
    """When to ask again.

    Arguments, in seconds since 1970: when it was last asked; when anything last changed (a submission, a state);
    when watched jobs are expected to end.
    """
    quiet = max(0.0, asked_at - changed_at)
    pause = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, quiet * GROWTH))
    wanted = asked_at + pause
    for end in expected_ends:
        if end - HOT_SECONDS <= wanted and asked_at < end + HOPE_SECONDS:
            wanted = min(wanted, max(end, asked_at + HOT_SECONDS))
    return max(wanted, affordable_at(bucket, now))


def expected_end(
    started_at: float, now: float, share_done: float | None, siblings_seconds: Iterable[float]
) -> float | None:
    """When a running job is likely to end: by its own progress, else as its siblings did; None: no idea.

    `share_done` is from 0 to 1; `siblings_seconds` how long finished jobs of its kind ran.
    """
    if share_done is not None and share_done > 0:
        return started_at + (now - started_at) / share_done
    durations = sorted(siblings_seconds)
    return started_at + durations[len(durations) // 2] if durations else None
