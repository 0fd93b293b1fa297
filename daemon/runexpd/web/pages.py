"""The pages: what the JSON answers say, for a person."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec.structs import replace
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from runexp import comparing
from runexp.wire import metrics, requests
from runexp.wire.metrics import Curves
from runexp.wire.recipes import WithTexts
from runexp.wire.views import ExperimentView
from runexpd.api import showing
from runexpd.web import actions, answers, curves, listing, scores, shapes, side_by_side
from runexpd.web.asking import Problem, ask
from runexpd.web.desk import Desk

Making = Callable[[Desk, Request], Awaitable[tuple[str, dict[str, Any]]]]
#: Of the past, on an experiment's page.
RECENT_EVENTS = 30
#: Points of a line in the picture that needs no script.
POINTS = 120
#: Series that are worth a picture, the most telling first.
ORDER = (
    metrics.LOSS,
    metrics.VALIDATION_LOSS,
    metrics.METRIC,
    metrics.LEARNING_RATE,
    metrics.GRADIENT_NORM,
    metrics.TOKENS_PER_SECOND,
    metrics.MEMORY,
    metrics.GPU_UTILIZATION,
    metrics.GPU_MEMORY,
    metrics.SAMPLES,
)


async def experiments(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    seq = desk.context.ledger.last_seq
    known, query = (await answers.experiments(desk, request)).experiments, request.query_params
    found = listing.listing(known, query.get("q", ""), query.get("state", ""), _page(query))
    bars = {line.id: shapes.of_counts(line.counts) for line in found.rows}
    return "experiments.html", {"listing": found, "bars": bars, "seq": seq}


async def experiment(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    view, query = await answers.experiment(desk, request), request.query_params
    jobs = partial(
        shapes.groups,
        view,
        query.get("q", ""),
        query.get("show", ""),
        _page(query),
    )
    return "experiment.html", {
        "view": view,
        "phases": list(shapes.phases(view)),
        "groups": list(jobs()),
        "query": query.get("q", ""),
        "events": await _recent(desk, view),
        "charts": scores.charts([view]),
        **await _curves(desk, view.id, (), query.get("series", "")),
    }


async def job(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    view = await answers.experiment(desk, request)
    found = answers.job_of(view, request.query_params.get("id", ""))
    drawn = await _curves(desk, view.id, (found.id,), request.query_params.get("series", ""))
    return "job.html", {"view": view, "job": found, "ran": await _ran(desk, view.id, found.id), **drawn}


async def clusters(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    known = (await answers.clusters(desk, request)).clusters
    return "clusters.html", {"clusters": known, "daemon": await answers.daemon(desk, request)}


async def doctor(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    reply = await answers.doctor(desk, request)
    return "doctor.html", {"cluster": reply.cluster, "checks": reply.checks}


async def compare(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    known, query = (await answers.experiments(desk, request)).experiments, request.query_params
    if not query.getlist("e"):
        choices = listing.choices(known, (), query.get("q", ""))
        return "compare.html", {"choices": choices, "chosen": set(), "shown": (), "drawn": None}
    found = await side_by_side.compare(desk, request)
    chosen = [view.id for view in found.experiments]
    columns = comparing.columns([side.name for side in found.compared.experiments])
    asking = partial(side_by_side.drawn, desk, chosen)
    return "compare.html", {
        "choices": listing.choices(known, chosen, query.get("q", "")),
        "chosen": set(chosen),
        "shown": found.experiments,
        "compared": found.compared,
        "differing": comparing.together(found.compared.differing),
        "columns": columns,
        "charts": scores.charts(
            [replace(view, name=name) for view, name in zip(found.experiments, columns, strict=True)]
        ),
        "here_is": "&".join(f"e={quote(id)}" for id in chosen),
        **await _drawn(asking, query.get("series", "")),
    }


async def question(desk: Desk, request: Request) -> tuple[str, dict[str, Any]]:
    verb = actions.verb_of(desk, request.path_params["verb"])
    view, jobs = await answers.experiment(desk, request), request.query_params.getlist("job")
    for each in jobs:
        answers.job_of(view, each)
    return "question.html", {"view": view, "verb": verb, "jobs": jobs}


def _page(query: QueryParams) -> int:
    """Counted from 0, as it is asked for from 1."""
    page = query.get("page", "1")
    return int(page) - 1 if page.isascii() and page.isdigit() and len(page) < 6 else 0


async def _ran(desk: Desk, id: str, job: str) -> WithTexts | None:
    """What exactly its results came from, where that is known."""
    try:
        return (await ask(desk, requests.Show(experiment=id, job=job), requests.ShowReply)).shown
    except Problem:
        return None


async def _recent(desk: Desk, view: ExperimentView) -> list[shapes.Told]:
    found = await showing.recent(desk.context, view, RECENT_EVENTS)
    return [shapes.told(envelope) for envelope in reversed(found)]


async def _curves(desk: Desk, id: str, jobs: tuple[str, ...], wanted: str) -> dict[str, Any]:
    async def asking(names: tuple[str, ...], points: int) -> Curves:
        asked = requests.Metrics(experiment=id, jobs=jobs, names=names, points=points)
        return await ask(desk, asked, Curves)

    return await _drawn(asking, wanted)


async def _drawn(asking: Callable[[tuple[str, ...], int], Awaitable[Curves]], wanted: str) -> dict[str, Any]:
    """What there is to draw, and the picture of one of them."""
    try:
        names = _in_order({each.name for each in (await asking((), 2)).series})
        name = wanted if wanted in names else next(iter(names), "")
        if not name:
            return {"series": [], "drawn": None}
        found = await asking((name,), POINTS)
    except Problem:
        return {"series": [], "drawn": None}
    return {"series": names, "drawn": curves.picture(name, found.series)}


def _in_order(there: set[str]) -> list[str]:
    return [*(name for name in ORDER if name in there), *sorted(there.difference(ORDER))]


PAGES: dict[str, Making] = {
    "/": experiments,
    "/e/{id}": experiment,
    "/e/{id}/job": job,
    "/e/{id}/{verb}": question,
    "/clusters": clusters,
    "/clusters/{name}": doctor,
    "/compare": compare,
}


def paging(desk: Desk, make: Making) -> Callable[[Request], Awaitable[Response]]:
    async def page(request: Request) -> Response:
        if not request.state.is_known:
            return await login_page(desk, 401)
        try:
            name, values = await make(desk, request)
        except Problem as problem:
            return await problem_page(desk, problem)
        return HTMLResponse(await desk.renderer.page(name, values))

    return page


async def problem_page(desk: Desk, problem: Problem) -> Response:
    values = msgspec.structs.asdict(problem.refused)
    return HTMLResponse(await desk.renderer.page("problem.html", values), problem.status)


async def login_page(desk: Desk, status: int, what: str = "") -> Response:
    return HTMLResponse(await desk.renderer.page("login.html", {"what": what}), status)
