"""Evaluations beside the base model's, by the samples of both. Pure; where the samples come from is another's affair."""

from collections.abc import Iterator, Mapping

from msgspec.structs import replace

from runexp.wire.states import Phase, Stage
from runexp.wire.views import Comparison
from runexpd.core.job import Job
from runexpd.core.state import Experiment
from runexpd.tools import paired
from runexpd.tools.base import Samples

CONTROL = "control"

#: The score of each sample that has one.
Values = dict[bytes, float]


def scored(e: Experiment) -> tuple[Job, ...]:
    """Evaluations that have scores, and results that count."""
    return tuple(job for job in e.of(Phase.EVALUATION) if job.stage is Stage.VERIFIED and job.scores)


def comparisons(e: Experiment, samples: Mapping[str, Samples]) -> tuple[Comparison, ...]:
    """Of every score whose samples are known; `samples` by job."""
    return tuple(_all(e, samples))


def _all(e: Experiment, samples: Mapping[str, Samples]) -> Iterator[Comparison]:
    types = {run.name: run.type for run in e.runs}
    models = {run.name: run.model for run in e.runs}
    controls = [job for job in scored(e) if types.get(job.spec.run) == CONTROL]
    of_controls = {
        (job.spec.id, scorer): paired.scored(samples[job.spec.id], scorer)
        for job in controls
        if job.spec.id in samples
        for scorer in samples[job.spec.id].values
    }
    for job in scored(e):
        if job.spec.id not in samples:
            continue
        is_control = types.get(job.spec.run) == CONTROL
        base = None if is_control else _base(job, controls, models)
        for scorer in dict.fromkeys(score.name for score in job.scores):
            if scorer in samples[job.spec.id].values:
                mine = of_controls.get((job.spec.id, scorer)) or paired.scored(samples[job.spec.id], scorer)
                other = of_controls.get((base.spec.id, scorer)) if base is not None else None
                found = _alone(job, scorer, mine)
                if found is not None:
                    yield found if is_control else _beside(found, mine, base, other)


def _base(job: Job, controls: list[Job], models: Mapping[str, str | None]) -> Job | None:
    """The base model's evaluation on the same task: that of the run's own model, where there are several."""
    same = [control for control in controls if control.spec.task == job.spec.task]
    model = models.get(job.spec.run)
    own = [control for control in same if model is not None and models.get(control.spec.run) == model]
    return next(iter(own or same), None)


def _alone(job: Job, scorer: str, values: Values) -> Comparison | None:
    mean = paired.mean(list(values.values()))
    if mean is None:
        return None
    return Comparison(
        job=job.spec.id, score=scorer, samples=mean.samples, mean=mean.value, stderr=mean.stderr
    )


def _beside(found: Comparison, mine: Values, base: Job | None, other: Values | None) -> Comparison:
    if base is None:
        return replace(found, why="no base model was evaluated on this task")
    found = replace(found, base=base.spec.id)
    if other is None:
        return replace(found, why="the samples of the base model's log can't be read")
    pair = paired.paired(paired.differences(mine, other))
    if pair is None:
        return replace(found, why="no sample is in both logs, by its id, input and target")
    return replace(
        found,
        why="" if pair.low is not None else "a single common sample",
        common=pair.common,
        difference=pair.difference,
        low=pair.low,
        high=pair.high,
    )
