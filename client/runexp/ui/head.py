"""What stands above the jobs: which experiment, how far its phases are, how old the picture is, what hinders. Pure."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping

from runexp.text import on_one_line
from runexp.ui import cells, rows, standing
from runexp.ui.jobline import counts
from runexp.ui.palette import Line, Span
from runexp.ui.standing import Standing
from runexp.ui.when import hour, likely, stopwatch
from runexp.wire.metrics import Estimate
from runexp.wire.states import Outcome, Phase, PhaseState
from runexp.wire.views import ExperimentView

#: A picture older than this is called old by its tone, too.
_OLD_SECONDS = 180.0
_PHASE_CELLS = 13
_BAR_CELLS = 24
_LEAST_BAR = 8
#: From so many cells on there is room for the time of day beside the age.
_ROOMY = 72
#: A terminal of fewer lines gets both phases in one.
LOW = 18


#: How the jobs of each phase stand.
Numbers = Mapping[Phase, Counter[Standing]]


def numbers(view: ExperimentView) -> Numbers:
    """Counted once a view: there may be ten thousand jobs."""
    counted: dict[Phase, Counter[Standing]] = {}
    for job in view.jobs:
        if not job.retired:
            counted.setdefault(job.phase, Counter())[standing.of(job)] += 1
    return {phase: counted[phase] for phase in Phase if phase in counted}


def lines(view: ExperimentView, stand: Numbers, trouble: str, room: int, height: int) -> list[Line]:
    """`trouble`: of the connection to the daemon; empty when all is well. `room`, `height`: of the terminal, in cells."""
    made = [_title(view, room)]
    if height < LOW:
        made.append(tuple(span for phase, counted in stand.items() for span in _short(phase, counted)))
    else:
        made += [_phase(view, phase, counted, room) for phase, counted in stand.items()]
    made += [_alarm(said, room) for said in (trouble, view.trouble) if said]
    return made


def _title(view: ExperimentView, room: int) -> Line:
    how, tone = _how(view)
    whole = on_one_line(view.name)
    age, age_tone = _age(view, room, room - len(how) - cells.width(whole) - 5)
    name = cells.cut_middle(whole, max(8, room - len(how) - len(age) - 5))
    spans = [Span(f" {name}", "strong"), Span(f"  {how}", tone)]
    place = on_one_line(f"  {view.id} on {view.cluster}, {view.dir}")
    left = room - sum(cells.width(span.text) for span in spans) - len(age) - 3
    if left > 20:
        spans.append(Span(f"  {cells.cut_middle(place.strip(), left - 2)}", "dim"))
    blank = room - sum(cells.width(span.text) for span in spans) - len(age) - 1
    return (*spans, Span(" " * max(1, blank)), Span(age, age_tone))


def _how(view: ExperimentView) -> tuple[str, str]:
    took = stopwatch(max(0.0, (view.ended_at or rows.clock(view)) - view.asked_at))
    took += ", archived" if view.archived else ""
    match view.outcome:
        case None:
            end = view.estimates.end
            return f"running for {took}" + (f", ends {hour(end.likely_at)}" if end else ""), "busy"
        case Outcome.SUCCEEDED:
            return f"✓ succeeded in {took}", "good"
        case Outcome.FAILED:
            return f"✗ failed in {took}", "bad"
        case _:
            return f"! {view.outcome} in {took}", "doubt"


def _age(view: ExperimentView, room: int, left: int) -> tuple[str, str]:
    """The time of day only where that leaves the experiment its name."""
    if view.as_of is None or view.outcome is not None:
        return "", ""
    old = max(0.0, time.time() - view.as_of)
    at = time.strftime("%H:%M:%S", time.localtime(view.as_of))
    ago = f"{stopwatch(old)} ago"
    whole = f"as of {at}, {ago}"
    said = whole if room >= _ROOMY and len(whole) <= left else ago
    return said, "doubt" if view.trouble or old > _OLD_SECONDS else "dim"


def _alarm(said: str, room: int) -> Line:
    return (Span(cells.left(f" ! {on_one_line(said)}", room), "alarm"),)


def _phase(view: ExperimentView, phase: Phase, counted: Counter[Standing], room: int) -> Line:
    """The bar takes what the numbers leave; what doesn't fit whole is left out."""
    state = getattr(view, phase)
    estimate: Estimate | None = getattr(view.estimates, phase)
    said = "" if state is PhaseState.CLOSED else f"ends {likely(estimate)}" if estimate else state
    numbers = (*_counts(counted), Span(f"of {counted.total()}  ", "dim"))
    tail = Span(said, "doubt" if state is PhaseState.STOPPED else "dim")
    left = room - _PHASE_CELLS - 4 - sum(len(span.text) for span in numbers)
    if left < len(said) + _LEAST_BAR:
        tail = Span("")
    bar = min(_BAR_CELLS * max(1, room // 80), left - len(tail.text))
    return (
        Span(f" {phase:<{_PHASE_CELLS}}"),
        *(_bar(counted, bar) if bar > 0 else ()),
        Span("  "),
        *numbers,
        tail,
    )


def _short(phase: Phase, counted: Counter[Standing]) -> Line:
    return (Span(f" {phase[:4]} "), *_counts(counted))


def _counts(counted: Counter[Standing]) -> Line:
    return counts((each, counted[each]) for each in Standing if counted[each])


#: Where it is in the bar, and with which stroke: told apart without a colour, too.
_STROKES = {
    Standing.DONE: "━",
    Standing.SKIPPED: "┄",
    Standing.FAILED: "x",
    Standing.DOUBT: "?",
    Standing.AILING: "!",
    Standing.RUNNING: "╍",
    Standing.QUEUED: "─",
    Standing.PLANNED: "─",
}


def _bar(counted: Counter[Standing], room: int) -> Iterator[Span]:
    """As long as `room`; whatever there is at all has a cell at least."""
    total, left = max(1, counted.total()), room
    shown = [each for each in _STROKES if counted[each]]
    for place, each in enumerate(shown):
        others = len(shown) - place - 1
        share = left if not others else max(1, min(left - others, round(room * counted[each] / total)))
        yield Span(_STROKES[each] * share, "faint" if _STROKES[each] == "─" else each.tone)
        left -= share
