"""A look at a scaffold that something is asked of: what it says, what lies in it, and what of it has changed."""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from runexp.wire import requests
from runexp.wire.jobs import Finding, JobSpec, Policy, Verdict
from runexp.wire.refusals import Code
from runexp.wire.states import Phase, Stage
from runexpd.api import restoring
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import Cluster
from runexpd.core.job import Job
from runexpd.core.observations import Queued, ScaffoldSeen
from runexpd.core.state import Experiment
from runexpd.core.steps import archived, plan, submit
from runexpd.experiments import outputs
from runexpd.hosts.base import Host
from runexpd.runtime import apart, clock, submitter
from runexpd.runtime.inspector import look_at, of_known
from runexpd.runtime.reader import read_experiment
from runexpd.runtime.together import together


async def look(context: Context, cluster: Cluster, dir: str, choices: requests.Choices) -> ScaffoldSeen:
    """The scaffold, what lies in it, and what it says otherwise than what results came from."""
    began = clock.now()
    reading = await read_experiment(cluster.host, dir, context.tools, choices.optimize_only)
    for each in context.loop.state.known():
        if (each.cluster, each.dir) == (cluster.name, reading.dir):
            await context.at_hand(each.id)
            break
    await restoring.caught_up(context, plan.by_directory(context.loop.state, cluster.name, reading.dir))
    known = plan.by_directory(context.loop.state, cluster.name, reading.dir)
    if known and context.loop.state.is_lost(known.id):
        raise _lost(context, known)
    jobs = known.jobs if known else {}
    looks = [of_known(job, jobs.get(job.id)) for job in reading.jobs]
    (seen, queued), changes, _ = await together(
        lambda: together(
            lambda: look_at(context.tools, cluster.host, looks),
            lambda: _queued(context, cluster, reading.jobs),
        ),
        lambda: changes_of(context, cluster.host, reading.dir, reading.jobs, jobs),
        lambda: apart.check(cluster.host, reading.jobs),
    )
    seen_now = ScaffoldSeen(
        experiment=known.id if known else _new_id(context),
        name=reading.name,
        dir=reading.dir,
        cluster=cluster.name,
        policy=_policy(known, choices),
        tools=reading.tools,
        logs=reading.logs,
        runs=reading.runs,
        jobs=reading.jobs,
        verdicts=archived.taken(
            reading.jobs, {job.id: each.verdict for job, each in zip(reading.jobs, seen, strict=True)}, jobs
        ),
        looked_at=began,
        queued=queued,
        changes=changes,
        changed=choices.changed,
        warnings=reading.warnings,
        question=reading.question,
    )
    return await _undisturbed(cluster, seen_now, jobs)


async def _undisturbed(cluster: Cluster, seen: ScaffoldSeen, jobs: Mapping[str, Job]) -> ScaffoldSeen:
    """What another's job is writing over is not to be taken up, however good it still looks. Raises ClusterUnreachable."""
    fresh = [
        spec
        for spec in seen.jobs
        if spec.phase is Phase.OPTIMIZATION and seen.verdicts[spec.id].finding is Finding.GOOD
        if spec.id not in jobs or jobs[spec.id].stage is not Stage.VERIFIED
    ]
    tokens = {submit.token_of(seen.experiment, number): spec for number, spec in enumerate(fresh)}
    whose = await submitter.writing(cluster, tokens) if tokens else {}
    doubtful = {
        tokens[token].id: Verdict(finding=Finding.UNCLEAR, detail=words) for token, words in whose.items()
    }
    return replace(seen, verdicts={**seen.verdicts, **doubtful})


def _lost(context: Context, known: Experiment) -> Refusal:
    typed = context.typed(known)
    anew = f"nothing is submitted of it, to be safe; to begin it anew: runexp rm {typed} --abandon"
    return Refusal(Code.INTERNAL, context.loop.state.parked[known.id].why, known.dir, anew)


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
            output=outputs.output_of(specs[id], outputs.Start(found.slurm_job_id)),
        )
        for id, found in (await cluster.find(jobs, ours)).items()
    }


async def changes_of(
    context: Context, host: Host, dir: str, specs: Sequence[JobSpec], jobs: Mapping[str, Job]
) -> dict[str, tuple[str, ...]]:
    """What scripts, configs and data say otherwise than what verified results came from, by job. Raises HostUnreachable."""
    verified = [spec for spec in specs if spec.id in jobs and jobs[spec.id].stage is Stage.VERIFIED]
    known = [spec for spec in verified if jobs[spec.id].made_of]
    made = await context.pantry.read(host, dir, known)
    now = {spec.id: each for spec, each in zip(known, made, strict=True)}
    return await context.pantry.changes({id: jobs[id].made_of for id in now}, now)


async def with_recipes(context: Context, cluster: Cluster, seen: ScaffoldSeen) -> ScaffoldSeen:
    """With what results that no attempt of ours made are taken to come from: the scaffold as it stands. Raises HostUnreachable."""
    known = context.loop.state.experiments.get(seen.experiment)
    jobs = known.jobs if known else {}
    fresh = [
        spec
        for spec in seen.jobs
        if spec.id in seen.verdicts and seen.verdicts[spec.id].finding is Finding.GOOD
        if spec.id not in jobs or (jobs[spec.id].proof is None and not jobs[spec.id].recipe)
    ]
    if not fresh:
        return seen
    names = await context.pantry.keep(await context.pantry.read(cluster.host, seen.dir, fresh))
    return replace(seen, recipes={spec.id: name for spec, name in zip(fresh, names, strict=True)})
