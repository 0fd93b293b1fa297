"""An experiment's estimates: of each job, the phases, the barrier, the end. None wherever something it rests on isn't known."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median

import msgspec

from runexp.wire import states
from runexp.wire.jobs import Barrier, Progress
from runexp.wire.metrics import Estimate, Estimates
from runexp.wire.states import Phase, PhaseState, Stage
from runexpd.core import waiting
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment, Limits
from runexpd.core.steps import prepare
from runexpd.core.when import lengths, siblings, simulate
from runexpd.core.when.lengths import Known, Length, Way
from runexpd.core.when.simulate import Course, Task

#: Of the throws, so many are left out at each end: 9 times of 10 it is in between.
_OUTSIDE = 0.05
_OVER = frozenset({Stage.VERIFIED, Stage.FAILED, Stage.SKIPPED})
#: An estimate that moved by less than this share of what is left is the same one.
_SAME = 0.03
_SAME_SECONDS = 2.0


class Forecast(msgspec.Struct, frozen=True):
    """By job: when it begins, for those that haven't, and when it is over."""

    begins: Mapping[str, Estimate] = {}
    ends: Mapping[str, Estimate] = {}
    whole: Estimates = Estimates()


def of(e: Experiment, known: Known, limits: Limits, now: float) -> Forecast:
    """`limits`: of its cluster."""
    if e.outcome is not None:
        return Forecast()
    jobs = [job for job in e.current if job.stage not in _OVER and _may_run(e, job)]
    tasks, bases, vague = _tasks(e, jobs, known, limits, now)
    if not tasks:
        return Forecast()
    waits_for_all = e.policy.barrier is Barrier.ALL and e.evaluation is not PhaseState.RUNNING
    course = simulate.runs(tasks, _slots(e, jobs, limits), waits_for_all=waits_for_all, ahead=known.ahead)
    ends = {t.id: _estimate(_of(course.ends, n), now, bases[n]) for n, t in enumerate(tasks)}
    begins = {
        t.id: _estimate(_of(course.begins, n), now, bases[n])
        for n, t in enumerate(tasks)
        if t.elapsed is None and not (vague and not t.trains)
    }
    if vague:  # what comes after what nobody knows isn't known either
        ends = {t.id: ends[t.id] for t in tasks if t.trains or t.elapsed is not None}
    return Forecast(begins, ends, _whole(tasks, course, vague, now))


def _may_run(e: Experiment, job: Job) -> bool:
    """Not an evaluation of a run whose training failed."""
    if job.spec.phase is Phase.OPTIMIZATION or job.stage is not Stage.PLANNED:
        return True
    before = e.jobs.of_run(job.spec.run, Phase.OPTIMIZATION)
    return all(trained.stage not in (Stage.FAILED, Stage.SKIPPED) for trained in before)


def _tasks(
    e: Experiment, jobs: Sequence[Job], known: Known, limits: Limits, now: float
) -> tuple[list[Task], list[str], set[Phase]]:
    """Those of which something is known; what each rests on; and the phases in which there are others."""
    tasks, bases, vague = [], [], set[Phase]()
    for phase in Phase:
        over = siblings.of(e, phase, known)
        of_phase = [job for job in jobs if job.spec.phase is phase]
        own = {job.spec.id: _own(job, known, now, over.way) for job in of_phase}
        alike = {task: over.length(task) for task in {job.spec.task for job in of_phase}}
        usual = {task: _usual(own.values(), length) for task, length in alike.items()}
        earliest = _earliest(e, of_phase, limits, now)
        for job in of_phase:
            task = job.spec.task
            length = _length(job, own[job.spec.id], alike[task], usual[task], known)
            if length is None or job.stage is Stage.IN_DOUBT or _is_held(e, job) or _is_stuck(job):
                vague.add(phase)
                continue
            tasks.append(_task(job, length, known, earliest.get(job.spec.id, 0.0), over.way, now))
            bases.append(length.basis)
    return tasks, bases, vague


def _is_held(e: Experiment, job: Job) -> bool:
    """By what is run before the evaluations: nobody knows how long that takes, nor when a person decides."""
    return (
        e.preparation in prepare.HOLDING and job.spec.phase is Phase.EVALUATION and job.stage is Stage.PLANNED
    )


def _is_stuck(job: Job) -> bool:
    return job.stage is Stage.QUEUED and job.attempt is not None and waiting.is_stuck(job.attempt)


def _own(job: Job, known: Known, now: float, way: Way) -> Length | None:
    attempt = _running(job)
    return lengths.of_running(attempt, known, now, way) if attempt is not None else None


def _running(job: Job) -> Attempt | None:
    attempt = job.attempt
    begun = attempt is not None and attempt.started_at is not None and attempt.state == states.RUNNING
    return attempt if job.stage is Stage.QUEUED and begun else None


def _usual(own: Iterable[Length | None], alike: Length | None) -> Length | None:
    """What siblings that still run say of one that hasn't begun: as far apart as those are that are over."""
    some = [length for length in own if length is not None]
    if not some:
        return None
    spread = max(lengths.SIBLINGS, alike.spread if alike is not None else 0.0)
    each = math.hypot(spread, median(length.spread for length in some))
    common = lengths.SIBLINGS + each / math.sqrt(len(some))
    return Length(median(length.seconds for length in some), spread, "its siblings", common)


def _length(
    job: Job, own: Length | None, alike: Length | None, usual: Length | None, known: Known
) -> Length | None:
    if job.stage is Stage.ENDED:
        return Length(1e-3, 0.01, "it has ended")
    if own is not None and (own.spread < lengths.SIBLINGS or lengths.are_unlike(own, alike)):
        return own
    return lengths.together([own or usual, alike]) or siblings.of_others(job, known)


def _task(job: Job, length: Length, known: Known, earliest: float, way: Way, now: float) -> Task:
    attempt, spec = _running(job), job.spec
    elapsed, least = None, 0.0
    if attempt is not None and attempt.started_at is not None:
        elapsed = max(0.0, now - attempt.started_at)
        least = _least(
            attempt, elapsed, known, way.rest * math.exp(-math.hypot(length.spread, length.common))
        )
    elif job.stage is Stage.ENDED:
        elapsed = 0.0
    token = job.attempt.token if job.attempt and job.stage is Stage.QUEUED else ""
    starts = known.starts.get(token)
    limit = spec.time_limit_seconds
    return Task(
        id=spec.id,
        run=spec.run,
        trains=spec.phase is Phase.OPTIMIZATION,
        seconds=length.seconds,
        spread=length.spread,
        common=length.common,
        elapsed=elapsed,
        least=least,
        starts=max(0.0, starts - now) if starts is not None and elapsed is None else None,
        earliest=earliest,
        limit=None if limit is None else max(0.0, limit - (elapsed or 0.0)),
    )


def _least(attempt: Attempt, elapsed: float, known: Known, rest: float) -> float:
    """All it runs at least, where its own rate doesn't say so. `rest`: what comes from the first step on, in seconds."""
    made = known.progress.get(attempt.token) or Progress()
    if made.done and made.total:
        return 0.0
    has_begun = attempt.token in known.paces or made.done or made.finishing
    return elapsed if has_begun else elapsed + rest


def _earliest(e: Experiment, jobs: Sequence[Job], limits: Limits, now: float) -> dict[str, float]:
    """From when on each that isn't sent can begin: trainings keep their distance, and all wait as long as others did."""
    waits = [
        a.started_at - a.accepted_at
        for job in e.current
        if (a := job.attempt) is not None and a.started_at is not None and a.accepted_at is not None
    ]
    usual, gap = max(0.0, median(waits)) if waits else 0.0, limits.stagger_seconds
    if any(job.stage is Stage.QUEUED and _running(job) is None for job in jobs):
        usual = 0.0  # the queue is simulated
    planned = [job for job in jobs if job.stage in (Stage.PLANNED, Stage.MENDING)]
    first = max(0.0, e.trained_at + gap - now)
    return {
        job.spec.id: usual + (first + n * gap if job.spec.phase is Phase.OPTIMIZATION else 0.0)
        for n, job in enumerate(planned)
    }


def _slots(e: Experiment, jobs: Sequence[Job], limits: Limits) -> int:
    """How many run at a time: as many as may; where others wait in the queue, as many as do."""
    if limits.max_running is not None:
        return max(1, min(limits.max_running, limits.max_submit))
    running = sum(_running(job) is not None for job in jobs)
    waiting = sum(job.stage is Stage.QUEUED for job in jobs) - running
    return max(1, running) if waiting and running else max(1, limits.max_submit)


def _whole(tasks: Sequence[Task], course: Course, vague: set[Phase], now: float) -> Estimates:
    trained = [n for n, task in enumerate(tasks) if task.trains]
    evaluated = [n for n, task in enumerate(tasks) if not task.trains]
    optimization = evaluation = end = None
    if trained and Phase.OPTIMIZATION not in vague:
        optimization = _estimate(_last(course, trained), now, "its jobs")
    if evaluated and not vague:
        evaluation = _estimate(_last(course, evaluated), now, "its jobs")
    if not vague:
        end = _estimate(_last(course, range(len(tasks))), now, "its jobs")
    return Estimates(optimization=optimization, barrier=optimization, evaluation=evaluation, end=end)


def _last(course: Course, which: Iterable[int]) -> list[float]:
    numbers = list(which)
    return [max(ends[n] for n in numbers) for ends in course.ends]


def _of(throws: Sequence[Sequence[float]], n: int) -> list[float]:
    return [throw[n] for throw in throws]


def _estimate(seconds: Sequence[float], now: float, basis: str) -> Estimate:
    ordered = sorted(seconds)
    outside = int(len(ordered) * _OUTSIDE)
    return Estimate(
        earliest_at=round(now + ordered[outside], 1),
        likely_at=round(now + median(ordered), 1),
        latest_at=round(now + ordered[-1 - outside], 1),
        basis=basis,
    )


def settled(before: Forecast, after: Forecast, now: float) -> Forecast:
    """The new one, with what has hardly moved as it was: nobody wants to be told of it."""
    begins = dict(_settled(before.begins, after.begins, now))
    ends = dict(_settled(before.ends, after.ends, now))
    whole = {
        name: _kept(getattr(before.whole, name), getattr(after.whole, name), now)
        for name in Estimates.__struct_fields__
    }
    return Forecast(begins, ends, Estimates(**whole))


def _settled(
    before: Mapping[str, Estimate], after: Mapping[str, Estimate], now: float
) -> Iterator[tuple[str, Estimate]]:
    for id, estimate in after.items():
        kept = _kept(before.get(id), estimate, now)
        assert kept is not None
        yield id, kept


def _kept(before: Estimate | None, after: Estimate | None, now: float) -> Estimate | None:
    if before is None or after is None or before.basis != after.basis:
        return after
    room = max(_SAME_SECONDS, _SAME * (after.likely_at - now))
    moved = (
        after.likely_at - before.likely_at,
        (after.earliest_at - before.earliest_at) / 3,
        (after.latest_at - before.latest_at) / 3,
    )
    return before if all(abs(by) <= room for by in moved) and before.likely_at > now else after
