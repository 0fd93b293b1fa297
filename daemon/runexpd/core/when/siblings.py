"""What jobs of an experiment that are over tell of those like them: how long they run, until their first step and after it.

A machine that is busy today is so for all: where those that ended lately foretell the next one better than all of them
together, as they came, these count more.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean, median

import msgspec

from runexp.wire import states
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment
from runexpd.core.when.lengths import FEW_SIBLINGS, OTHERS, SIBLINGS, Known, Length, Pace, Way

#: How much the newest counts beside those before it, where it counts more.
_NEWEST = 0.5
#: So many of the newest are looked at for that.
_LOOKED_AT = 30
_RAN_WELL = frozenset({Stage.VERIFIED, Stage.IN_DOUBT, Stage.ENDED})


class Siblings(msgspec.Struct, frozen=True):
    """Of a phase. By task, and by None for all of them."""

    lengths: Mapping[str | None, Length] = {}
    way: Way = Way()

    def length(self, task: str | None) -> Length | None:
        return self.lengths.get(task) or self.lengths.get(None)


def of(e: Experiment, phase: Phase, known: Known) -> Siblings:
    over = sorted(_over(e, phase), key=lambda each: each[0].ended_at or 0.0)
    seconds: dict[str | None, list[float]] = {}
    for attempt, ran in over:
        for key in {attempt.spec.task, None}:
            seconds.setdefault(key, []).append(ran)
    lengths = {key: middle(found, SIBLINGS, "its siblings") for key, found in seconds.items()}
    way = _way([(p, ran) for a, ran in over if (p := known.paces.get(a.token))])
    if way.tail is None and (elsewhere := known.tails.get(phase)):
        way = Way(tail=median(elsewhere))
    return Siblings(lengths, way)


def _over(e: Experiment, phase: Phase) -> Iterator[tuple[Attempt, float]]:
    """Those that ran well, with how long they did."""
    for job in e.of(phase):
        attempt = job.attempt
        if attempt is None or job.stage not in _RAN_WELL or attempt.state != states.COMPLETED:
            continue
        if attempt.started_at is not None and attempt.ended_at is not None:
            yield attempt, max(1e-3, attempt.ended_at - attempt.started_at)


def _way(known: Sequence[tuple[Pace, float]]) -> Way:
    if not known:
        return Way()
    steps = [step for pace, _ in known if (step := pace.seconds_a_step) is not None]
    return Way(
        rest=max(0.0, min(ran - pace.first_seconds for pace, ran in known)),
        step=median(steps) if steps else None,
        tail=max(0.0, median(ran - pace.last_seconds for pace, ran in known)),
    )


def middle(seconds: Sequence[float], least: float, basis: str) -> Length:
    """Of lengths in the order in which they came."""
    logs = [math.log(each) for each in seconds]
    newest = _newest(logs[-_LOOKED_AT:])
    at, off, count = newest or (median(logs), _off(logs, median(logs)), len(logs))
    spread = max(least, off)
    return Length(math.exp(at), spread, basis, least / 2 + (spread + FEW_SIBLINGS) / count)


def of_others(job: Job, known: Known) -> Length | None:
    """By jobs of its kind in other experiments, and by its own earlier attempts."""
    found = [seconds for seconds in known.others.get(job.spec.id, ()) if seconds > 0]
    return middle(found[::-1], OTHERS, "earlier jobs of its kind") if found else None


def _off(logs: Sequence[float], at: float) -> float:
    return median(abs(each - at) for each in logs) * 1.5


def _newest(logs: Sequence[float]) -> tuple[float, float, int] | None:
    """Where those that ended lately lead, how far off that was, and of how many that is worth; None: all count alike."""
    if len(logs) < 3:
        return None
    at, by_newest, by_all = logs[0], [], []
    for place, log in enumerate(logs[1:], start=1):
        by_newest.append(abs(log - at))
        by_all.append(abs(log - median(logs[:place])))
        at += _NEWEST * (log - at)
    if fmean(by_newest) >= fmean(by_all):
        return None
    return at, median(by_newest) * 1.5, min(3, len(logs))
