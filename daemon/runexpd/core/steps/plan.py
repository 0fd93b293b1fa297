"""From a scaffold to what is owed: what lies there already is never submitted again, and what is gone is never forgotten."""

from collections.abc import Collection, Iterator
from functools import reduce

from msgspec.structs import replace

from runexp.wire import events, states
from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, Finding, IfChanged, JobSpec, Verdict
from runexp.wire.states import Phase, Stage
from runexpd.core import apply
from runexpd.core.job import Job
from runexpd.core.observations import Queued, ScaffoldSeen
from runexpd.core.state import Experiment, State
from runexpd.core.steps import anew, archived, recipes, submit, verify

OPTIMIZE_ONLY = "left out: --optimize-only"
#: What `run` makes owed.
_UNSETTLED = (Stage.PLANNED, Stage.SKIPPED)


def on_scaffold(state: State, seen: ScaffoldSeen) -> Iterator[events.Event]:
    """The events of `runexp run`; none where it would change nothing of what is under way, or may not be (see `contested`)."""
    known = by_directory(state, seen.cluster, seen.dir)
    if known is None:
        yield from _first(state, seen)
    elif known.id == seen.experiment and not contested(state, seen):
        changes = list(_changes(known, seen))
        if known.outcome is not None or _differs(known, seen, changes):
            yield from changes


def _first(state: State, seen: ScaffoldSeen) -> Iterator[events.Event]:
    if not contested(state, seen):
        yield events.ExperimentAdded(name=seen.name, dir=seen.dir, cluster=seen.cluster)
        yield from _changes(None, seen)


def _changes(known: Experiment | None, seen: ScaffoldSeen) -> Iterator[events.Event]:
    """What is to be said of the scaffold, and then of what its results are made of."""
    said = list(_said(known, seen))
    yield from said
    before = known or Experiment(
        id=seen.experiment, name=seen.name, dir=seen.dir, cluster=seen.cluster, added_at=0.0, asked_at=0.0
    )
    if seen.recipes or seen.changes or any(job.changes for job in before.jobs.values()):
        after = reduce(lambda e, event: apply.happened(e, event, 0.0), said, before)
        yield from _of_recipes(before, after, seen)


def _of_recipes(before: Experiment, after: Experiment, seen: ScaffoldSeen) -> Iterator[events.Event]:
    specs = {spec.id: spec for spec in seen.jobs}
    asked = (id for id in specs if recipes.is_to_be_made_anew(seen, before.jobs.get(id)))
    again = [id for id in asked if after.jobs[id].stage is Stage.VERIFIED and not anew.readers(after, id)]
    for id in (id for id in specs if id not in again):
        if after.jobs[id].stage is Stage.VERIFIED:
            yield from recipes.noted(seen, after.jobs[id])
    if again:
        why = {id: "; ".join(seen.changes[id]) for id in again}
        yield from anew.anew(after, specs, anew.with_evaluations(after, again, specs), why, seen.warnings)


def _said(known: Experiment | None, seen: ScaffoldSeen) -> Iterator[events.Event]:
    if gone := retiring(known, seen):
        yield events.JobsRetired(jobs=gone)
    yield events.RunAsked(
        policy=seen.policy,
        tools=seen.tools,
        logs=seen.logs,
        runs=seen.runs,
        jobs=seen.jobs,
        warnings=seen.warnings,
        question=seen.question,
        name=seen.name,
        why=_owed_again(known, seen),
        looked_at=seen.looked_at,
    )
    ours = {spec.id for spec in seen.jobs if _may_be_adopted(seen, spec, known)}
    for spec in seen.jobs:
        if spec.id in ours:
            yield from _rejected(seen, spec, known)
    yield from adopted(seen, known, ours)
    for spec in seen.jobs:
        if spec.id not in ours:
            yield from found(seen, spec, known)
            if reason := _left_out(seen, spec):
                yield from _skipped(seen, spec, known, reason)


def _owed_again(known: Experiment | None, seen: ScaffoldSeen) -> dict[str, str]:
    """Why what was done once is owed. (What the ledger holds as verified has failed, and waits for `retry`.)"""
    settled = [id for id, job in known.jobs.items() if job.stage not in _UNSETTLED] if known else []
    return {id: why for id, why in archived.lost(seen.verdicts).items() if id not in settled}


def _differs(known: Experiment, seen: ScaffoldSeen, changes: list[events.Event]) -> bool:
    """Whether an experiment that is under way would be another: by its name, scaffold, policy, or what was found."""
    specs = tuple(job.spec for job in known.current)
    now, before = (seen.name, seen.policy, seen.jobs), (known.name, known.policy, specs)
    asked = (*now, seen.warnings, seen.question) != (*before, known.warnings, known.question)
    return asked or known.restored or any(_is_news(known, event) for event in changes)


def _is_news(known: Experiment, event: events.Event) -> bool:
    match event:
        case events.RunAsked():
            return False
        case events.JobSkipped():
            return known.jobs[event.job].stage is not Stage.SKIPPED
        case _:
            return True


def by_directory(state: State, cluster: str, dir: str) -> Experiment | None:
    """A directory is one experiment, however often it is run."""
    return next((e for e in state.experiments.values() if (e.cluster, e.dir) == (cluster, dir)), None)


def contested(state: State, seen: ScaffoldSeen, retried: Collection[str] | None = None) -> str:
    """Why these trainings can't go now: another experiment trains in or into the same directory; empty where none does.

    `retried`: those that are to be made anew; None: those that `run` may have made. One in doubt elsewhere makes nothing.
    """
    busy = {
        place: (job, e)
        for e in state.experiments.values()
        if e.cluster == seen.cluster and e.id != seen.experiment and e.outcome is None
        for job in e.jobs.values()
        if job.spec.phase is Phase.OPTIMIZATION and job.is_open and job.stage is not Stage.IN_DOUBT
        for place in _places(job.spec)
    }
    for spec in seen.jobs:
        owed = _may_be_owed(seen, spec) if retried is None else spec.id in retried
        shared = _places(spec) & busy.keys() if spec.phase is Phase.OPTIMIZATION and owed else ()
        for place in sorted(shared):
            job, other = busy[place]
            whose = f"{job.spec.id} of {other.name} in {other.dir}"
            return f"{spec.id} would train in {place}, as does {whose}, which is under way"
    return ""


def _may_be_owed(seen: ScaffoldSeen, spec: JobSpec) -> bool:
    """Whether `run` may have it made: one that failed may be submitted again by rule."""
    if seen.changed is IfChanged.RERUN and spec.id in seen.changes:
        return True
    return spec.id in seen.queued or not _is_good(seen, spec.id)


def _places(spec: JobSpec) -> set[str]:
    return {spec.place or spec.workdir, spec.results} - {""}


def retiring(known: Experiment | None, seen: ScaffoldSeen) -> tuple[str, ...]:
    """Jobs that the scaffold no longer has."""
    there = {spec.id for spec in seen.jobs}
    return tuple(job.spec.id for job in known.current if job.spec.id not in there) if known else ()


def found(seen: ScaffoldSeen, spec: JobSpec, known: Experiment | None) -> Iterator[events.Event]:
    """What a look at the results on disk changes for one job."""
    job, verdict = known.jobs.get(spec.id) if known else None, seen.verdicts.get(spec.id)
    if verdict is None:
        return
    match job.stage if job else Stage.PLANNED:
        case Stage.VERIFIED if job is not None:
            yield from _of_verified(seen, spec, job, verdict)
        case Stage.PLANNED | Stage.SKIPPED | Stage.FAILED | Stage.IN_DOUBT as stage:
            unsettled = stage in _UNSETTLED and not _left_out(seen, spec)
            fresh = unsettled and _is_doubtful(verdict)
            clear = stage is Stage.IN_DOUBT and not _is_doubtful(verdict)
            good = verdict.finding is Finding.GOOD
            if (good and _is_current(seen, spec, known)) or fresh or (clear and not good):
                yield verify.meaning(spec.id, None, replace(verdict, remedy=None))
        case _:
            pass  # under way: its own attempt's end is looked at


def _rejected(seen: ScaffoldSeen, spec: JobSpec, known: Experiment | None) -> list[events.Event]:
    """That what was good, or in doubt, is no good."""
    return [event for event in found(seen, spec, known) if isinstance(event, events.ResultRejected)]


def _of_verified(seen: ScaffoldSeen, spec: JobSpec, job: Job, verdict: Verdict) -> Iterator[events.Event]:
    """What a person took as it is stays so, and doubt alone takes nothing back."""
    attempt = job.attempt
    token = attempt.token if attempt else None
    if verdict.finding is not Finding.GOOD and not _is_doubtful(verdict) and not job.accepted:
        cause = verdict.failure.message if verdict.failure else verdict.detail
        failure = Failure(FailureKind.RESULTS_GONE, f"verified before, and no longer: {cause}")
        yield events.ResultRejected(job=spec.id, token=token, failure=failure, warnings=verdict.warnings)
    elif _is_outdated(seen, spec):
        yield events.ResultRejected(job=spec.id, token=token, failure=verify.OUTDATED)
    elif not job.accepted and archived.is_put_away_or_back(job, verdict):
        yield verify.meaning(spec.id, job.proof, replace(verdict, remedy=None))


def _is_doubtful(verdict: Verdict) -> bool:
    """Whether nothing but a person can tell."""
    return verdict.finding is Finding.UNCLEAR and verdict.failure is None


def _may_be_adopted(seen: ScaffoldSeen, spec: JobSpec, known: Experiment | None) -> bool:
    """An evaluation in the queue counts only if it is of a model that is there and stays, or that is in the queue, too."""
    job = known.jobs.get(spec.id) if known else None
    free = job is None or job.stage in (Stage.PLANNED, Stage.SKIPPED, Stage.FAILED)
    if spec.id not in seen.queued or not (free or _rejected(seen, spec, known)):
        return False
    before = _trainings_before(seen, spec)
    return all(id in seen.queued or _is_there(seen, id, known) for id in before)


def adopted(seen: ScaffoldSeen, known: Experiment | None, ids: set[str]) -> Iterator[events.Event]:
    """Those of these jobs that somebody else has submitted, as ours from now on."""
    for more, (id, queued) in enumerate(((i, q) for i, q in seen.queued.items() if i in ids), start=1):
        yield _adopted(seen.experiment, id, known, queued, more)


def _adopted(
    experiment: str, id: str, known: Experiment | None, queued: Queued, more: int
) -> events.JobAdopted:
    job = known.jobs.get(id) if known else None
    return events.JobAdopted(
        job=id,
        number=(len(job.attempts) if job else 0) + 1,
        token=submit.token_of(experiment, (known.tokens if known else 0) + more),
        slurm_job_id=queued.slurm_job_id,
        mark=queued.mark,
        output=queued.output,
    )


def _is_current(seen: ScaffoldSeen, spec: JobSpec, known: Experiment | None) -> bool:
    """Whether results are of the model as it is: an evaluation is older than a training that is owed, or under way."""
    before = _trainings_before(seen, spec)
    there = all(id not in seen.queued and _is_there(seen, id, known) for id in before)
    return there and not _is_outdated(seen, spec)


def _is_there(seen: ScaffoldSeen, id: str, known: Experiment | None) -> bool:
    """Whether a model lies there that isn't being made anew."""
    job = known.jobs.get(id) if known else None
    gone = recipes.is_to_be_made_anew(seen, job) or (job is not None and job.stage in states.UNDER_WAY)
    return _is_good(seen, id) and not gone


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
    return id in seen.verdicts and seen.verdicts[id].finding is Finding.GOOD


def _left_out(seen: ScaffoldSeen, spec: JobSpec) -> str:
    """Why it isn't submitted though it may be owed; empty where it is."""
    if seen.policy.optimize_only and spec.phase is Phase.EVALUATION:
        return OPTIMIZE_ONLY
    return seen.verdicts[spec.id].blocked if spec.id in seen.verdicts else ""


def _skipped(
    seen: ScaffoldSeen, spec: JobSpec, known: Experiment | None, reason: str
) -> Iterator[events.Event]:
    job = known.jobs.get(spec.id) if known else None
    done = _is_good(seen, spec.id) and _is_current(seen, spec, known)
    if not done and (job is None or job.stage in _UNSETTLED):
        yield events.JobSkipped(job=spec.id, reason=reason)
