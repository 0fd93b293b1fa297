"""The best score of an experiment: of its first task's first metric."""

from collections.abc import Iterator
from math import isnan

from runexp.reporting import direction
from runexp.wire.jobs import Score
from runexp.wire.states import Phase, Stage
from runexp.wire.views import Best
from runexpd.core.job import Job
from runexpd.core.state import Experiment


def best(e: Experiment) -> Best | None:
    """None while there is no score. NaN is none."""
    found = list(_results(e)) if _has_results(e) else []
    if not found:
        return None
    first, model = found[0]
    alike = [
        (score.value, job)
        for score, job in found
        if (job.spec.task, score.name, score.metric) == (model.spec.task, first.name, first.metric)
    ]
    is_lower_better = direction.is_lower_better(first.name, first.metric)
    value, job = (min if is_lower_better else max)(alike, key=lambda pair: pair[0])
    name = f"{first.name} {first.metric}"
    return Best(task=job.spec.task or "", metric=name, value=value, run=job.spec.run, epoch=job.spec.epoch)


def _has_results(e: Experiment) -> bool:
    return any(kind.phase is Phase.EVALUATION and kind.stage is Stage.VERIFIED for kind, _ in e.jobs.counts())


def _results(e: Experiment) -> Iterator[tuple[Score, Job]]:
    for job in e.of(Phase.EVALUATION):
        if job.stage is Stage.VERIFIED:
            for score in job.scores:
                if direction.is_result(score.metric) and not isnan(score.value):
                    yield score, job
