"""Hours of the day in which nothing is sent. Pure, but for the time zone of this machine."""

import re
from datetime import datetime, timedelta

_HOURS = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)-([01]?\d|2[0-3]):([0-5]\d)")


def is_written_right(hours: str) -> bool:
    """`22:00-07:00`"""
    return _HOURS.fullmatch(hours) is not None


def until(hours: str, at: float) -> float:
    """When whoever wants to send something at `at` may: at once, or at the end of the quiet hours. Seconds since 1970."""
    match = _HOURS.fullmatch(hours)
    if match is None:
        return at
    begin, end = (int(match[n]) * 60 + int(match[n + 1]) for n in (1, 3))
    here = datetime.fromtimestamp(at).astimezone()
    minute = here.hour * 60 + here.minute
    if not (begin <= minute < end if begin <= end else minute >= begin or minute < end):
        return at
    over = here.replace(hour=end // 60, minute=end % 60, second=0, microsecond=0)
    if over <= here:
        over += timedelta(days=1)
    # Once more through the naive time: the clock may be set between now and then.
    return over.replace(tzinfo=None).astimezone().timestamp()
