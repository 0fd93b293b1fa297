"""What a job had of its GPUs: asked for along with the first evidence of its results, where its script had them watched. Pure."""

from collections.abc import Sequence
from itertools import chain
from posixpath import dirname
from typing import cast

from msgspec.structs import replace

from runexp.wire import metrics
from runexp.wire.jobs import Resources, Verdict
from runexpd.hosts.base import Answer, Ask, Part, ReadPart
from runexpd.tools import curves, gpu_metrics, questions
from runexpd.tools.base import Attempt, Question
from runexpd.tools.torchtune_steps import CLOCK_TOLERANCE_SECONDS, starts

#: Three days of one GPU, looked at every half minute.
_MOST_BYTES = 1024 * 1024


def along_with(question: Question[Verdict], attempt: Attempt | None) -> Question[Verdict]:
    """The same verdict, with what was seen of the attempt's GPUs. The table lies beside the job's output, as scaffolds have it."""
    if attempt is None or not questions.askable(path := f"{dirname(attempt.output)}/{gpu_metrics.FILE}"):
        return (yield from question)
    seen: Resources | None = None
    answers: Sequence[Answer] | None = None
    while True:
        try:
            asks = next(question) if answers is None else question.send(answers)
        except StopIteration as done:
            verdict = done.value
            return replace(verdict, resources=seen) if isinstance(verdict, Verdict) and seen else verdict
        if answers is None:
            # A tool may ask without end: it is counted where it is asked, not here.
            table, *answers = yield cast(Sequence[Ask], chain([ReadPart(path, 0, _MOST_BYTES)], asks))
            seen = summary(table, attempt)
        else:
            answers = yield asks


def summary(table: Answer, attempt: Attempt) -> Resources | None:
    """None where there is no table of this attempt's time, or nothing in it."""
    earliest = starts(attempt) - CLOCK_TOLERANCE_SECONDS
    if not isinstance(table, Part) or table.fact.modified_at < earliest:
        return None
    text = questions.text(table)
    points = [point for point in gpu_metrics.parse(text, "")[0] if curves.is_finite(point.value)]
    busy = [point.value for point in points if point.name == metrics.GPU_UTILIZATION]
    held = [point.value for point in points if point.name == metrics.GPU_MEMORY]
    if not busy and not held:
        return None
    return Resources(
        gpu_utilization_mean=_mean(busy),
        gpu_utilization_peak=max(busy, default=None),
        gpu_memory_mean_gib=_mean(held),
        gpu_memory_peak_gib=max(held, default=None),
        gpu_memory_gib=gpu_metrics.memory_gib(text),
        samples=max(len(busy), len(held)),
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
