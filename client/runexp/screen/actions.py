"""What can be asked of the daemon from a screen: for which jobs, in which words. Pure."""

from collections.abc import Callable
from typing import NamedTuple

from runexp.text import on_one_line
from runexp.ui import cells
from runexp.ui.joblist import Group, Row
from runexp.ui.palette import Line, Span
from runexp.wire import recipes, requests
from runexp.wire.states import IN_FLIGHT, Stage
from runexp.wire.views import ExperimentView, JobView


class Wish(NamedTuple):
    """Something that would be done to jobs."""

    verb: str
    doing: str
    jobs: tuple[str, ...]
    warning: str
    request: requests.Request
    reply: type[object]


class _Kind(NamedTuple):
    doing: str
    applies: Callable[[JobView], bool]
    warning: str
    request: Callable[[str, tuple[str, ...]], requests.Request]
    reply: type[object]


_KINDS = {
    "cancel": _Kind(
        "cancelling",
        lambda job: (
            job.stage in IN_FLIGHT | {Stage.PLANNED, Stage.MENDING, Stage.SETTING_ASIDE, Stage.IN_DOUBT}
        ),
        "Every process of it ends. What was done stays done.",
        lambda experiment, jobs: requests.Cancel(experiment=experiment, jobs=jobs),
        requests.CancelReply,
    ),
    "retry": _Kind(
        "submitting again",
        lambda job: job.stage in (Stage.FAILED, Stage.IN_DOUBT, Stage.SKIPPED) or job.state == "LOST",
        "Scripts and configs are read anew; what was skipped because of them is owed again, too.",
        lambda experiment, jobs: requests.Retry(experiment=experiment, jobs=jobs),
        requests.RetryReply,
    ),
    "rerun": _Kind(
        "making anew",
        lambda job: job.stage in (Stage.VERIFIED, Stage.FAILED, Stage.IN_DOUBT),
        "Made anew, whatever came of it, with the evaluations of what is trained; old results are moved aside.",
        lambda experiment, jobs: recipes.Rerun(experiment=experiment, jobs=jobs),
        recipes.RerunReply,
    ),
    "accept": _Kind(
        "accepting",
        lambda job: job.stage in (Stage.FAILED, Stage.IN_DOUBT),
        "Results are taken as they are, and it is recorded that a person did so.",
        lambda experiment, jobs: requests.Accept(experiment=experiment, jobs=jobs),
        requests.AcceptReply,
    ),
}


def wish(what: str, view: ExperimentView, chosen: Row | None) -> Wish | None:
    """For the chosen job, or for all of the group's that it applies to; None where there are none."""
    kind = _KINDS[what]
    candidates = chosen.jobs if isinstance(chosen, Group) else (chosen,) if chosen else ()
    jobs = tuple(job.id for job in candidates if kind.applies(job))
    if not jobs:
        return None
    return Wish(what, kind.doing, jobs, kind.warning, kind.request(view.id, jobs), kind.reply)


def question(wish: Wish, room: int) -> list[Line]:
    """In lines of at most so many cells."""
    named = [cells.cut_middle(on_one_line(job), max(10, room)) for job in wish.jobs[:5]]
    more = [f"and {len(wish.jobs) - 5} more"] if len(wish.jobs) > 5 else []
    many = f" these {len(wish.jobs)} jobs" if len(wish.jobs) > 1 else ""
    text = [f"{wish.verb.capitalize()}{many}:", *named, *more, ""]
    spans = [(Span(piece, "strong"),) for line in text for piece in cells.folded(line, room)]
    spans += [(Span(piece, "dim"),) for piece in cells.folded(wish.warning, room)]
    return [*spans, (), (Span("y", "key"), Span(" yes   "), Span("any other key", "key"), Span(" no"))]


def done(reply: object) -> str:
    """What the daemon answered, in words."""
    match reply:
        case requests.CancelReply(jobs=jobs):
            return f"cancelling {_named(jobs)}"
        case requests.RetryReply(jobs=jobs) | recipes.RerunReply(jobs=jobs):
            return f"owed again: {_named(jobs)}"
        case requests.AcceptReply(jobs=jobs):
            return f"taken as they are: {_named(jobs)}"
        case _:
            return "done"


def _named(jobs: tuple[str, ...]) -> str:
    shown = ", ".join(on_one_line(job) for job in jobs[:3])
    return f"{len(jobs)} jobs: {shown}, ..." if len(jobs) > 3 else shown
