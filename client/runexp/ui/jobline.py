"""A row of the list of jobs as a line: as much as fits, and no number cut. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from runexp.text import on_one_line
from runexp.ui import cells, rows, standing
from runexp.ui.joblist import Group
from runexp.ui.palette import Line, Span
from runexp.ui.when import hour, stopwatch
from runexp.wire.jobs import Progress
from runexp.wire.states import PENDING, SETTLED
from runexp.wire.views import JobView

_GAP = "  "
_LEAST_NAME = 12
_LEAST_PROSE = 8
_MOST_STATE = 14
#: `1:03:22`: wide enough that the columns stand still while most jobs run.
_CLOCK = 7
#: Per cent of the room that names get at most, on a narrow terminal and on a wide one.
_NAMES_NARROW, _NAMES_WIDE = 60, 50
#: From so many cells on there is room for the scheduler's own number.
_WIDE = 110


class Widths(NamedTuple):
    """Of the columns, in cells; 0: not shown."""

    name: int
    state: int
    number: int
    clock: int
    #: When the first of those that run began, in seconds since 1970: its clock grows.
    oldest: float | None = None


def widths(jobs: Sequence[JobView]) -> Widths:
    """What the columns of these jobs take where there is room for all."""
    names = max((len(job.id) if job.id.isascii() else cells.width(job.id) for job in jobs), default=0)
    state = max((len(job.state) for job in jobs), default=0)
    number = max((len(job.slurm_job_id or "") for job in jobs), default=0)
    ran = [
        job.ended_at - job.started_at
        for job in jobs
        if job.started_at is not None and job.ended_at is not None
    ]
    runs = [job.started_at for job in jobs if job.started_at is not None and job.ended_at is None]
    clock = max(_CLOCK, len(stopwatch(max(ran, default=0.0))))
    return Widths(names, min(state, _MOST_STATE), number, clock, min(runs, default=None))


def narrowed(wanted: Widths, room: int, now: float) -> Widths:
    """What they get where there is room for so many cells."""
    number = wanted.number if room >= _WIDE else 0
    clock = max(wanted.clock, len(stopwatch(now - wanted.oldest)) if wanted.oldest is not None else 0)
    others = 4 + sum(len(_GAP) + each for each in (wanted.state, number, clock) if each)
    # One long name doesn't take from the others what is to be said of them.
    most = max(_LEAST_NAME, (room - others) * (_NAMES_NARROW if room < _WIDE else _NAMES_WIDE) // 100)
    return Widths(min(wanted.name, most), wanted.state, number, clock)


def group(row: Group, room: int) -> Line:
    """`▾ failed 3`, and how they stand where that isn't what groups them."""
    first = row.counts[0][0]
    head = (
        Span("▸ " if row.is_folded else "▾ ", "dim"),
        Span(cells.cut_middle(on_one_line(row.title), max(8, room // 2)), "strong"),
        Span(f" {len(row.jobs)}", "dim"),
    )
    if row.title == first.words:
        return (head[0], Span(f"{first.symbol} ", first.tone), *head[1:])
    return (*head, Span(_GAP), *counts(row.counts))


def counts(numbers: Iterable[tuple[standing.Standing, int]]) -> Line:
    """`✗ 1  ► 2  ✓ 5`."""
    return tuple(Span(f"{each.symbol} {number}{_GAP}", each.tone) for each, number in numbers)


def job(shown: JobView, columns: Widths, room: int, now: float) -> Line:
    """Symbol, name, state, the scheduler's number, clock, and what there is to say in the room that is left."""
    symbol, tone = standing.mark(shown)
    spans = [
        Span("  "),
        Span(f"{symbol} ", tone),
        Span(cells.left(cells.cut_middle(on_one_line(shown.id), columns.name), columns.name)),
        Span(_GAP + cells.left(on_one_line(shown.state), columns.state), tone),
    ]
    if columns.number:
        spans.append(Span(_GAP + cells.right(shown.slurm_job_id or "", columns.number), "dim"))
    clock = stopwatch(rows.running_seconds(shown, now))
    spans.append(Span(_GAP + cells.right(clock, columns.clock)))
    used = sum(cells.width(span.text) for span in spans)
    return (*spans, *fitted(remarks(shown), room - used))


class Remark(NamedTuple):
    """Something to be said of a job."""

    text: str
    tone: str = ""
    #: A sentence, which may be cut at its end.
    is_prose: bool = False


def fitted(parts: Iterable[Remark], room: int) -> Line:
    """The parts that fit, two blanks before each."""
    taken: list[Span] = []
    for part in parts:
        space = room - len(_GAP)
        if cells.width(part.text) <= space or (part.is_prose and space >= _LEAST_PROSE):
            taken.append(Span(_GAP + cells.cut_end(part.text, space), part.tone))
            room -= cells.width(taken[-1].text)
    return tuple(taken)


def remarks(shown: JobView) -> Iterator[Remark]:
    """What there is to say of a job, the most telling first."""
    yield from (Remark(on_one_line(f"! {each.what}"), "doubt", True) for each in shown.health)
    yield from _progress(shown)
    for score in shown.scores:
        if score.metric != "stderr":
            yield Remark(f"{on_one_line(score.metric)} {score.value:.3f}", "good")
    if said := rows.changed(shown):
        yield Remark(on_one_line(said), "change", True)
    if shown.failure:
        yield Remark(on_one_line(f"{shown.failure.kind}: {shown.detail}"), "bad", True)
    elif shown.detail:
        yield Remark(on_one_line(shown.detail), "dim", True)
    if len(shown.attempts) > 1:
        yield Remark(f"attempt {len(shown.attempts)}", "change")
    if shown.stage not in SETTLED and shown.begins is not None:
        yield Remark(f"begins {hour(shown.begins.likely_at)}")
    elif shown.expected_start_at is not None and shown.state == PENDING:
        yield Remark(f"begins {hour(shown.expected_start_at)}")
    yield from (Remark(on_one_line(f"! {warning}"), "warn", True) for warning in shown.warnings)


def _progress(shown: JobView) -> Iterator[Remark]:
    made = shown.progress or Progress()
    if shown.stage in SETTLED:
        return
    if made.done is not None and made.total:
        yield Remark(f"{made.done / made.total:.0%}", "busy")
        yield Remark(f"{made.done}/{made.total}")
    elif made.done is not None:
        yield Remark(f"{made.done} {made.unit}")
    if shown.ends is not None:
        yield Remark(f"ends {hour(shown.ends.likely_at)}")
    if made.loss is not None:
        yield Remark(f"loss {made.loss:.4g}")
    if made.epoch is not None:
        yield Remark(f"epoch {made.epoch}" + (f"/{made.epochs}" if made.epochs else ""), "dim")
