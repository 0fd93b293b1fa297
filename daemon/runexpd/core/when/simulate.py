"""Lets an experiment's jobs run to their ends on paper, several times: one throw of the dice is no estimate, thirty are a range.

No chance is in it: each job's luck is a shuffle of the same thirty, so the same knowledge makes the same estimate.
"""

import heapq
import math
from collections.abc import Sequence
from statistics import NormalDist

import msgspec

#: Throws: one less than a prime, whose powers of a primitive root are the shuffles. The more jobs there are, the fewer throws.
_THROWS = ((300, 31, 3), (3000, 11, 2))
_FEWEST = (5, 2)
#: What all jobs of an experiment have in common: a file system that is slow today.
SHARED_SPREAD = 0.06
#: Of the time until the scheduler's own expected start.
START_SPREAD = 0.4
#: From a training's end to its evaluations' submission.
JUDGED_SECONDS = 2.0
_NORMAL = NormalDist()
#: Standard deviations from the middle beyond which a tail is approximated.
_FAR = 4.0


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """A job that isn't over, as the simulation sees it. Times in seconds from now on."""

    id: str
    run: str
    trains: bool
    #: All it runs, and the spread of its logarithm.
    seconds: float
    spread: float
    #: Of what it has in common with the others of its phase.
    common: float = 0.0
    #: For how long it has run; None: it hasn't begun.
    elapsed: float | None = None
    #: All it runs at least, as it isn't over yet.
    least: float = 0.0
    #: When the scheduler expects to start it; None: it doesn't say.
    starts: float | None = None
    #: It can't begin before that: stagger, and what its siblings waited.
    earliest: float = 0.0
    limit: float | None = None


class Course(msgspec.Struct, frozen=True):
    """Of each throw, in the order of the tasks: when each begins, and when it ends."""

    begins: list[list[float]]
    ends: list[list[float]]


def runs(tasks: Sequence[Task], slots: int, *, waits_for_all: bool, ahead: Sequence[float] = ()) -> Course:
    """`slots`: how many run at a time. `waits_for_all`: evaluations begin when all trainings have ended, not each run's own.

    `ahead`: how long others take, in seconds each, whose turn it is before those that haven't begun.
    """
    begins, ends = [], []
    for luck in _lucks(len(tasks)):
        began, ended = _run(tasks, luck, slots, waits_for_all, ahead)
        begins.append(began)
        ends.append(ended)
    return Course(begins, ends)


def _lucks(count: int) -> list[list[float]]:
    """Of each throw, the luck of each task; then what trainings, evaluations, and all of them have in common."""
    prime, root = next(((p, r) for most, p, r in _THROWS if count <= most), _FEWEST)
    throws = [_NORMAL.inv_cdf((n + 0.5) / (prime - 1)) for n in range(prime - 1)]
    shuffles = [pow(root, n + 1, prime) for n in range(prime - 1)]
    return [
        [*(throws[(k + 1) * shuffles[n % (prime - 1)] % prime - 1] for n in range(count + 2)), throws[k]]
        for k in range(prime - 1)
    ]


def _run(
    tasks: Sequence[Task], luck: Sequence[float], slots: int, waits_for_all: bool, ahead: Sequence[float]
) -> tuple[list[float], list[float]]:
    begins, ends = [0.0] * len(tasks), [0.0] * len(tasks)
    factors = [_factor(task, luck[n], luck) for n, task in enumerate(tasks)]
    free = [_end(task, factors[n], 0.0) for n, task in enumerate(tasks) if task.elapsed is not None]
    free += [0.0] * max(0, slots - len(free))
    heapq.heapify(free)
    for seconds in ahead:
        heapq.heapreplace(free, free[0] + seconds)
    trained: dict[str, float] = {}
    all_trained = 0.0
    for n in sorted(range(len(tasks)), key=lambda n: (not tasks[n].trains, tasks[n].elapsed is None, n)):
        task = tasks[n]
        if task.elapsed is None:
            gate = 0.0
            if not task.trains:
                gate = all_trained if waits_for_all else trained.get(task.run, 0.0)
            begins[n] = _begin(task, luck[n], free, gate + (JUDGED_SECONDS if gate else 0.0))
        ends[n] = _end(task, factors[n], begins[n])
        if task.elapsed is None and task.starts is None:
            heapq.heappush(free, ends[n])
        if task.trains:
            trained[task.run] = max(trained.get(task.run, 0.0), ends[n])
            all_trained = max(all_trained, ends[n])
    return begins, ends


def _begin(task: Task, luck: float, free: list[float], gate: float) -> float:
    if task.starts is not None:
        return max(gate, task.starts * math.exp(START_SPREAD * luck))
    return max(heapq.heappop(free), task.earliest, gate)


def _factor(task: Task, luck: float, common: Sequence[float]) -> float:
    of_phase = common[-3] if task.trains else common[-2]
    spread = math.hypot(task.spread, task.common, SHARED_SPREAD)
    off = (task.spread * luck + task.common * of_phase + SHARED_SPREAD * common[-1]) / spread
    if task.least > 0:
        off = _beyond(off, math.log(task.least / task.seconds) / spread)
    return math.exp(spread * off)


def _beyond(luck: float, least: float) -> float:
    """The luck of one that had more than the least: as lucky among those as `luck` is among all. Of a normal distribution.

    Far out its tail is as an exponential one.
    """
    if least < -_FAR:
        return luck
    above = 1 - _NORMAL.cdf(luck)
    if least > _FAR:
        return least - math.log(above) / least
    return _NORMAL.inv_cdf(1 - above * (1 - _NORMAL.cdf(least)))


def _end(task: Task, factor: float, begins: float) -> float:
    seconds = task.seconds * factor
    if task.elapsed is not None:
        soonest = 0.0 if task.least else 0.02 * task.elapsed * factor
        seconds = max(seconds - task.elapsed, soonest)
    limit = task.limit if task.limit is not None else seconds
    return begins + max(0.0, min(seconds, limit))
