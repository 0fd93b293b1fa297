"""Times for a reader. Pure but for the zone and the day that it is."""

import time

from runexp.wire.metrics import Estimate


def stopwatch(seconds: float | None) -> str:
    """As Slurm writes it: `0:09`, `12:05`, `1:03:22`, `3-04:12:00`; empty for None."""
    if seconds is None:
        return ""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60 % 60, whole // 3600 % 24, whole // 86400
    if days:
        return f"{days}-{hours:02d}:{minutes:02d}:{whole % 60:02d}"
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def hour(at: float) -> str:
    """`17:40`, on another day `Tue 17:40`, in more than a week `2026-12-24`. `at`: seconds since 1970."""
    then, now = time.localtime(at), time.time()
    if then[:3] == time.localtime(now)[:3]:
        return time.strftime("%H:%M", then)
    return time.strftime("%a %H:%M" if abs(at - now) < 6 * 86400 else "%Y-%m-%d", then)


def likely(estimate: Estimate) -> str:
    """`17:40 (17:31-17:55)`: the likely time, and between which it is 9 times of 10."""
    middle, early, late = hour(estimate.likely_at), hour(estimate.earliest_at), hour(estimate.latest_at)
    return middle if early == late else f"{middle} ({early}-{late})"
