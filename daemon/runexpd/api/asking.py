"""Run, plan, retry, accept, cancel: what changes the ledger. Every change goes through the loop, and is on disk when answered."""

from collections.abc import Sequence
from typing import Any, TypeVar

import msgspec

from runexp.wire import events, requests, views
from runexp.wire.events import Recorded
from runexp.wire.jobs import BEFORE, JobSpec, Policy
from runexp.wire.refusals import Code
from runexp.wire.states import SETTLED
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import Cluster
from runexpd.core.observations import (
    AcceptWanted,
    CancelWanted,
    Observation,
    Queued,
    RetryWanted,
    ScaffoldSeen,
)
from runexpd.core.state import Experiment
from runexpd.core.steps import again, forecast, plan
from runexpd.runtime import aside, clock
from runexpd.runtime.inspector import look_at, of_known
from runexpd.runtime.loop import NotTaken
from runexpd.runtime.reader import check_writable, read_experiment
from runexpd.runtime.submitter import output_of
from runexpd.runtime.together import together

E = TypeVar("E", bound=events.Event)


async def run(context: Context, asked: requests.Run) -> requests.RunReply:
    cluster = _cluster(context, asked.cluster)
    seen = await _look(context, cluster, asked.dir, asked.choices)
    for dir in {log.rpartition("/")[0] for log in seen.logs.values()}:
        await check_writable(cluster.host, dir)
    started = _first(await _tell(context, seen), events.RunAsked)
    if started is None:
        raise _unchanged(context, seen)
    experiment = context.loop.state.experiments[started.experiment]
    return requests.RunReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=started.seq,
        owed=sum(job.stage not in SETTLED for job in experiment.current),
    )


async def show_plan(context: Context, asked: requests.PlanAsk) -> views.Plan:
    """Tried on a copy of the state: what `run` would do is what the plan says."""
    cluster = _cluster(context, asked.cluster)
    seen = await _look(context, cluster, asked.dir, asked.choices)
    state = context.loop.state
    if why := plan.contested(state, seen):
        raise _contested(why)
    tried = await aside.admit(state, seen, clock.now(), 0)
    if tried.refused:
        raise Refusal(Code.INTERNAL, tried.refused, seen.dir, "the daemon's journal has the details")
    before, after = state.experiments.get(seen.experiment), tried.state.experiments[seen.experiment]
    typed = context.typed(after)
    return views.Plan(
        name=after.name,
        dir=after.dir,
        cluster=after.cluster,
        lines=await aside.aside(lambda: tuple(forecast.lines(before, after, typed))),
        warnings=seen.warnings,
    )


async def retry(context: Context, asked: requests.Retry) -> requests.RetryReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    cluster = _cluster(context, experiment.cluster)
    choices = requests.Choices(optimize_only=experiment.policy.optimize_only)
    wanted = RetryWanted(seen=await _look(context, cluster, experiment.dir, choices), jobs=named)
    done = _first(await _tell(context, wanted), events.RetryAsked)
    if done is None:
        if why := again.contested(context.loop.state, wanted):
            raise _contested(why)
        raise _nothing_to_retry(context, experiment, named)
    return requests.RetryReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=done.seq,
        jobs=done.event.jobs or named or (BEFORE,),
    )


async def accept(context: Context, asked: requests.Accept) -> requests.AcceptReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    wrong = set(named) - set(again.acceptable(experiment, named))
    if wrong or not named:
        states = _states(experiment, sorted(wrong)) or "no job is named"
        hint = f"only what failed or is unclear can be taken as it is: `runexp status {context.typed(experiment)}`"
        raise Refusal(Code.NOTHING_TO_DO, states, hint=hint)
    recorded = await _tell(context, AcceptWanted(experiment=experiment.id, jobs=named))
    if not recorded:
        raise Refusal(Code.NOTHING_TO_DO, f"nothing of {experiment.name} is left to accept")
    return requests.AcceptReply(
        experiment=experiment.id,
        name=experiment.name,
        typed=context.typed(experiment),
        seq=recorded[0].seq,
        jobs=named,
    )


async def cancel(context: Context, asked: requests.Cancel) -> requests.CancelReply:
    experiment = await find.experiment(context, asked.experiment)
    named = tuple(find.job(context, experiment, name) for name in asked.jobs)
    recorded = await _tell(context, CancelWanted(experiment=experiment.id, jobs=named))
    done = _first(recorded, events.CancelAsked)
    if done is not None:
        return requests.CancelReply(jobs=done.event.jobs)
    what = f"{', '.join(named) or experiment.name} has nothing left to cancel"
    hint = f"`runexp status {context.typed(experiment)}` shows its jobs"
    raise Refusal(Code.NOTHING_TO_DO, what, hint=hint)


async def _tell(context: Context, observation: Observation) -> Sequence[Recorded]:
    try:
        return await context.loop.tell(observation)
    except NotTaken as error:
        hint = error.hint or "this is a fault of runexp's; the daemon's journal has the details"
        raise Refusal(Code.INTERNAL, f"nothing was changed: {error.what}", hint=hint) from error


class _Of(msgspec.Struct, frozen=True):
    """An event with its place, of a known type."""

    seq: int
    experiment: str
    event: Any


def _first(recorded: Sequence[Recorded], kind: type[E]) -> _Of | None:
    found = (r for r in recorded if isinstance(r.event, kind))
    return next((_Of(r.seq, r.experiment, r.event) for r in found), None)


def _cluster(context: Context, name: str) -> Cluster:
    if name not in context.clusters:
        known = ", ".join(sorted(context.clusters))
        hint = f"clusters: {known}; others are added in {context.config_path}"
        raise Refusal(Code.UNKNOWN, f"no cluster is called {name}", hint=hint)
    return context.clusters[name]


def _unchanged(context: Context, seen: ScaffoldSeen) -> Refusal:
    """Why `run` changed nothing: another trains there, or it is under way as it is."""
    if why := plan.contested(context.loop.state, seen):
        return _contested(why)
    known = plan.by_directory(context.loop.state, seen.cluster, seen.dir)
    assert known is not None
    hint = f"attach to it: runexp attach {context.typed(known)}"
    return Refusal(Code.RUNNING, f"{known.name} is running already", known.dir, hint)


def _contested(why: str) -> Refusal:
    hint = "run this one when that is over: what it has trained is then taken as it is"
    return Refusal(Code.RUNNING, why, hint=hint)


def _nothing_to_retry(context: Context, experiment: Experiment, named: tuple[str, ...]) -> Refusal:
    states = _states(experiment, named)
    what = f"nothing to submit again: {states}" if named else f"nothing of {experiment.name} has failed"
    hint = f"`runexp status {context.typed(experiment)}` shows its jobs"
    return Refusal(Code.NOTHING_TO_DO, what, hint=hint)


def _states(experiment: Experiment, named: Sequence[str]) -> str:
    jobs, preparation = experiment.jobs, experiment.preparation
    return ", ".join(f"{id} is {jobs[id].state if id in jobs else preparation}" for id in named)


async def _look(context: Context, cluster: Cluster, dir: str, choices: requests.Choices) -> ScaffoldSeen:
    """The scaffold, and what lies in it."""
    reading = await read_experiment(cluster.host, dir, context.tools, choices.optimize_only)
    for each in context.loop.state.known():
        if (each.cluster, each.dir) == (cluster.name, reading.dir):
            await context.at_hand(each.id)
            break
    known = plan.by_directory(context.loop.state, cluster.name, reading.dir)
    if known and (parked := context.loop.state.parked.get(known.id)) and parked.for_good:
        raise Refusal(Code.INTERNAL, parked.why, known.dir, "nothing is submitted of it, to be safe")
    jobs = known.jobs if known else {}
    looks = [of_known(job, jobs.get(job.id)) for job in reading.jobs]
    seen, queued = await together(
        lambda: look_at(context.tools, cluster.host, looks), lambda: _queued(context, cluster, reading.jobs)
    )
    return ScaffoldSeen(
        experiment=known.id if known else _new_id(context),
        name=reading.name,
        dir=reading.dir,
        cluster=cluster.name,
        policy=_policy(known, choices),
        tools=reading.tools,
        logs=reading.logs,
        runs=reading.runs,
        jobs=reading.jobs,
        verdicts={job.id: each.verdict for job, each in zip(reading.jobs, seen, strict=True)},
        queued=queued,
        warnings=reading.warnings,
        question=reading.question,
    )


def _new_id(context: Context) -> str:
    taken = {known.id for known in context.loop.state.known()}
    while (id := clock.new_experiment_id()) in taken:
        pass
    return id


def _policy(known: Experiment | None, choices: requests.Choices) -> Policy:
    """What was typed, on what is remembered."""
    typed = {
        field: value
        for field in (
            "on_failure",
            "barrier",
            "oom_retries",
            "node_retries",
            "on_stall",
            "stagger_evaluations_seconds",
            "before_evaluations",
        )
        if (value := getattr(choices, field)) is not msgspec.UNSET
    }
    remembered = known.policy if known else Policy()
    return msgspec.structs.replace(remembered, optimize_only=choices.optimize_only, **typed)


async def _queued(context: Context, cluster: Cluster, jobs: Sequence[JobSpec]) -> dict[str, Queued]:
    """What somebody else has submitted of these jobs. A queue that gives no answer is no empty queue."""
    experiments = context.loop.state.experiments.values()
    ours = {a.token for e in experiments for job in e.jobs.values() for a in job.attempts}
    specs = {job.id: job for job in jobs}
    return {
        id: Queued(
            slurm_job_id=found.slurm_job_id,
            mark=found.mark,
            output=output_of(specs[id], found.slurm_job_id),
        )
        for id, found in (await cluster.find(jobs, ours)).items()
    }
