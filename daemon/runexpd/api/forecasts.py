"""Estimates for whoever looks: made when somebody does, not more often than they are worth, and left alone while they hardly move."""

from collections.abc import Callable, Container, Mapping, Sequence

from runexp.wire.jobs import Progress
from runexpd.core.state import Experiment, Limits
from runexpd.core.when import forecast
from runexpd.core.when.forecast import Forecast
from runexpd.core.when.lengths import Known, Pace
from runexpd.runtime import clock
from runexpd.runtime.rests import kind_of, models_of

#: Between two estimates of an experiment, and for each of its jobs.
PAUSE_SECONDS, PAUSE_SECONDS_PER_JOB = 1.0, 0.002


class Forecasts:
    def __init__(self, pace: Callable[[str], Pace | None], others: Callable[[str], Sequence[float]]) -> None:
        """`pace`: of an attempt, by token; `others`: how long jobs of a kind ran before, in seconds."""
        self._pace = pace
        self._others = others
        #: When it was made, of which state, and what it says.
        self._kept: dict[str, tuple[float, Experiment, Forecast]] = {}

    def of(
        self,
        e: Experiment,
        progress: Mapping[str, Progress],
        starts: Mapping[str, float],
        limits: Limits,
    ) -> Forecast:
        """`progress` and `starts` by token. The same thing as before, where it says the same."""
        if e.outcome is not None:
            return NOTHING
        now = clock.now()
        at, state, before = self._kept.get(e.id, (float("-inf"), None, NOTHING))
        pause = PAUSE_SECONDS + PAUSE_SECONDS_PER_JOB * len(e.jobs)
        if 0 <= now - at < (pause if state is e or len(e.jobs) > MOST_AT_ONCE else pause / 4):
            return before
        known = Known(
            progress=progress,
            paces={token: pace for token in _tokens(e) if (pace := self._pace(token)) is not None},
            starts=starts,
            others=self._of_others(e),
        )
        made = forecast.settled(before, forecast.of(e, known, limits, now), now)
        kept = before if made == before else made
        self._kept[e.id] = now, e, kept
        return kept

    def _of_others(self, e: Experiment) -> dict[str, Sequence[float]]:
        models = models_of(e)
        return {job.spec.id: self._others(kind_of(e, job, models)) for job in e.jobs.values()}

    def keep(self, at_hand: Container[str]) -> None:
        """Let go of those of all other experiments."""
        for id in [id for id in self._kept if id not in at_hand]:
            del self._kept[id]


NOTHING = Forecast()
#: More jobs than that are not estimated anew with every event.
MOST_AT_ONCE = 200


def _tokens(e: Experiment) -> list[str]:
    return [job.attempt.token for job in e.jobs.values() if job.attempt is not None]
