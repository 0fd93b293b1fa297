"""A row for each training: what it did, what it took, what was mended. Pure."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from runexp import report as words
from runexp.reporting import times
from runexp.wire import metrics
from runexp.wire.metrics import Series
from runexp.wire.states import Stage
from runexp.wire.views import JobView, Report

_CHANGE = re.compile(r"^(\S+) (\S+) -> (\S+)$")
_STEPS = re.compile(r"\b(\d+) steps\b")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Of one optimization job. None: not known."""

    job: str
    run: str
    #: As it is shown: VERIFIED, FAILED ...
    state: str
    is_done: bool
    is_failed: bool
    steps: int | None
    #: Checkpoints that are there.
    epochs: int | None
    final_loss: float | None
    #: Of the newest attempt, in seconds.
    wall: float | None
    #: Of all attempts.
    gpu: float | None
    #: None: no GPU is known of.
    gpus: int | None
    node: str
    attempts: int
    mended: str


def rows(report: Report, series: Sequence[Series]) -> tuple[Row, ...]:
    losses = newest(series, metrics.LOSS)
    return tuple(_row(job, losses.get(job.id)) for job in report.optimization.jobs)


def newest(series: Sequence[Series], name: str) -> Mapping[str, Series]:
    """By job, of its newest attempt that has any."""
    found: dict[str, Series] = {}
    for each in series:
        if each.name == name and each.values and _is_newer(each, found.get(each.job)):
            found[each.job] = each
    return found


def _is_newer(one: Series, other: Series | None) -> bool:
    return other is None or one.attempt >= other.attempt


def _row(job: JobView, loss: Series | None) -> Row:
    usage = job.attempts[-1].usage if job.attempts else None
    return Row(
        job=job.id,
        run=job.run,
        state=job.state,
        is_done=job.stage is Stage.VERIFIED,
        is_failed=job.stage is Stage.FAILED,
        steps=loss.steps[-1] if loss is not None else _steps(job),
        epochs=len(job.artifacts) or None,
        final_loss=loss.values[-1] if loss is not None else job.progress.loss if job.progress else None,
        wall=words.elapsed(job),
        gpu=times.of_job(job),
        gpus=usage.gpus if usage else None,
        node=usage.nodes if usage else "",
        attempts=len(job.attempts),
        mended=mended(job.mended),
    )


def _steps(job: JobView) -> int | None:
    """As its verdict counted them."""
    found = _STEPS.search(job.detail) if job.stage is Stage.VERIFIED else None
    return int(found[1]) if found else None


def mended(changes: Sequence[str]) -> str:
    """`batch_size 16 -> 8, ...` and `batch_size 8 -> 4, ...` are `batch_size 16 -> 4, ...`."""
    first: dict[str, str] = {}
    last: dict[str, str] = {}
    others: list[str] = []
    for change in (part.strip() for whole in changes for part in whole.split(",")):
        if found := _CHANGE.match(change):
            first.setdefault(found[1], found[2])
            last[found[1]] = found[3]
        elif change:
            others.append(change)
    return ", ".join([*(f"{name} {first[name]} -> {last[name]}" for name in first), *others])
