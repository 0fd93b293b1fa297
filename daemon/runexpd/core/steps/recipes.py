"""What results were made of, and what the scaffold says otherwise since."""

from collections.abc import Iterator

from runexp.wire import events
from runexp.wire.jobs import IfChanged
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Job
from runexpd.core.observations import RecipeSeen, ScaffoldSeen
from runexpd.core.state import Experiment, State
from runexpd.core.steps import submit


def on_recipe(state: State, seen: RecipeSeen) -> Iterator[events.Event]:
    """Counts once, and only for the attempt that it is about."""
    experiment = state.experiments.get(seen.experiment)
    job = experiment.jobs.get(seen.job) if experiment else None
    if experiment is None or job is None:
        return
    if any(a.token == seen.token and not a.recipe for a in job.attempts):
        models = _models(experiment, job)
        yield events.RecipeRecorded(job=seen.job, token=seen.token, recipe=seen.recipe, models=models)


def _models(experiment: Experiment, job: Job) -> tuple[str, ...]:
    trained = submit.trainings_of(experiment, job.spec.run) if job.spec.phase is Phase.EVALUATION else ()
    return tuple(each.proof for each in trained if each.proof is not None)


def changed(seen: ScaffoldSeen, job: Job | None) -> bool:
    """Whether its results are of another recipe, and nobody keeps them."""
    if job is None or job.stage is not Stage.VERIFIED or job.spec.id not in seen.changes:
        return False
    return not (job.kept and job.changes == seen.changes[job.spec.id])


def noted(seen: ScaffoldSeen, job: Job) -> Iterator[events.Event]:
    """What is to be remembered of a verified job: what it is made of, and what is said otherwise."""
    id = job.spec.id
    if job.proof is None and not job.recipe and id in seen.recipes:
        yield events.RecipeRecorded(job=id, token=None, recipe=seen.recipes[id])
    changes = seen.changes.get(id, ())
    kept = bool(changes) and (seen.changed is IfChanged.KEEP or not changed(seen, job))
    if (changes, kept) != (job.changes, job.kept):
        yield events.ChangeSeen(job=id, changes=changes, kept=kept)


def is_to_be_made_anew(seen: ScaffoldSeen, job: Job | None) -> bool:
    """Whether `run` makes it anew, since it was told to."""
    return seen.changed is IfChanged.RERUN and changed(seen, job)
