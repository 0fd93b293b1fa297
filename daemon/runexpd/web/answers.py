"""The JSON of the page: what each address answers. docs/page.md describes them; a test sees to it that all are there."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from runexp.wire import requests, views
from runexp.wire.metrics import Curves
from runexp.wire.refusals import Code, Refused
from runexpd.web import side_by_side
from runexpd.web.asking import Problem, ask, glance
from runexpd.web.desk import Desk

Answering = Callable[[Desk, Request], Awaitable[Any]]
#: Points of a series, unless more are asked for.
POINTS = 300


async def experiments(desk: Desk, request: Request) -> requests.LsReply:
    """All experiments, a line each."""
    return await ask(desk, requests.Ls(), requests.LsReply)


async def experiment(desk: Desk, request: Request) -> views.ExperimentView:
    """How an experiment stands: phases, jobs, estimates. Raises Problem."""
    return await glance(desk, request.path_params["id"])


async def job(desk: Desk, request: Request) -> views.JobView:
    """The job `id`: attempts, scores, what went wrong. Raises Problem."""
    known = await experiment(desk, request)
    return job_of(known, request.query_params.get("id", ""))


def job_of(known: views.ExperimentView, id: str) -> views.JobView:
    """Raises Problem."""
    for each in known.jobs:
        if each.id == id:
            return each
    what = f"{known.name} has no job {id}" if id else "which job?"
    raise Problem(Refused(code=Code.UNKNOWN, what=what, hint="its experiment's page shows them"))


async def recipe(desk: Desk, request: Request) -> requests.ShowReply:
    """What exactly an attempt of the job `id` ran.

    `attempt`: its number, else the one that its results came from; `against`: another one, 0 is what stands there now.
    Raises Problem.
    """
    query = request.query_params
    attempt, against = (query.get(name, "") for name in ("attempt", "against"))
    if not all(
        each == "" or (each.isascii() and each.isdigit() and len(each) < 9) for each in (attempt, against)
    ):
        raise Problem(Refused(code=Code.BAD_REQUEST, what="attempt and against are numbers of attempts"))
    asked = requests.Show(
        experiment=request.path_params["id"],
        job=query.get("id", ""),
        attempt=int(attempt) if attempt else None,
        against=int(against) if against else None,
    )
    return await ask(desk, asked, requests.ShowReply)


async def report(desk: Desk, request: Request) -> views.Report:
    """The combined summary of an experiment. Raises Problem."""
    return await ask(desk, requests.ReportAsk(experiment=request.path_params["id"]), views.Report)


async def curves(desk: Desk, request: Request) -> Curves:
    """What jobs did at each step, as series: of each `name` and `job`, or of all where none is said.

    `points`: of a series, at most; `after`: steps after that one alone. Raises Problem.
    """
    query = request.query_params
    try:
        points, after = (int(query.get(name, value)) for name, value in (("points", POINTS), ("after", 0)))
        asked = msgspec.convert(
            {
                "type": "Metrics",
                "experiment": request.path_params["id"],
                "jobs": query.getlist("job"),
                "names": query.getlist("name"),
                "points": points,
                "after": after,
            },
            requests.Metrics,
        )
    except (ValueError, msgspec.ValidationError):
        what = "points and after are whole numbers from 0 on"
        raise Problem(Refused(code=Code.BAD_REQUEST, what=what)) from None
    return await ask(desk, asked, Curves)


async def clusters(desk: Desk, request: Request) -> requests.ClustersReply:
    """All clusters: connection, trouble, budget of queries."""
    return await ask(desk, requests.Clusters(), requests.ClustersReply)


async def doctor(desk: Desk, request: Request) -> requests.DoctorReply:
    """What a look over the cluster finds; takes a few seconds. Raises Problem."""
    return await ask(desk, requests.Doctor(cluster=request.path_params["name"]), requests.DoctorReply)


async def daemon(desk: Desk, request: Request) -> requests.InfoReply:
    """The daemon's version, process, places and troubles."""
    return await ask(desk, requests.Info(), requests.InfoReply)


#: By address.
ANSWERS: dict[str, Answering] = {
    "/api/experiments": experiments,
    "/api/experiments/{id}": experiment,
    "/api/experiments/{id}/job": job,
    "/api/experiments/{id}/recipe": recipe,
    "/api/experiments/{id}/report": report,
    "/api/experiments/{id}/curves": curves,
    "/api/clusters": clusters,
    "/api/clusters/{name}/doctor": doctor,
    "/api/compare": side_by_side.compare,
    "/api/compare/curves": side_by_side.curves,
    "/api/daemon": daemon,
}


def said(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def answering(desk: Desk, make: Answering) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            return said(await make(desk, request))
        except Problem as problem:
            return said(problem.refused, problem.status)

    return answer
