"""From a scaffold to what is owed: what lies there already is never submitted again."""

from collections.abc import Iterator

from runexp.wire import events
from runexp.wire.jobs import Failure, JobSpec
from runexp.wire.states import Phase, PhaseState, Stage
from runexp.wire.views import PlanLine
from runexpd.core.observations import CancelWanted, Queued, RetryWanted, ScaffoldSeen
from runexpd.core.state import Experiment, Job, State

OUTDATED = Failure("outdated", "scored before its model was trained anew")
OPTIMIZE_ONLY = "left out: --optimize-only"
CANCELLED = "cancelled before it was submitted"


def on_scaffold(state: State, seen: ScaffoldSeen) -> Iterator[events.Event]:
    """The events of `runexp run`."""
    known = by_directory(state, seen.cluster, seen.dir)
    if known is None:
        yield events.ExperimentAdded(name=seen.name, dir=seen.dir, cluster=seen.cluster)
    elif known.id != seen.experiment or known.outcome is None:
        return  # somebody else was faster: it is under way
    yield events.RunAsked(
        policy=seen.policy,
        tools=seen.tools,
        logs=seen.logs,
        runs=seen.runs,
        jobs=seen.jobs,
        warnings=seen.warnings,
    )
    for place, spec in enumerate(seen.jobs):
        job = known.jobs.get(spec.id) if known else None
        if spec.id in seen.queued and _may_be_adopted(seen, spec, job):
            yield _adopted(seen.experiment, place, spec.id, job, seen.queued[spec.id])
            continue
        yield from _found(seen, spec, job)
        done = _is_good(seen, spec.id) and _is_current(seen, spec)
        if seen.policy.optimize_only and spec.phase is Phase.EVALUATION and not done:
            yield from _left_out(spec.id, known.jobs.get(spec.id) if known else None)


def by_directory(state: State, cluster: str, dir: str) -> Experiment | None:
    """A directory is one experiment, however often it is run."""
    return next((e for e in state.experiments.values() if (e.cluster, e.dir) == (cluster, dir)), None)


def _found(seen: ScaffoldSeen, spec: JobSpec, job: Job | None) -> Iterator[events.Event]:
    """What a look at the results on disk changes for one job."""
    id, verdict = spec.id, seen.verdicts.get(spec.id)
    if verdict is None:
        return
    stage = job.stage if job else Stage.PLANNED
    token = job.attempt.token if job and job.attempt and stage is Stage.VERIFIED else None
    if verdict.good and stage is not Stage.VERIFIED and _is_current(seen, spec):
        yield events.ResultVerified(
            job=id,
            token=None,
            detail=verdict.detail,
            artifacts=verdict.artifacts,
            scores=verdict.scores,
            warnings=verdict.warnings,
        )
    elif not verdict.good and stage is Stage.VERIFIED:
        cause = verdict.failure.message if verdict.failure else verdict.detail
        failure = Failure("results_gone", f"verified before, and no longer: {cause}")
        yield events.ResultRejected(job=id, token=token, failure=failure, warnings=verdict.warnings)
    elif stage is Stage.VERIFIED and _is_outdated(seen, spec):
        yield events.ResultRejected(job=id, token=token, failure=OUTDATED)


def _may_be_adopted(seen: ScaffoldSeen, spec: JobSpec, job: Job | None) -> bool:
    """An evaluation in the queue counts only if it is of a model that is there, or in the making."""
    if job is not None and job.stage not in (Stage.PLANNED, Stage.SKIPPED):
        return False
    return all(_is_good(seen, id) or id in seen.queued for id in _trainings_before(seen, spec))


def _adopted(experiment: str, place: int, id: str, job: Job | None, queued: Queued) -> events.JobAdopted:
    attempts, tokens = (len(job.attempts), job.tokens) if job else (0, 0)
    return events.JobAdopted(
        job=id,
        number=attempts + 1,
        token=f"{experiment}-{place}-{tokens + 1}",
        slurm_job_id=queued.slurm_job_id,
        mark=queued.mark,
        output=queued.output,
    )


def _is_current(seen: ScaffoldSeen, spec: JobSpec) -> bool:
    """Whether results are of the model as it is: an evaluation is older than a training that is still owed."""
    return all(_is_good(seen, id) for id in _trainings_before(seen, spec)) and not _is_outdated(seen, spec)


def _is_outdated(seen: ScaffoldSeen, spec: JobSpec) -> bool:
    """Whether an evaluation was begun before its model was trained for the last time, as far as both times are known."""
    evaluated_at = seen.verdicts[spec.id].begun_at if spec.id in seen.verdicts else None
    trained_at = (seen.verdicts[id].begun_at for id in _trainings_before(seen, spec) if id in seen.verdicts)
    return evaluated_at is not None and any(at is not None and at > evaluated_at for at in trained_at)


def _trainings_before(seen: ScaffoldSeen, spec: JobSpec) -> list[str]:
    """What an evaluation evaluates; nothing for a training, and for a model that isn't trained here."""
    if spec.phase is Phase.OPTIMIZATION:
        return []
    return [job.id for job in seen.jobs if job.phase is Phase.OPTIMIZATION and job.run == spec.run]


def _is_good(seen: ScaffoldSeen, id: str) -> bool:
    return id in seen.verdicts and seen.verdicts[id].good


def _left_out(id: str, job: Job | None) -> Iterator[events.Event]:
    if job is None or job.stage in (Stage.PLANNED, Stage.SKIPPED):
        yield events.JobSkipped(job=id, reason=OPTIMIZE_ONLY)


def retriable(experiment: Experiment, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The jobs that `retry` makes owed: what failed (of those named), what was skipped for it, and what is outdated by it."""
    failed = {j.spec.id for j in experiment.jobs.values() if j.stage is Stage.FAILED and _is_named(j, named)}
    runs = {experiment.jobs[id].spec.run for id in failed}
    skipped = {
        j.spec.id
        for j in experiment.jobs.values()
        if j.stage is Stage.SKIPPED and (_is_named(j, named) or j.spec.run in runs)
    }
    retrained = {j.spec.run for j in experiment.of(Phase.OPTIMIZATION) if j.spec.id in failed}
    outdated = {
        j.spec.id
        for j in experiment.of(Phase.EVALUATION)
        if j.stage in (Stage.VERIFIED, Stage.FAILED) and j.spec.run in retrained
    }
    return tuple(id for id in experiment.jobs if id in failed | skipped | outdated)


def _is_named(job: Job, named: tuple[str, ...]) -> bool:
    return not named or job.spec.id in named


def cancellable(experiment: Experiment, named: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The jobs that `cancel` can end."""
    open_stages = (Stage.PLANNED, Stage.SUBMITTING, Stage.UNCLEAR, Stage.QUEUED, Stage.MENDING)
    return tuple(
        j.spec.id
        for j in experiment.jobs.values()
        if j.stage in open_stages and not j.cancel_asked and _is_named(j, named)
    )


def on_retry(state: State, wanted: RetryWanted) -> Iterator[events.Event]:
    experiment = state.experiments.get(wanted.experiment)
    jobs = retriable(experiment, wanted.jobs) if experiment else ()
    if jobs:
        for id in jobs:
            if experiment and experiment.jobs[id].stage is Stage.VERIFIED:
                yield events.ResultRejected(job=id, token=experiment.jobs[id].proof, failure=OUTDATED)
        yield events.RetryAsked(jobs=jobs, specs=tuple(spec for spec in wanted.specs if spec.id in jobs))
        for place, id in enumerate(experiment.jobs if experiment else ()):
            if experiment and id in jobs and id in wanted.queued:
                yield _adopted(experiment.id, place, id, experiment.jobs[id], wanted.queued[id])


def on_cancel(state: State, wanted: CancelWanted) -> Iterator[events.Event]:
    experiment = state.experiments.get(wanted.experiment)
    jobs = cancellable(experiment, wanted.jobs) if experiment else ()
    if jobs:
        yield events.CancelAsked(jobs=jobs)


def cancelled(experiment: Experiment) -> Iterator[events.Event]:
    """Owed: jobs that were to end and never began."""
    for job in experiment.jobs.values():
        if job.cancel_asked and job.stage is Stage.PLANNED:
            yield events.JobSkipped(job=job.spec.id, reason=CANCELLED)


def lines(experiment: Experiment) -> Iterator[PlanLine]:
    """What the ledger would do next with each job: `runexp plan`, on a state that `run` was tried on."""
    for job in experiment.jobs.values():
        decision, reason = _decision(experiment, job)
        yield PlanLine(
            job=job.spec.id, phase=job.spec.phase, decision=decision, reason=reason, script=job.spec.script
        )


def _decision(experiment: Experiment, job: Job) -> tuple[str, str]:
    match job.stage:
        case Stage.VERIFIED:
            return "skip", f"done: {job.detail}"
        case Stage.SKIPPED:
            return "blocked", job.detail
        case Stage.FAILED:
            return "blocked", f"failed before: {job.detail}; `runexp retry` submits it again"
        case Stage.QUEUED | Stage.ENDED | Stage.UNCLEAR | Stage.MENDING:
            return "skip", f"under way: {job.detail or job.state}"
        case Stage.PLANNED | Stage.SUBMITTING:
            return "submit", _waits_for(experiment, job)


def _waits_for(experiment: Experiment, job: Job) -> str:
    if job.spec.phase is Phase.OPTIMIZATION:
        return "not done yet"
    if experiment.evaluation is not PhaseState.WAITING or experiment.optimization is PhaseState.CLOSED:
        return "not done yet"
    return "once the optimization barrier clears"
