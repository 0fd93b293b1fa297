"""When to ask a cluster next: a budget of queries, spent where a change is likely. Pure. Times are seconds since 1970.

A token bucket: it fills at the budget's rate, and never above what five minutes bring, so a burst is paid for by quiet before
or after it. The emptier it is, the further apart are the rounds, until they come at the budget's own rate; what is left
then is kept for ends that somebody waits for: the last job before a barrier.
"""

from collections.abc import Sequence

import msgspec

#: A round asks sacct and squeue: two queries.
ROUND_COST = 2.0
#: What the bucket holds, in minutes of its rate.
BURST_MINUTES = 5.0
#: Kept for ends that are waited for, as a share of a full bucket: this far down, other rounds come at the budget's rate.
RESERVE = 0.3
#: Between two rounds while such an end may come any moment, and how long that goes on before it was a wrong guess.
HOT_SECONDS = 0.35
HOPE_SECONDS = 8.0
#: After any other expected end.
WARM_SECONDS = 2.0
#: A job of which nothing is known is asked about at ever longer pauses: a share of the time since its last change. The
#: longest is how late a change is seen that nobody could expect: a cancel by hand, a dead node.
GROWTH = 0.5
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
#: Looks at a running job's output, which cost the scheduler nothing: shares of its time left, or of its time so far.
LOOK_SHARE_LEFT, LOOK_SHARE_SO_FAR = 0.1, 0.02
SHORTEST_LOOK_SECONDS, LONGEST_LOOK_SECONDS = 0.25, 30.0


class Bucket(msgspec.Struct, frozen=True):
    """Queries in hand."""

    per_minute: float
    queries: float
    #: When `queries` was counted.
    at: float

    @property
    def size(self) -> float:
        """What it holds when it is full."""
        return max(ROUND_COST, self.per_minute * BURST_MINUTES)


class Awaited(msgspec.Struct, frozen=True):
    """A job that a round may have news of."""

    #: When anything of it last changed.
    changed_at: float
    #: When it is expected to end; None: no idea.
    end_at: float | None = None
    #: Its end, and nothing else, lets others begin.
    is_last: bool = False


def full(per_minute: float, now: float) -> Bucket:
    bucket = Bucket(per_minute, 0.0, now)
    return Bucket(per_minute, bucket.size, now)


def refilled(bucket: Bucket, now: float) -> Bucket:
    earned = max(0.0, now - bucket.at) * bucket.per_minute / 60
    return Bucket(bucket.per_minute, min(bucket.size, bucket.queries + earned), now)


def spent(bucket: Bucket, now: float, queries: float) -> Bucket:
    """After so many. What was asked without waiting may leave a debt, of a full bucket at most."""
    after = refilled(bucket, now)
    return Bucket(after.per_minute, max(-after.size, after.queries - queries), now)


def affordable_at(bucket: Bucket, now: float) -> float:
    """When the bucket holds a round."""
    lacking = ROUND_COST - refilled(bucket, now).queries
    return now if lacking <= 0 else now + lacking * 60 / bucket.per_minute


def spacing_seconds(bucket: Bucket) -> float:
    """Between two rounds that nobody waits for: nothing from a full bucket, the budget's rate from one that is down."""
    empty = 1 - bucket.queries / bucket.size
    return 60 * ROUND_COST / bucket.per_minute * empty / (1 - RESERVE)


def next_round_at(bucket: Bucket, now: float, asked_at: float, jobs: Sequence[Awaited]) -> float:
    """When to ask again; it was last asked at `asked_at`."""
    hot = [at for job in jobs if job.is_last and (at := _hot_at(job, asked_at)) is not None]
    usual = min((_usual_at(job, asked_at) for job in jobs), default=asked_at + LONGEST_PAUSE_SECONDS)
    at = max(usual, asked_at + spacing_seconds(refilled(bucket, asked_at)))
    return max(min([at, *hot]), affordable_at(bucket, now))


def _hot_at(job: Awaited, asked_at: float) -> float | None:
    if job.end_at is None or asked_at >= job.end_at + HOPE_SECONDS:
        return None
    return max(job.end_at, asked_at + HOT_SECONDS)


def _usual_at(job: Awaited, asked_at: float) -> float:
    if job.end_at is not None and asked_at < job.end_at + WARM_SECONDS:
        return min(job.end_at + WARM_SECONDS, asked_at + LONGEST_PAUSE_SECONDS)
    since = job.changed_at if job.end_at is None else job.end_at
    pause = min(LONGEST_PAUSE_SECONDS, max(FIRST_PAUSE_SECONDS, (asked_at - since) * GROWTH))
    return max(asked_at, job.changed_at) + pause


def expected_end(started_at: float, now: float, share_done: float | None) -> float | None:
    """When a running job is likely to end, by how much of it (from 0 to 1) is done now; None: no idea.

    All of it done is no end: what a job then saves takes a time of its own.
    """
    if share_done is None or not 0 < share_done < 1:
        return None
    return started_at + (now - started_at) / share_done


def look_pause_seconds(so_far: float, left: float | None) -> float:
    """Between two looks at a running job's output: often when its end is near, seldom when it is far.

    Seconds since its start, and until its expected end: negative when that is past, None where nobody knows it.
    """
    wanted = max(1.0, so_far * LOOK_SHARE_SO_FAR) if left is None else abs(left) * LOOK_SHARE_LEFT
    return min(LONGEST_LOOK_SECONDS, max(SHORTEST_LOOK_SECONDS, wanted))
