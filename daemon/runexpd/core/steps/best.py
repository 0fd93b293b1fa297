"""The best score of an experiment: of its first task's first metric."""

from runexp.reporting import direction
from runexp.wire.jobs import Score
from runexp.wire.states import Phase, Stage
from runexp.wire.views import Best
from runexpd.core.job import Job
from runexpd.core.state import Experiment


def best(e: Experiment) -> Best | None:
    """None while there is no score. NaN is none."""
    scored = [job for job in e.of(Phase.EVALUATION) if job.stage is Stage.VERIFIED and job.scores]
    if not scored or (first := _first(scored[0])) is None:
        return None
    found = [
        (score.value, job)
        for job in scored
        for score in job.scores
        if job.spec.task == scored[0].spec.task and _is_same(score, first) and score.value == score.value
    ]
    lower = direction.is_lower_better(first.name, first.metric)
    value, job = (min if lower else max)(found, key=lambda pair: pair[0])
    name = f"{first.name} {first.metric}"
    return Best(task=job.spec.task or "", metric=name, value=value, run=job.spec.run, epoch=job.spec.epoch)


def _first(job: Job) -> Score | None:
    return next((s for s in job.scores if direction.is_result(s.metric) and s.value == s.value), None)


def _is_same(score: Score, other: Score) -> bool:
    return (score.name, score.metric) == (other.name, other.metric)
