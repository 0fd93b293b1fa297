"""What is wrong with a job that runs, by what it did so far. Pure. `now` is of a clock that nobody sets; all else is in seconds.

Whoever is told of something that is nothing stops listening: each rule waits until it can't be chance, and what can't be told is
not judged.
"""

import math
from collections.abc import Iterator, Sequence
from statistics import harmonic_mean, median

import msgspec

from runexp.wire.jobs import Progress
from runexp.wire.metrics import Concern
from runexpd.core.observations import Symptom
from runexpd.core.when.lengths import Length, Pace, swing

#: No new step for so many times the usual pause, for so long at least, and for so many times the longest pause there was.
STALL_PAUSES, STALL_SECONDS, STALL_LONGEST = 10.0, 300.0, 1.5
#: The same before its first step, for so many times as long as its siblings took to theirs; without any, for so long.
FIRST_TIMES, FIRST_SECONDS, ALONE_SECONDS = 10.0, 600.0, 1800.0
#: What a run lost while it stood still, if it is so long, is not its pace.
LOST_SECONDS = 60.0
#: Of the siblings' median rate: it is slow below the first, and no longer above the second; for so long, by so many looks.
SLOW_SHARE, WELL_SHARE, SLOW_SECONDS, SLOW_LOOKS = 0.7, 0.8, 120.0, 4
FRESH_SECONDS = 90.0
#: Siblings whose own rates are further apart than that, as a share, differ by design.
ALIKE_SHARE = 0.15
FEWEST_SIBLINGS = 2
IDLE_PER_CENT, IDLE_SECONDS = 5.0, 600.0
#: Before that much of it is done its own rate says little of its end.
LIMIT_SHARE = 0.1
_WINDOWS = 15


class Vital(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen of one attempt."""

    pace: Pace | None = None
    #: Seconds a step, of the last looks that saw any.
    pauses: tuple[float, ...] = ()
    longest: float = 0.0
    #: When a look last saw a new step.
    news_at: float | None = None
    #: When a look last saw something new in its output, or was the first.
    heard_at: float | None = None
    #: The last loss, and its step.
    loss: float | None = None
    step: int = 0
    #: Of the last looks: tokens a second.
    rates: tuple[float, ...] = ()
    slow_since: float | None = None
    #: (seconds, per cent), of the last ten minutes and a bit.
    gpu: tuple[tuple[float, float], ...] = ()

    @property
    def lately(self) -> Pace | None:
        """Its pace, with what it was in the last looks."""
        if self.pace is None or not self.pauses:
            return self.pace
        return msgspec.structs.replace(self.pace, lately=median(self.pauses), swing=swing(self.pauses))

    @property
    def rate(self) -> float | None:
        """Tokens a second, lately."""
        return median(self.rates[-SLOW_LOOKS:]) if len(self.rates) >= SLOW_LOOKS else None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What one look brought: columns of (step, seconds, value)."""

    steps: Sequence[tuple[int, float]] = ()
    losses: Sequence[tuple[int, float]] = ()
    rates: Sequence[float] = ()
    gpu: Sequence[tuple[float, float]] = ()
    #: Its output has grown.
    has_printed: bool = False


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a job beside what it did."""

    progress: Progress | None = None
    #: All it will run, by its own rate, and what it may.
    length: Length | None = None
    limit_seconds: float | None = None
    #: Tokens a second of siblings that should be as fast.
    siblings: Sequence[float] = ()
    #: From their beginning to their first step.
    firsts: Sequence[float] = ()
    #: It makes steps, if it is well.
    trains: bool = False
    #: What was said already.
    said: frozenset[Concern] = frozenset()


def after(vital: Vital, look: Look, now: float) -> Vital:
    """With what a look brought."""
    vital = _stepped(vital, look, now)
    if look.has_printed or vital.heard_at is None:
        vital = msgspec.structs.replace(vital, heard_at=now)
    if look.losses:
        step, loss = look.losses[-1]
        vital = msgspec.structs.replace(vital, loss=loss, step=step)
    if rates := [rate for rate in look.rates if rate > 0]:
        # As steps are of about as many tokens: one that took long weighs as long as it took.
        vital = msgspec.structs.replace(vital, rates=(*vital.rates, harmonic_mean(rates))[-_WINDOWS:])
    if look.gpu:
        last = look.gpu[-1][0]
        kept = tuple(each for each in (*vital.gpu, *look.gpu) if each[0] >= last - 1.5 * IDLE_SECONDS)
        vital = msgspec.structs.replace(vital, gpu=kept)
    return vital


def _stepped(vital: Vital, look: Look, now: float) -> Vital:
    if not look.steps:
        return vital
    (first, first_at), (last, last_at) = look.steps[0], look.steps[-1]
    if vital.pace is None or vital.news_at is None:
        pace = Pace(first, first_at, last, last_at)
        pauses = (pace.seconds_a_step,) if pace.seconds_a_step else ()
        return msgspec.structs.replace(vital, pace=pace, pauses=pauses, news_at=now)
    steps = last - vital.pace.last_step
    if steps <= 0:
        return vital
    gap = now - vital.news_at
    usual = median(vital.pauses) if vital.pauses else gap / steps
    lost = gap - steps * usual
    if lost < max(LOST_SECONDS, STALL_PAUSES * usual):
        lost = 0.0
    pace = Pace(vital.pace.first_step, vital.pace.first_seconds + lost, last, last_at)
    return msgspec.structs.replace(
        vital,
        pace=pace,
        pauses=(*vital.pauses, gap / steps)[-_WINDOWS:],
        longest=max(vital.longest, gap - (steps - 1) * usual),
        news_at=now,
    )


def noticed(vital: Vital, about: About, now: float) -> Vital:
    """Since when it has been slow."""
    share = _share(vital, about, now)
    if share is None or share >= SLOW_SHARE:
        return msgspec.structs.replace(vital, slow_since=None) if vital.slow_since is not None else vital
    return msgspec.structs.replace(vital, slow_since=now) if vital.slow_since is None else vital


def is_fresh(vital: Vital, now: float) -> bool:
    """Whether it makes steps these minutes: a rate of long ago says nothing beside those of today."""
    usual = median(vital.pauses) if vital.pauses else 0.0
    return vital.news_at is not None and now - vital.news_at <= max(FRESH_SECONDS, 3 * usual)


def _share(vital: Vital, about: About, now: float) -> float | None:
    """Its rate as a share of its siblings' median; None where that says nothing."""
    rate, others = vital.rate, about.siblings
    if rate is None or not is_fresh(vital, now) or len(others) < FEWEST_SIBLINGS:
        return None
    middle = median(others)
    off = median(abs(each - middle) for each in others)
    return rate / middle if middle > 0 and off <= ALIKE_SHARE * middle else None


def judged(vital: Vital, about: About, now: float) -> tuple[tuple[Concern, ...], tuple[Symptom, ...]]:
    """What can be told of it, and what of that is wrong."""
    found = dict(_judged(vital, about, now))
    return tuple(found), tuple(symptom for symptom in found.values() if symptom is not None)


def _judged(vital: Vital, about: About, now: float) -> Iterator[tuple[Concern, Symptom | None]]:
    if vital.pauses and vital.news_at is not None:
        yield Concern.STALLED, _stalled(vital, about, now - vital.news_at)
    if vital.pace is None and vital.heard_at is not None and (about.firsts or about.trains):
        yield Concern.NO_STEP, _unbegun(about, now - vital.heard_at)
    elif Concern.NO_STEP in about.said and vital.pace is not None:
        yield Concern.NO_STEP, None
    if vital.loss is not None:
        yield Concern.NOT_FINITE, _not_finite(vital)
    if (share := _share(vital, about, now)) is not None:
        yield Concern.SLOW, _slow(vital, about, share, now)
    if vital.gpu and vital.gpu[-1][0] - vital.gpu[0][0] >= IDLE_SECONDS:
        yield Concern.GPU_IDLE, _idle(vital)
    if about.length is not None and about.limit_seconds is not None and _is_telling(about.progress):
        yield Concern.TIME_LIMIT, _limited(about, about.length, about.limit_seconds)


def _stalled(vital: Vital, about: About, seconds: float) -> Symptom | None:
    usual = median(vital.pauses)
    made = about.progress
    is_done = made is not None and (
        made.finishing or (made.total is not None and made.done is not None and made.done >= made.total)
    )
    if is_done or seconds < max(STALL_SECONDS, STALL_PAUSES * usual, STALL_LONGEST * vital.longest):
        return None
    what = f"no new step for {span(seconds)} (usually one in {span(usual)})"
    return Symptom(Concern.STALLED, what, "look at the end of its output: it may hang, or save for long")


def _unbegun(about: About, seconds: float) -> Symptom | None:
    """Once said it stays, whatever it prints: until there is a step."""
    usual = median(about.firsts) if about.firsts else None
    patience = ALONE_SECONDS if usual is None else max(FIRST_SECONDS, FIRST_TIMES * usual)
    has_some = about.progress is not None and bool(about.progress.done or about.progress.finishing)
    if has_some or (seconds < patience and Concern.NO_STEP not in about.said):
        return None
    others = f" (its siblings' first came after {span(usual)})" if usual is not None else ""
    what = f"no step yet, and no word in its output for {span(seconds)}{others}"
    hint = "look at the end of its output: it may wait for other processes, a download, or a file system"
    return Symptom(Concern.NO_STEP, what, hint)


def _not_finite(vital: Vital) -> Symptom | None:
    if vital.loss is None or math.isfinite(vital.loss):
        return None
    what = f"its loss is {'not a number' if math.isnan(vital.loss) else 'infinite'} at step {vital.step}"
    hint = "cancel it, and lower the learning rate, clip gradients, or train in bf16 rather than fp16"
    return Symptom(Concern.NOT_FINITE, what, hint)


def _slow(vital: Vital, about: About, share: float, now: float) -> Symptom | None:
    lately = vital.slow_since is not None and now - vital.slow_since >= SLOW_SECONDS
    if not (lately or (Concern.SLOW in about.said and share < WELL_SHARE)):
        return None
    what = f"{vital.rate or 0:.0f} tokens a second, {share:.0%} of its siblings' {median(about.siblings):.0f}"
    return Symptom(
        Concern.SLOW, what, "look who else is on its node: its GPU, its cores or its disk may be shared"
    )


def _idle(vital: Vital) -> Symptom | None:
    last = vital.gpu[-1][0]
    if any(busy >= IDLE_PER_CENT for seconds, busy in vital.gpu if seconds >= last - IDLE_SECONDS):
        return None
    what = f"its GPU has been idle for {span(IDLE_SECONDS)} and more"
    return Symptom(
        Concern.GPU_IDLE, what, "look whether it trains on the CPU (device: cpu), or waits for its data"
    )


def _is_telling(made: Progress | None) -> bool:
    return made is not None and bool(made.total) and (made.done or 0) >= LIMIT_SHARE * (made.total or 0)


def _limited(about: About, length: Length, limit: float) -> Symptom | None:
    """Said when it is all but certain; withdrawn when it is no longer likely."""
    sure = length.seconds * math.exp(-1.65 * length.spread) > limit
    if not sure and not (Concern.TIME_LIMIT in about.said and length.seconds > limit):
        return None
    what = f"it needs about {span(length.seconds)}, and its time limit is {span(limit)}"
    hint = "raise --time of its script, and make it anew; Slurm's administrators can raise it while it runs"
    return Symptom(Concern.TIME_LIMIT, what, hint)


def span(seconds: float) -> str:
    """`0.25 s`, `45 s`, `6 min`, `2 h 5 min`."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
