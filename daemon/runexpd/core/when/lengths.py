"""How long a job is likely to run in all: by its own rate, by its siblings, by others of its kind before them.

A length is a middle and a spread, in the logarithm: times are off by factors. What two sources say is put together by how
sure each is.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import harmonic_mean

import msgspec

from runexp.wire.jobs import Progress
from runexp.wire.states import Phase
from runexpd.core.job import Attempt

#: Of a job's own rate: at its beginning, and by its end; of its siblings; of others of its kind.
OWN_FIRST, OWN_LAST = 0.3, 0.02
SIBLINGS, FEW_SIBLINGS, OTHERS = 0.06, 0.25, 0.2
#: Standard deviations beyond which two that say otherwise speak of different things.
_UNLIKE = 3.0
#: What follows the last step, as a share of all, where nobody knows: saving, ending.
TAIL_SHARE = 0.02
#: Of a part of the looks by which a swing is told; and how many standard deviations the range of three normal values has in the
#: mean (L. H. C. Tippett, 1925).
FEWEST_LOOKS, RANGE_OF_THREE = 3, 1.693
#: What takes longer than ten years is no estimate, and no date that can be shown.
MOST_SECONDS = 10 * 365 * 86400.0
#: Between two looks at what a job does, at most.
LOOK_SECONDS = 60.0


class Pace(msgspec.Struct, frozen=True):
    """Of a job's steps that were seen: the first and the last of them, and when each was made, in seconds since it began."""

    first_step: int
    first_seconds: float
    last_step: int
    last_seconds: float
    #: Seconds a step, lately; None: as ever.
    lately: float | None = None
    #: How far that went up and down while it was watched: the spread of its logarithm, from some minutes to the next.
    swing: float = 0.0

    @property
    def seconds_a_step(self) -> float | None:
        """Over all of them."""
        steps, seconds = self.last_step - self.first_step, self.last_seconds - self.first_seconds
        return seconds / steps if steps > 0 and seconds > 0 else None


class Way(msgspec.Struct, frozen=True):
    """How jobs of a phase went that are over, in seconds; None: nobody knows."""

    #: From their first step to their end, at least.
    rest: float = 0.0
    #: A step.
    step: float | None = None
    #: From their last step to their end.
    tail: float | None = None


class Known(msgspec.Struct, frozen=True):
    """What is known beside the ledger."""

    #: By token.
    progress: Mapping[str, Progress] = {}
    paces: Mapping[str, Pace] = {}
    #: When the scheduler expects to start what is pending, by token.
    starts: Mapping[str, float] = {}
    #: How long jobs of the same kind ran in other experiments, in seconds, by job.
    others: Mapping[str, Sequence[float]] = {}
    #: How long such went on there after their last step, by phase.
    tails: Mapping[Phase, Sequence[float]] = {}
    #: What other experiments have running or waiting before us where we decide who runs: how long each takes from now on, in seconds.
    ahead: Sequence[float] = ()


class Length(msgspec.Struct, frozen=True):
    seconds: float
    #: Of its logarithm.
    spread: float
    basis: str
    #: Of what all that rest on the same have in common: the middle may be off for all of them.
    common: float = 0.0


def of_running(attempt: Attempt, known: Known, now: float, way: Way) -> Length | None:
    """By its own rate; `way`: how its siblings went. None: it can't be told."""
    made = known.progress.get(attempt.token)
    if made is None or attempt.started_at is None or not made.total or not made.done:
        return None
    elapsed, share = max(0.0, now - attempt.started_at), min(1.0, made.done / made.total)
    pace = known.paces.get(attempt.token)
    spread = OWN_LAST + (OWN_FIRST - OWN_LAST) * (1 - share) ** 2
    step = pace.seconds_a_step if pace is not None else None
    if pace is None or step is None:
        seconds = _of_one_look(elapsed, share, made.total, way)
    else:
        lately = pace.lately or step  # a machine that is shared may be fast again, or stay slow
        left = max(0, made.total - pace.last_step) * math.sqrt(step * lately)
        spread += abs(math.log(lately / step)) / 2 * (1 - share)
        # What it lost since its last step is lost; a look may be so old without that.
        seconds = max(pace.last_seconds, elapsed - LOOK_SECONDS) + left
        # A pace that others on its machine have moved will be moved again: by as much, in what is left.
        spread += pace.swing * left / max(seconds, 1e-3)
        seconds += seconds * TAIL_SHARE if way.tail is None else way.tail
    return Length(max(seconds, elapsed), spread, "its own rate") if seconds < MOST_SECONDS else None


def _of_one_look(elapsed: float, share: float, total: int, way: Way) -> float:
    """All it will run, where its pace isn't known yet: by its siblings' pace, or as if it had made steps from the beginning."""
    if way.step is None:
        return elapsed / share + (way.tail or 0.0)
    return elapsed + (1 - share) * total * way.step + (way.tail or 0.0)


def swing(pauses: Sequence[float]) -> float:
    """Of seconds a step, look by look: the spread of its logarithm, by how far the means of three parts lie apart.

    Within a part looks differ by chance, as they catch a step more or less, and that evens out. 0: too few of them.
    """
    pauses = [each for each in pauses if each > 0]
    part = len(pauses) // 3
    if part < FEWEST_LOOKS:
        return 0.0
    means = [math.log(harmonic_mean(pauses[at : at + part])) for at in (0, part, len(pauses) - part)]
    return (max(means) - min(means)) / RANGE_OF_THREE


def are_unlike(own: Length, others: Length | None) -> bool:
    """Whether it is no chance that they differ: one at a third of its siblings' speed isn't over when they were."""
    if others is None:
        return False
    apart = abs(math.log(max(own.seconds, 1e-3) / others.seconds))
    return apart > _UNLIKE * math.hypot(own.spread, others.spread, others.common)


def together(lengths: Iterable[Length | None]) -> Length | None:
    """What they say put together; the surest gives its name. None: none says anything."""
    some = [length for length in lengths if length is not None]
    if not some:
        return None
    weights = [1 / (length.spread**2 + length.common**2) for length in some]
    logs = [math.log(max(length.seconds, 1e-3)) for length in some]
    middle = sum(w * log for w, log in zip(weights, logs, strict=True)) / sum(weights)
    surest = some[weights.index(max(weights))]
    return Length(math.exp(middle), surest.spread, surest.basis, surest.common)
