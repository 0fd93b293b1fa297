"""Which jobs something has happened to: no other can owe what it didn't owe before, so no other is looked at."""

from collections.abc import Iterable, Iterator
from typing import Self

from runexp.wire import events
from runexp.wire.events import Event
from runexpd.core.job import Job
from runexpd.core.state import Experiment

#: What happens to no job.
_OF_NONE = (events.StatusChecked, events.ExperimentEnded)


class Touched:
    """Jobs by experiment. Grows, and belongs to whoever made it."""

    def __init__(self, whole: Iterable[str] = ()) -> None:
        """`whole`: ids of experiments all of whose jobs are meant."""
        #: None: all of them.
        self._jobs: dict[str, dict[str, None] | None] = dict.fromkeys(whole)

    def __iter__(self) -> Iterator[str]:
        """The experiments' ids."""
        return iter(self._jobs)

    @property
    def is_wide(self) -> bool:
        """Whether all jobs of an experiment are meant."""
        return None in self._jobs.values()

    def is_whole(self, experiment: str) -> bool:
        """Whether all jobs of this one are meant."""
        return self._jobs.get(experiment, {}) is None

    def note(self, experiment: str, event: Event) -> None:
        """What concerns a phase, or what was asked for, may concern any job."""
        if isinstance(event, _OF_NONE):
            self._jobs.setdefault(experiment, {})
        elif (job := getattr(event, "job", None)) is None:
            self._jobs[experiment] = None
        elif (jobs := self._jobs.setdefault(experiment, {})) is not None:
            jobs[job] = None

    def __or__(self, other: Self) -> Self:
        """Those of both."""
        both = type(self)()
        both._jobs = dict(self._jobs)
        for experiment, jobs in other._jobs.items():
            known = both._jobs.get(experiment, {})
            both._jobs[experiment] = None if known is None or jobs is None else known | jobs
        return both

    def of(self, experiment: Experiment) -> Iterator[Job]:
        """The jobs as they are now."""
        ids = self._jobs.get(experiment.id, {})
        return iter(experiment.jobs.values()) if ids is None else (experiment.jobs[id] for id in ids)
