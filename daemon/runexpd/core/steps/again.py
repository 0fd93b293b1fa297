"""What a person decides of what didn't succeed: retry makes it owed again, accept takes its results as they are.

One `retry` is enough: what was skipped for want of what is retried is owed with it. What belongs to others is left alone.
"""

import math
from collections.abc import Iterator, Sequence
from functools import reduce

from runexp.wire import events
from runexp.wire.jobs import BEFORE, JobSpec
from runexp.wire.states import Phase, Stage
from runexpd.core import apply
from runexpd.core.job import Job, last_end
from runexpd.core.observations import AcceptWanted, RetryWanted, ScaffoldSeen
from runexpd.core.state import Experiment, State
from runexpd.core.steps import plan, prepare, submit, verify


def retriable(experiment: Experiment, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The jobs that `retry` makes owed; none named: all that failed or were cancelled, but nothing that is only in doubt."""
    base = {j.spec.id for j in experiment.current if _is_meant(experiment, j, named)}
    runs = {experiment.jobs[id].spec.run for id in base if _trains(experiment.jobs[id])}
    wanted = {
        j.spec.id
        for j in experiment.of(Phase.EVALUATION)
        if (j.spec.run in runs and _comes_along(experiment, j)) or (runs and _waited(experiment, j, base))
    }
    ids = {id for id in base | wanted if _has_model(experiment, experiment.jobs[id], base)}
    return tuple(id for id in experiment.jobs if id in ids)


def _is_meant(experiment: Experiment, job: Job, named: tuple[str, ...]) -> bool:
    if named:
        undone = (Stage.FAILED, Stage.IN_DOUBT, Stage.SKIPPED)
        return job.spec.id in named and job.stage in undone
    if job.stage is Stage.SKIPPED:
        return job.cancel_asked or _waited(experiment, job, set())
    return job.stage is Stage.FAILED


def _comes_along(experiment: Experiment, job: Job) -> bool:
    """An evaluation whose model is made anew: what it scored is of the old one."""
    settled = (Stage.SKIPPED, Stage.FAILED, Stage.VERIFIED, Stage.IN_DOUBT)
    return job.stage in settled and not _is_left_out(experiment, job)


def _waited(experiment: Experiment, job: Job, base: set[str]) -> bool:
    """Skipped since the barrier decided against it, or since its model was missing, and not by a person."""
    skipped = job.stage is Stage.SKIPPED and not job.cancel_asked and not _is_left_out(experiment, job)
    return skipped and _has_model(experiment, job, base)


def _has_model(experiment: Experiment, job: Job, base: set[str]) -> bool:
    """Whether what it needs is there, or will be made."""
    if _trains(job):
        return True
    before = submit.trainings_of(experiment, job.spec.run)
    return all(
        trained.stage not in (Stage.FAILED, Stage.SKIPPED) or trained.spec.id in base for trained in before
    )


def _is_left_out(experiment: Experiment, job: Job) -> bool:
    return experiment.policy.optimize_only and not _trains(job)


def _trains(job: Job) -> bool:
    return job.spec.phase is Phase.OPTIMIZATION


def on_retry(state: State, wanted: RetryWanted) -> Iterator[events.Event]:
    """The results are looked at first, as for `run`: what is gone has failed."""
    seen, experiment = wanted.seen, state.experiments.get(wanted.experiment)
    if experiment is None:
        return
    looked = list(_gone(experiment, wanted))
    after = _after(experiment, looked)
    specs = _retried(after, wanted)
    ids = tuple(spec.id for spec in specs)
    prepared = prepare.is_meant(experiment, wanted.jobs)
    if not (ids or prepared) or plan.contested(state, seen, ids):
        return
    if gone := plan.retiring(experiment, seen):
        yield events.JobsRetired(jobs=gone)
    yield from looked
    for id in ids:
        if after.jobs[id].stage is Stage.VERIFIED:
            yield events.ResultRejected(job=id, token=after.jobs[id].proof, failure=verify.OUTDATED)
    if prepared:
        yield events.PreparationDecided(again=True)
    yield events.RetryAsked(jobs=ids, specs=specs, warnings=seen.warnings)
    yield from _taken_up(experiment, wanted, ids)
    yield from plan.adopted(
        seen, experiment, {spec.id for spec in specs if _may_be_adopted(after, spec, wanted, ids)}
    )


def contested(state: State, wanted: RetryWanted) -> str:
    """Why these can't be retried now: as `plan.contested` has it."""
    experiment = state.experiments[wanted.experiment]
    after = _after(experiment, list(_gone(experiment, wanted)))
    return plan.contested(state, wanted.seen, tuple(spec.id for spec in _retried(after, wanted)))


def _retried(experiment: Experiment, wanted: RetryWanted) -> tuple[JobSpec, ...]:
    """What the scaffold no longer has can't be submitted; what its tool holds back is, where a person names it."""
    ids = retriable(experiment, wanted.jobs)
    held_back = {id for id, verdict in wanted.seen.verdicts.items() if verdict.blocked} - {*wanted.jobs}
    return tuple(spec for spec in wanted.seen.jobs if spec.id in ids and spec.id not in held_back)


def _gone(experiment: Experiment, wanted: RetryWanted) -> Iterator[events.Event]:
    """What was good and is no longer. (What failed is submitted again, whatever its own attempt has left: that was asked for.)"""
    for spec in wanted.seen.jobs:
        job = experiment.jobs.get(spec.id)
        if job is not None and job.stage is Stage.VERIFIED:
            yield from plan.found(wanted.seen, spec, experiment)


def _taken_up(
    experiment: Experiment, wanted: RetryWanted, ids: Sequence[str]
) -> Iterator[events.ResultVerified]:
    """What is good by now, and isn't what failed here: another daemon has made it, or a person."""
    anew: set[str] = set()
    for spec in (each for each in wanted.seen.jobs if each.id in ids):
        models = {job.spec.id for job in submit.trainings_of(experiment, spec.run)} - {spec.id}
        good = [] if models & anew else _of_somebody_else(experiment, wanted.seen, spec)
        anew |= set() if good else {spec.id}
        yield from good


def _of_somebody_else(
    experiment: Experiment, seen: ScaffoldSeen, spec: JobSpec
) -> list[events.ResultVerified]:
    """Good, and begun after whatever we have tried had ended."""
    ended_at = last_end(experiment.jobs[spec.id].attempts)
    began_at = seen.verdicts[spec.id].begun_at if spec.id in seen.verdicts else None
    is_ours = math.isfinite(ended_at) and (began_at is None or began_at <= ended_at)
    if is_ours or spec.id in seen.queued:
        return []
    return [e for e in plan.found(seen, spec, experiment) if isinstance(e, events.ResultVerified)]


def _may_be_adopted(experiment: Experiment, spec: JobSpec, wanted: RetryWanted, ids: tuple[str, ...]) -> bool:
    """An evaluation in the queue counts only if it is of a model that is there and stays, or that is in the queue, too."""
    before = () if spec.phase is Phase.OPTIMIZATION else submit.trainings_of(experiment, spec.run)
    stay = {job.spec.id for job in before if job.stage is Stage.VERIFIED and job.spec.id not in ids}
    return all(job.spec.id in stay or job.spec.id in wanted.seen.queued for job in before)


def _after(experiment: Experiment, happened: Sequence[events.Event]) -> Experiment:
    return reduce(lambda e, event: apply.happened(e, event, e.asked_at), happened, experiment)


def acceptable(experiment: Experiment, named: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the named jobs whose results a person may take as they are; and what failed before the evaluations."""
    before = (BEFORE,) if BEFORE in named and prepare.is_meant(experiment, named) else ()
    return before + tuple(
        job.spec.id
        for job in experiment.jobs.values()
        if job.spec.id in named and job.stage in (Stage.IN_DOUBT, Stage.FAILED)
    )


def on_accept(state: State, wanted: AcceptWanted) -> Iterator[events.Event]:
    experiment = state.experiments.get(wanted.experiment)
    ids = acceptable(experiment, wanted.jobs) if experiment else ()
    if experiment is None or not ids:
        return
    if BEFORE in ids:
        yield events.PreparationDecided(again=False)
    accepted = [events.ResultAccepted(job=id) for id in ids if id != BEFORE]
    yield from accepted
    after = _after(experiment, accepted)
    revived = tuple(j.spec.id for j in after.of(Phase.EVALUATION) if _waited(after, j, set()))
    if revived or after.outcome is not None:
        yield events.RetryAsked(jobs=revived)
