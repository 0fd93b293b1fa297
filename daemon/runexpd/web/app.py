"""Which address is whose."""

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs, quote

from anyio import to_thread
from loguru import logger
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from runexp.wire.refusals import Code, Refused
from runexpd.web import actions, answers, pages
from runexpd.web.asking import Problem
from runexpd.web.desk import Desk
from runexpd.web.guard import session_of
from runexpd.web.keys import SESSION_SECONDS
from runexpd.web.streams import STREAMS, Streams

Endpoint = Callable[[Request], Awaitable[Response]]


def make(desk: Desk) -> ASGIApp:
    streams = Streams(desk)
    routes = [
        Route("/static/{name}", _static(desk)),
        Route("/login", _login_form(desk), methods=["GET"]),
        Route("/login", _log_in(desk), methods=["POST"]),
        Route("/login/known", _known),
        Route("/logout", _log_out(desk), methods=["POST"]),
        *(Route(path, partial(stream, streams)) for path, stream in STREAMS.items()),
        Route("/api/experiments/{id}/{verb}", _act_for_programs(desk), methods=["POST"]),
        Route("/e/{id}/{verb}", _act(desk), methods=["POST"]),
        *(Route(path, answers.answering(desk, each)) for path, each in answers.ANSWERS.items()),
        *(Route(path, pages.paging(desk, each)) for path, each in pages.PAGES.items()),
    ]
    app = Starlette(routes=routes, exception_handlers={HTTPException: _no_page(desk)})
    return GZipMiddleware(app, minimum_size=1000, compresslevel=5)


def _static(desk: Desk) -> Endpoint:
    async def static(request: Request) -> Response:
        file = desk.files.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        is_packed = "gzip" in request.headers.get("accept-encoding", "")
        headers = {"cache-control": "private, max-age=31536000, immutable", "vary": "accept-encoding"}
        if is_packed:
            headers["content-encoding"] = "gzip"
        return Response(file.packed if is_packed else file.plain, headers=headers, media_type=file.type)

    return static


def _login_form(desk: Desk) -> Endpoint:
    async def form(request: Request) -> Response:
        return await pages.login_page(desk, 200)

    return form


async def _known(request: Request) -> Response:
    """A link on another site brings no cookie along, and a page of ours does: the login page asks before it asks for a token."""
    return answers.said({"is_known": request.state.is_known})


def _log_in(desk: Desk) -> Endpoint:
    async def log_in(request: Request) -> Response:
        token = _form(await request.body()).get("token", [""])[0]
        session = desk.keys.redeem(token)
        if session is None:
            logger.warning("somebody came to the page with a token that isn't good")
            what = "That address has been used, or is older than a minute."
            return await pages.login_page(desk, 403, what)
        await _keep(desk)
        reply = RedirectResponse("/", 303)
        reply.set_cookie(
            desk.policy.cookie,
            session,
            max_age=int(SESSION_SECONDS),
            httponly=True,
            samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return reply

    return log_in


def _log_out(desk: Desk) -> Endpoint:
    async def log_out(request: Request) -> Response:
        if session := session_of(request.headers, desk.policy):
            desk.keys.forget(session)
            await _keep(desk)
        reply = RedirectResponse("/login", 303)
        reply.delete_cookie(desk.policy.cookie, httponly=True, samesite="strict")
        return reply

    return log_out


async def _keep(desk: Desk) -> None:
    """A disk that is full costs a login after the next restart, and no more."""
    try:
        await to_thread.run_sync(desk.keys.save)
    except OSError as error:
        logger.warning("who is logged in to the page can't be kept: {}", error)


def _act(desk: Desk) -> Endpoint:
    async def act(request: Request) -> Response:
        id = request.path_params["id"]
        try:
            verb = actions.verb_of(desk, request.path_params["verb"])
            await actions.do(desk, verb, id, _form(await request.body()).get("job", []))
        except Problem as problem:
            return await pages.problem_page(desk, problem)
        return RedirectResponse(f"/e/{quote(id)}", 303)

    return act


def _act_for_programs(desk: Desk) -> Endpoint:
    """As from a form, and answered in JSON."""

    async def act(request: Request) -> Response:
        try:
            verb = actions.verb_of(desk, request.path_params["verb"])
            jobs = _form(await request.body()).get("job", [])
            return answers.said(await actions.do(desk, verb, request.path_params["id"], jobs))
        except Problem as problem:
            return answers.said(problem.refused, problem.status)

    return act


def _form(body: bytes) -> dict[str, list[str]]:
    """What a form of a browser's says. Nothing in it is believed to be anything but text."""
    try:
        return parse_qs(body.decode("utf-8", "replace"), max_num_fields=20_000)
    except ValueError:
        return {}


def _no_page(desk: Desk) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def no_page(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        refused = Refused(
            code=Code.UNKNOWN, what="there is no such page", hint="the list has all experiments"
        )
        if request.url.path.startswith("/api"):
            return answers.said(refused, status)
        if not request.state.is_known:
            return await pages.login_page(desk, 401)
        reply = await pages.problem_page(desk, Problem(refused))
        reply.status_code = status
        return reply

    return no_page
