"""A crate's files, from what the daemon answers: report, scores, curves, events, recipes, and the summary."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import msgspec

from runexp import naming, reports
from runexp.crating import asking, names, succeeded
from runexp.crating.asking import NotHad
from runexp.crating.payload import Part, Payload
from runexp.crating.succeeded import Success
from runexp.reporting import spreadsheet
from runexp.wire.events import Envelope
from runexp.wire.metrics import Series
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.views import AttemptView, JobView, Report

REPORTS = ("report.json", "report.html", "report.md")
EVENTS, SCORES, METRICS = "events.jsonl", "scores.csv", "metrics.csv"

#: Told of how many attempts the recipes are there, of how many.
Progress = Callable[[int, int], None]


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt, or results that no attempt made, and what of it is in the crate."""

    #: What its files are named after; no other has it.
    stem: str
    job: JobView
    #: None: nobody's attempt, of results that were found.
    attempt: AttemptView | None
    recipe: Recipe | None = None
    #: Its recipe, and that one's texts.
    files: tuple[str, ...] = ()


class Filled(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to say about a crate that is full."""

    report: Report
    parts: tuple[Part, ...]
    ran: tuple[Ran, ...]
    #: By token.
    successes: dict[str, Success]
    #: What could not be had, each with the reason.
    left_out: tuple[str, ...]


class _Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """recipes/<job>-<attempt>.json"""

    job: str
    #: None: of results that no attempt made.
    attempt: int | None
    recipe: Recipe
    #: Of an evaluation: the attempts, by token, that trained what it evaluates.
    models: tuple[str, ...]
    #: Where its texts are in the crate, by where they are on the cluster.
    files: dict[str, str]


def fill(root: Path, scratch: Path, experiment: str, progress: Progress) -> Filled:
    """Put all but the metadata below `root`. Raises OSError, and what asking raises."""
    payload, left_out = Payload(root), list[str]()
    report = asking.report(experiment)
    _put_summary(payload, report.id, scratch, left_out)
    _put_report(payload, report)
    payload.put(EVENTS, "What happened, in order: a line of JSON each", map(_line, asking.history(report.id)))
    ran = tuple(_with_recipes(payload, report.id, _all(report), progress, left_out))
    return Filled(
        report=report,
        parts=tuple(payload.parts),
        ran=ran,
        successes=succeeded.successes(filter(None, map(asking.event, payload.lines(EVENTS)))),
        left_out=tuple(left_out),
    )


def _line(envelope: Envelope) -> str:
    return f"{msgspec.json.encode(envelope).decode()}\n"


def _put_summary(payload: Payload, experiment: str, scratch: Path, left_out: list[str]) -> None:
    try:
        text = asking.summary(experiment, scratch)
    except NotHad as why:
        left_out.append(f"{naming.SUMMARY}: {why}")
    else:
        payload.put(naming.SUMMARY, "The design of the experiment, as it stands", [text])


def _put_report(payload: Payload, report: Report) -> None:
    written = msgspec.json.encode(report).decode()
    payload.put("report.json", "What came of it, for programs", [written, "\n"])
    for path, form in (("report.html", "html"), ("report.md", "markdown")):
        payload.put(path, "What came of it, to read", [reports.written(report, form), "\n"])
    payload.put(SCORES, "Every score, a row each", [reports.written(report, "csv"), "\n"])
    payload.put(METRICS, "What each run did at each step, a row a point", spreadsheet.points(_series(report)))


def _series(report: Report) -> Iterator[Series]:
    for job in jobs(report):
        if job.attempts:
            yield from asking.series(report.id, job.id)


def jobs(report: Report) -> tuple[JobView, ...]:
    """Those of before, too."""
    return (*report.optimization.jobs, *report.evaluation.jobs, *report.retired)


def _all(report: Report) -> list[Ran]:
    taken: set[str] = set()
    return [
        Ran(stem=names.apart(f"{names.safe(job.id)}-{_which(attempt)}", taken), job=job, attempt=attempt)
        for job in jobs(report)
        for attempt in _attempts(report, job)
    ]


def _which(attempt: AttemptView | None) -> str:
    return "found" if attempt is None else str(attempt.number)


def _attempts(report: Report, job: JobView) -> Sequence[AttemptView | None]:
    """With None for results that are of no attempt, and whose recipe is known."""
    has_recipe = any(attempt.recipe for attempt in job.attempts)
    return (*job.attempts, None) if job.id in report.recipes and not has_recipe else job.attempts


def _with_recipes(
    payload: Payload, experiment: str, ran: Sequence[Ran], progress: Progress, left_out: list[str]
) -> Iterator[Ran]:
    for number, each in enumerate(ran, 1):
        try:
            yield _put_recipe(payload, experiment, each) if _has_recipe(each) else each
        except NotHad as why:
            left_out.append(f"the recipe of {_said(each)}: {why}")
            yield each
        progress(number, len(ran))


def _has_recipe(ran: Ran) -> bool:
    return ran.attempt is None or bool(ran.attempt.recipe)


def _put_recipe(payload: Payload, experiment: str, ran: Ran) -> Ran:
    """Raises NotHad."""
    number = None if ran.attempt is None else ran.attempt.number
    shown = asking.recipe(experiment, ran.job.id, number)
    texts = dict(_put_texts(payload, ran, shown))
    kept = _Recipe(job=ran.job.id, attempt=number, recipe=shown.recipe, models=shown.models, files=texts)
    written = msgspec.json.format(msgspec.json.encode(kept), indent=2).decode()
    path = payload.put(f"recipes/{ran.stem}.json", f"What {_said(ran)} ran", [written, "\n"])
    return msgspec.structs.replace(ran, recipe=shown.recipe, files=(path, *texts.values()))


def _put_texts(payload: Payload, ran: Ran, shown: WithTexts) -> Iterator[tuple[str, str]]:
    taken: set[str] = set()
    for text in shown.recipe.texts:
        if text.content in shown.contents:
            name = names.apart(names.safe(PurePosixPath(text.path).name), taken)
            content = shown.contents[text.content]
            path = f"recipes/{ran.stem}/{name}"
            yield text.path, payload.put(path, f"The {text.role} of {_said(ran)}", [content])


def _said(ran: Ran) -> str:
    number = "results that were found" if ran.attempt is None else f"attempt {ran.attempt.number}"
    return f"{ran.job.id}, {number}"
