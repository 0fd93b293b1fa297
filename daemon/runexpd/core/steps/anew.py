"""Made anew, whatever it came to: the old results are moved aside first, and what was scored with them comes along."""

from collections.abc import Collection, Iterator, Mapping

from runexp.wire import events, states
from runexp.wire.jobs import JobSpec
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Job
from runexpd.core.observations import AsideDone
from runexpd.core.state import Experiment, State


def with_evaluations(experiment: Experiment, ids: Collection[str], there: Collection[str]) -> tuple[str, ...]:
    """In order, with what evaluates a model that is made anew: what it scored is of the old one. `there`: what the scaffold has."""
    runs = {experiment.jobs[id].spec.run for id in ids if trains(experiment.jobs[id])}
    return tuple(
        id
        for id, job in experiment.jobs.items()
        if id in ids or (id in there and job.spec.run in runs and _comes_along(experiment, job))
    )


def anew(
    experiment: Experiment,
    specs: Mapping[str, JobSpec],
    ids: tuple[str, ...],
    why: Mapping[str, str],
    warnings: tuple[str, ...],
) -> Iterator[events.Event]:
    """The events that make them owed, once their old results are out of the way.

    `why`: by job, where there is more to say; `warnings`: of the scaffold as it stands.
    """
    said = {id: why[id] for id in ids if id in why}
    yield events.RerunAsked(jobs=ids, specs=tuple(specs[id] for id in ids), why=said, warnings=warnings)
    for id in ids:
        if paths := experiment.jobs[id].artifacts:
            yield events.AsideIntended(job=id, paths=paths, number=experiment.jobs[id].asides + 1)


def on_aside(state: State, done: AsideDone) -> Iterator[events.Event]:
    """Counts once, and only for the time that it is about."""
    experiment = state.experiments.get(done.experiment)
    job = experiment.jobs.get(done.job) if experiment else None
    if job is None or job.stage is not Stage.SETTING_ASIDE or job.asides != done.number:
        return
    if done.refused:
        yield events.AsideRefused(job=done.job, reason=done.refused)
    else:
        yield events.ResultsSetAside(job=done.job)


def readers(experiment: Experiment, id: str) -> tuple[str, ...]:
    """The evaluations under way of the model that it trains: it stays where it is until they are over."""
    if not trains(experiment.jobs[id]):
        return ()
    of_run = experiment.jobs.of_run(experiment.jobs[id].spec.run, Phase.EVALUATION)
    return tuple(job.spec.id for job in of_run if job.stage in states.UNDER_WAY)


def is_settled(job: Job) -> bool:
    """Whether nothing of it is under way, or waits to be."""
    return job.stage in states.SETTLED | {Stage.IN_DOUBT}


def trains(job: Job) -> bool:
    return job.spec.phase is Phase.OPTIMIZATION


def _comes_along(experiment: Experiment, job: Job) -> bool:
    return not trains(job) and not job.retired and is_settled(job) and not experiment.policy.optimize_only
