"""Run, plan, retry, cancel: what changes the ledger. Every change goes through the loop, and is on disk when answered."""

from collections.abc import Sequence

from runexp.wire import events, requests, views
from runexp.wire.jobs import JobSpec, Policy
from runexp.wire.refusals import Code
from runexp.wire.states import SETTLED
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import Cluster
from runexpd.core.apply import fold
from runexpd.core.observations import CancelWanted, Queued, RetryWanted, ScaffoldSeen
from runexpd.core.observe import observe
from runexpd.core.state import Experiment
from runexpd.core.steps import plan
from runexpd.hosts.base import FileMissing
from runexpd.runtime import clock
from runexpd.runtime.inspector import look_at_all
from runexpd.runtime.reader import check_writable, read_experiment
from runexpd.runtime.submitter import output_of


async def run(context: Context, asked: requests.Run) -> requests.RunReply:
    cluster = _cluster(context, asked.cluster)
    known = await _known(context, cluster, asked.dir)
    if known is not None and known.outcome is None:
        raise _running(known)
    seen = await _look(context, cluster, asked.dir, asked.policy)
    for log in seen.logs.values():
        await check_writable(cluster.host, log.rpartition("/")[0])
    recorded = await context.loop.tell(seen)
    started = [r for r in recorded if isinstance(r.event, events.RunAsked)]
    if not started:  # somebody else was faster
        other = plan.by_directory(context.loop.state, cluster.name, seen.dir)
        assert other is not None
        raise _running(other)
    experiment = context.loop.state.experiments[seen.experiment]
    return requests.RunReply(
        experiment=experiment.id,
        name=experiment.name,
        seq=started[0].seq,
        owed=sum(job.stage not in SETTLED for job in experiment.jobs.values()),
    )


async def show_plan(context: Context, asked: requests.PlanAsk) -> views.Plan:
    """Tried on a copy of the state: what `run` would do is what the plan says."""
    cluster = _cluster(context, asked.cluster)
    known = await _known(context, cluster, asked.dir)
    if known is not None and known.outcome is None:
        return _plan(known)
    seen = await _look(context, cluster, asked.dir, asked.policy)
    now = clock.now()
    facts = observe(context.loop.state, seen, now)
    tried = fold(
        context.loop.state,
        (events.Recorded(seq=0, at=now, experiment=id, event=event) for id, event in facts),
    )
    return _plan(tried.experiments[seen.experiment])


async def retry(context: Context, asked: requests.Retry) -> requests.RetryReply:
    experiment = find.experiment(context.loop.state, asked.experiment)
    named = tuple(find.job(experiment, name) for name in asked.jobs)
    if not plan.retriable(experiment, named):
        what = (
            f"nothing of {experiment.name} has failed" if not named else f"{', '.join(named)} has not failed"
        )
        raise Refusal(Code.NOTHING_TO_DO, what, hint=f"`runexp status {experiment.typed}` shows its jobs")
    cluster = _cluster(context, experiment.cluster)
    reading = await read_experiment(
        cluster.host, experiment.dir, context.tools, experiment.policy.optimize_only
    )
    queued = await _queued(context, cluster, reading.jobs)
    wanted = RetryWanted(experiment=experiment.id, jobs=named, specs=reading.jobs, queued=queued)
    recorded = await context.loop.tell(wanted)
    for r in recorded:
        if isinstance(r.event, events.RetryAsked):
            return requests.RetryReply(
                experiment=experiment.id, name=experiment.name, seq=r.seq, jobs=r.event.jobs
            )
    raise Refusal(Code.NOTHING_TO_DO, f"nothing of {experiment.name} is left to retry")


async def cancel(context: Context, asked: requests.Cancel) -> requests.CancelReply:
    experiment = find.experiment(context.loop.state, asked.experiment)
    named = tuple(find.job(experiment, name) for name in asked.jobs)
    recorded = await context.loop.tell(CancelWanted(experiment=experiment.id, jobs=named))
    for r in recorded:
        if isinstance(r.event, events.CancelAsked):
            return requests.CancelReply(jobs=r.event.jobs)
    what = f"{experiment.name} has nothing left to cancel"
    raise Refusal(Code.NOTHING_TO_DO, what, hint=f"`runexp status {experiment.typed}` shows its jobs")


def _cluster(context: Context, name: str) -> Cluster:
    if name not in context.clusters:
        known = ", ".join(sorted(context.clusters))
        hint = f"clusters: {known}; others are added in {context.config_path}"
        raise Refusal(Code.UNKNOWN, f"no cluster is called {name}", hint=hint)
    return context.clusters[name]


async def _known(context: Context, cluster: Cluster, dir: str) -> Experiment | None:
    """The ledger's experiment in a directory; None also where there is no such directory, which reading it will say."""
    try:
        return plan.by_directory(context.loop.state, cluster.name, await cluster.host.resolve(dir))
    except FileMissing:
        return None


def _running(known: Experiment) -> Refusal:
    hint = f"attach to it: runexp attach {known.typed}"
    return Refusal(Code.RUNNING, f"{known.name} is running already", known.dir, hint)


async def _look(context: Context, cluster: Cluster, dir: str, policy: Policy) -> ScaffoldSeen:
    reading = await read_experiment(cluster.host, dir, context.tools, policy.optimize_only)
    known = plan.by_directory(context.loop.state, cluster.name, reading.dir)
    verdicts = await look_at_all(context.tools, cluster.host, reading.jobs, known.jobs if known else {})
    queued = await _queued(context, cluster, reading.jobs)
    return ScaffoldSeen(
        experiment=known.id if known else clock.new_experiment_id(),
        name=reading.name,
        dir=reading.dir,
        cluster=cluster.name,
        policy=policy,
        tools=reading.tools,
        logs=reading.logs,
        runs=reading.runs,
        jobs=reading.jobs,
        verdicts=verdicts,
        queued=queued,
        warnings=reading.warnings,
    )


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


def _plan(experiment: Experiment) -> views.Plan:
    return views.Plan(
        name=experiment.name,
        dir=experiment.dir,
        cluster=experiment.cluster,
        lines=tuple(plan.lines(experiment)),
        warnings=experiment.warnings,
    )
