"""Trainings whose checkpoints were deleted once all of their evaluations were there: done, and nothing is owed.

Where an evaluation is missing its training is owed, and it is said why: a person thought it done.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, Finding, JobSpec, Verdict
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Job

DETAIL = "archived: its checkpoints are gone, and all its evaluations are there (a rerun trains it anew)"
#: Evaluations that are named where some are missing.
_MOST_NAMED = 3


def taken(
    jobs: Iterable[JobSpec], verdicts: Mapping[str, Verdict], known: Mapping[str, Job]
) -> dict[str, Verdict]:
    """The verdicts, with those of archived trainings as good, and of those that are owed after all with what is missing.

    What an attempt has failed at isn't archived.
    """
    specs = list(jobs)
    gone = [
        spec
        for spec in specs
        if spec.phase is Phase.OPTIMIZATION
        and spec.id in verdicts
        and verdicts[spec.id].is_absent
        and _may_be(known.get(spec.id))
    ]
    evaluations: defaultdict[str, list[str]] = defaultdict(list)
    for spec in specs:
        if spec.phase is Phase.EVALUATION:
            evaluations[spec.run].append(spec.id)
    archived = {spec.id: _as_archived(spec, evaluations[spec.run], verdicts, known) for spec in gone}
    return {**verdicts, **archived}


def lost(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    """Why trainings are owed that were done once, by job."""
    return {
        id: f"{verdict.failure.message}: trained anew"
        for id, verdict in verdicts.items()
        if verdict.failure is not None and verdict.failure.kind == FailureKind.RESULTS_GONE
    }


def is_put_away_or_back(job: Job, verdict: Verdict) -> bool:
    """Whether the checkpoints of what is done are gone since it was looked at last, or there again."""
    is_good = verdict.finding is Finding.GOOD
    return is_good and (verdict.detail == DETAIL) is not (job.detail == DETAIL)


def _may_be(job: Job | None) -> bool:
    if job is None or job.stage is Stage.VERIFIED or not job.attempts:
        return True
    return job.failure is not None and job.failure.kind == FailureKind.RESULTS_GONE


def _as_archived(
    training: JobSpec, of_run: Sequence[str], verdicts: Mapping[str, Verdict], known: Mapping[str, Job]
) -> Verdict:
    """`of_run`: its evaluations."""
    good = [id for id in of_run if id in verdicts and _is_done(verdicts[id], known.get(id))]
    if not good:
        return verdicts[training.id]
    if len(good) == len(of_run):
        return replace(verdicts[training.id], finding=Finding.GOOD, detail=DETAIL, failure=None)
    missing = _listed([_lacking(id, verdicts.get(id)) for id in of_run if id not in good])
    failure = Failure(FailureKind.RESULTS_GONE, f"its checkpoints are gone, and {missing}")
    return replace(verdicts[training.id], detail=failure.message, failure=failure)


def _is_done(verdict: Verdict, job: Job | None) -> bool:
    """A log from before its model was trained anew is none of the model that was there last."""
    is_outdated = job is not None and job.failure is not None and job.failure.kind == FailureKind.OUTDATED
    return verdict.finding is Finding.GOOD and not is_outdated


def _lacking(id: str, verdict: Verdict | None) -> str:
    kind = verdict.failure.kind if verdict and verdict.failure else ""
    return f"{id} has no log" if kind == FailureKind.NO_LOG else f"{id} isn't done"


def _listed(lacking: list[str]) -> str:
    more = f", and {len(lacking) - _MOST_NAMED} evaluations more" if len(lacking) > _MOST_NAMED else ""
    return ", ".join(lacking[:_MOST_NAMED]) + more
