"""Trainings whose checkpoints were deleted once all of their evaluations were there: done, and nothing is owed."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Finding, JobSpec, Verdict
from runexp.wire.states import Phase, Stage
from runexpd.core.job import Job

DETAIL = "archived: its checkpoints are gone, and all its evaluations are there (a rerun trains it anew)"


def taken(
    jobs: Iterable[JobSpec], verdicts: Mapping[str, Verdict], known: Mapping[str, Job]
) -> dict[str, Verdict]:
    """The verdicts, with those of archived trainings as good. What an attempt has failed at isn't archived."""
    specs = list(jobs)
    there = {
        spec.id: replace(verdicts[spec.id], finding=Finding.GOOD, detail=DETAIL, failure=None)
        for spec in specs
        if spec.phase is Phase.OPTIMIZATION
        and spec.id in verdicts
        and verdicts[spec.id].is_absent
        and _may_be(known.get(spec.id))
        and _is_evaluated(spec.run, specs, verdicts)
    }
    return {**verdicts, **there}


def _may_be(job: Job | None) -> bool:
    if job is None or job.stage is Stage.VERIFIED or not job.attempts:
        return True
    return job.failure is not None and job.failure.kind == FailureKind.RESULTS_GONE


def _is_evaluated(run: str, specs: Iterable[JobSpec], verdicts: Mapping[str, Verdict]) -> bool:
    evaluations = [spec.id for spec in specs if spec.phase is Phase.EVALUATION and spec.run == run]
    return bool(evaluations) and all(
        id in verdicts and verdicts[id].finding is Finding.GOOD for id in evaluations
    )
