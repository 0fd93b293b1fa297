"""What exactly ran, and what has changed since."""

from collections.abc import Sequence

import anyio
from loguru import logger
from msgspec.structs import replace

from runexp.wire import requests
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.refusals import Code
from runexp.wire.states import Stage
from runexp.wire.views import JobView
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.looking import changes_of
from runexpd.api.refusal import Refusal
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment
from runexpd.hosts.base import HostError
from runexpd.ledger.errors import LedgerError
from runexpd.recipes import compare

#: So long whoever wants to see how things stand waits for what has changed since.
PATIENCE_SECONDS = 2.0
#: Of so many jobs it is looked at when they are shown; of more, when `run` or `plan` reads them.
MOST_JOBS = 200


async def show(context: Context, asked: requests.Show) -> requests.ShowReply:
    experiment = await find.experiment(context, asked.experiment)
    job = experiment.jobs[find.job(context, experiment, asked.job)]
    shown = await _shown(context, experiment, job, asked.attempt)
    against = None if asked.against is None else await _shown(context, experiment, job, asked.against)
    changes: Sequence[str] = ()
    if against is not None:
        changes = compare.changes(shown.recipe, against.recipe, {**against.contents, **shown.contents})
    return requests.ShowReply(
        experiment=experiment.id, job=job.spec.id, shown=shown, against=against, changes=tuple(changes)
    )


async def _shown(context: Context, experiment: Experiment, job: Job, number: int | None) -> WithTexts:
    if number == 0:
        return await _as_it_stands(context, experiment, job)
    attempt, name = _named(context, experiment, job, number)
    recipes, contents = await context.pantry.kept([name])
    if name not in recipes:
        raise Refusal(
            Code.UNKNOWN,
            f"the recipe of {job.spec.id} is not in the ledger",
            hint="`--attempt 0`: as it stands",
        )
    number, models = (attempt.number, attempt.models) if attempt else (0, ())
    return WithTexts(
        attempt=number, found=attempt is None, recipe=recipes[name], models=models, contents=contents
    )


async def _as_it_stands(context: Context, experiment: Experiment, job: Job) -> WithTexts:
    cluster = find.cluster(context, experiment.cluster)
    (made,) = await context.pantry.read(cluster.host, experiment.dir, [job.spec])
    return WithTexts(attempt=0, recipe=made.recipe, contents=made.contents)


def _named(
    context: Context, experiment: Experiment, job: Job, number: int | None
) -> tuple[Attempt | None, str]:
    """An attempt and its recipe's name; none for results that no attempt made. Raises Refusal."""
    if number is None:
        attempt = next((a for a in job.attempts if a.token == job.proof), None) if job.proof else job.attempt
        name = attempt.recipe if attempt and (job.proof or not job.recipe) else job.recipe
    else:
        attempt = next((a for a in job.attempts if a.number == number), None)
        name = attempt.recipe if attempt else ""
    if not name:
        known = ", ".join(str(a.number) for a in job.attempts if a.recipe) or "none"
        what = f"{job.spec.id} of {experiment.name} has no recipe" + (
            f" of attempt {number}" if number else ""
        )
        raise Refusal(Code.UNKNOWN, what, hint=f"attempts with one: {known}; 0 is what stands there now")
    return attempt, name


async def since(context: Context, experiment: Experiment, views: tuple[JobView, ...]) -> tuple[JobView, ...]:
    """The same jobs, with what has changed by now, as far as that can be seen in a moment."""
    cluster = context.clusters.get(experiment.cluster)
    jobs = [job for job in experiment.current if job.stage is Stage.VERIFIED and job.made_of]
    if cluster is None or not jobs or len(jobs) > MOST_JOBS:
        return views
    specs = [job.spec for job in jobs]
    with anyio.move_on_after(PATIENCE_SECONDS):
        try:
            found = await changes_of(context, cluster.host, experiment.dir, specs, experiment.jobs)
        except (HostError, LedgerError) as error:
            logger.debug("what has changed can't be seen: {}", error)
            return views
        looked = {spec.id for spec in specs}
        return tuple(_changed(view, found.get(view.id, ())) if view.id in looked else view for view in views)
    return views


def _changed(view: JobView, changes: tuple[str, ...]) -> JobView:
    return replace(view, changes=changes, kept=view.kept and changes == view.changes)


async def of_results(context: Context, experiment: Experiment) -> dict[str, Recipe]:
    """What results came from, by job; of the first few hundred. Raises LedgerError."""
    names = {
        job.spec.id: job.made_of for job in experiment.current if job.stage is Stage.VERIFIED and job.made_of
    }
    some = dict(list(names.items())[:MOST_JOBS])
    found, _ = await context.pantry.kept(list(some.values()))
    return {id: found[name] for id, name in some.items() if name in found}
