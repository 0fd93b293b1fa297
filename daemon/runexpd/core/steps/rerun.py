"""`runexp rerun`: the named jobs are made anew, verified or not, with the evaluations of what is trained."""

from collections.abc import Collection, Iterator

from runexp.wire import events
from runexp.wire.states import Stage
from runexpd.core.observations import RerunWanted
from runexpd.core.state import Experiment, State
from runexpd.core.steps import anew, plan, submit


def on_rerun(state: State, wanted: RerunWanted) -> Iterator[events.Event]:
    experiment = state.experiments.get(wanted.experiment)
    if experiment is None:
        return
    ids = rerunnable(experiment, wanted)
    if not ids or plan.contested(state, wanted.seen, ids):
        return
    if gone := plan.retiring(experiment, wanted.seen):
        yield events.JobsRetired(jobs=gone)
    specs = {spec.id: spec for spec in wanted.seen.jobs}
    why = {id: "; ".join(changes) for id, changes in wanted.seen.changes.items()}
    yield from anew.anew(experiment, specs, ids, why, wanted.seen.warnings)


def rerunnable(experiment: Experiment, wanted: RerunWanted) -> tuple[str, ...]:
    """Those that can be: nothing of them is under way or reads them, and their model is there, or is made anew, too."""
    there = {spec.id for spec in wanted.seen.jobs}
    settled = (job.spec.id for job in experiment.current if anew.is_settled(job))
    current = {id for id in settled if not anew.readers(experiment, id)}
    named = current & there & set(wanted.jobs)
    return anew.with_evaluations(experiment, {id for id in named if _has_model(experiment, id, named)}, there)


def _has_model(experiment: Experiment, id: str, named: Collection[str]) -> bool:
    job = experiment.jobs[id]
    before = () if anew.trains(job) else submit.trainings_of(experiment, job.spec.run)
    return all(t.stage not in (Stage.FAILED, Stage.SKIPPED) or t.spec.id in named for t in before)
