"""Experiments side by side, as far as they are known here: what differs in them, their scores, and their curves in one picture."""

from collections.abc import Sequence

import msgspec
from anyio import to_thread
from msgspec.structs import replace
from starlette.requests import Request

from runexp import comparing
from runexp.wire import requests, views
from runexp.wire.metrics import Curves
from runexp.wire.refusals import Code, Refused
from runexpd.web.asking import Problem, ask, glance, report
from runexpd.web.desk import Desk

MOST = 8
#: Points of a series.
POINTS = 300


class SideBySide(msgspec.Struct, frozen=True, kw_only=True):
    experiments: tuple[views.ExperimentView, ...]
    #: Differences are to the first of them.
    compared: comparing.Compared


async def compare(desk: Desk, request: Request) -> SideBySide:
    """How each experiment `e` stands, what differs in them, and scores with intervals. Raises Problem."""
    named = _named(request)
    shown = [await glance(desk, name) for name in named]
    reports = [await report(desk, name) for name in named]
    jobs = comparing.to_be_compared(reports)
    recipes = [{job: each.recipes[job] for job in jobs if job in each.recipes} for each in reports]
    # Thousands of jobs take a while.
    compared = await to_thread.run_sync(comparing.compared, reports, recipes)
    return SideBySide(experiments=tuple(shown), compared=compared)


async def curves(desk: Desk, request: Request) -> Curves:
    """Series of each experiment `e`, a job's called `NAME: JOB`, or `A: JOB` where names are long; `name` and `points` as of one. Raises Problem."""
    points = request.query_params.get("points", str(POINTS))
    if not (points.isascii() and points.isdigit() and 0 < len(points) < 6):
        raise Problem(Refused(code=Code.BAD_REQUEST, what="points is a whole number from 0 on"))
    return await drawn(desk, _named(request), request.query_params.getlist("name"), int(points))


async def drawn(desk: Desk, experiments: Sequence[str], names: Sequence[str], points: int) -> Curves:
    """Each job's series is called by its experiment, too. Raises Problem."""
    asked = [requests.Metrics(experiment=each, names=tuple(names), points=points) for each in experiments]
    known = [await ask(desk, each, Curves) for each in asked]
    titles = comparing.columns(comparing.told_apart([(each.experiment, each.name) for each in known]))
    series = [
        replace(one, job=f"{title}: {one.job}")
        for title, each in zip(titles, known, strict=True)
        for one in each.series
    ]
    return Curves(experiment="", name="", series=tuple(series))


def _named(request: Request) -> list[str]:
    named = request.query_params.getlist("e")
    if not 1 <= len(named) <= MOST:
        what = f"one to {MOST} experiments: ?e=NAME&e=NAME"
        raise Problem(Refused(code=Code.BAD_REQUEST, what=what))
    return list(dict.fromkeys(named))
