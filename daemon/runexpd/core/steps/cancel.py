"""What a person wants to end: a wish at first; what never began is skipped, what runs is ended on its cluster."""

from collections.abc import Iterator, Sequence

from runexp.wire import events, states
from runexp.wire.states import Stage
from runexpd.core.job import Job
from runexpd.core.observations import CancelWanted
from runexpd.core.state import Experiment, State
from runexpd.core.steps import prepare

CANCELLED = "cancelled before it was submitted"
GIVEN_UP = "given up, as nobody could tell whether it is done"


def cancellable(experiment: Experiment, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The jobs that `cancel` can end; none named: all that are open."""
    return tuple(
        j.spec.id
        for j in experiment.jobs.values()
        if j.stage not in states.SETTLED
        and not j.cancel_asked
        and (not j.retired or j.stage in states.UNDER_WAY)
        and (not named or j.spec.id in named)
    )


def on_cancel(state: State, wanted: CancelWanted) -> Iterator[events.Event]:
    experiment = state.experiments.get(wanted.experiment)
    if experiment is None:
        return
    if jobs := cancellable(experiment, wanted.jobs):
        yield events.CancelAsked(jobs=jobs)
    yield from prepare.on_cancel(experiment, wanted.jobs)


def owed(experiment: Experiment, touched: Sequence[Job]) -> Iterator[events.Event]:
    """Jobs that were to end and never began, of those to which something has happened."""
    for job in touched:
        if job.cancel_asked and job.stage in (Stage.PLANNED, Stage.IN_DOUBT):
            reason = CANCELLED if job.stage is Stage.PLANNED else GIVEN_UP
            yield events.JobSkipped(job=job.spec.id, reason=reason)
