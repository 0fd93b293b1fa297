"""Asks what a client would ask, and puts what went wrong into a status of HTTP."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from runexp.wire import requests
from runexp.wire.refusals import Code, Refused
from runexp.wire.views import ExperimentView, Report
from runexpd.api import conversation, showing
from runexpd.web.desk import Desk

R = TypeVar("R")
#: The ledger of a daemon that has just begun is read first.
BEGIN_SECONDS = 30.0

STATUS = {
    Code.BAD_EXPERIMENT: 422,
    Code.UNKNOWN: 404,
    Code.AMBIGUOUS: 409,
    Code.RUNNING: 409,
    Code.NOTHING_TO_DO: 409,
    Code.UNREACHABLE: 503,
    Code.BUSY: 503,
    Code.VERSION: 400,
    Code.BAD_REQUEST: 400,
    Code.INTERNAL: 500,
}


class Problem(Exception):
    """Raised where there is no answer, in the daemon's words."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.what)
        self.refused = refused
        self.status = STATUS[refused.code]


async def ask(desk: Desk, request: requests.Request, kind: type[R]) -> R:
    """The reply of the kind that belongs to the request. Raises Problem."""
    reply = await heard(desk, lambda: conversation.answer(desk.context, request))
    assert isinstance(reply, kind)
    return reply


async def glance(desk: Desk, named: str) -> ExperimentView:
    """How an experiment stands; cheap enough to be asked for with each of its events. Raises Problem."""
    return await heard(desk, lambda: showing.glance(desk.context, named))


async def report(desk: Desk, named: str) -> Report:
    """What came of it, as far as it is known without asking a cluster. Raises Problem."""
    return await heard(desk, lambda: showing.known_report(desk.context, named))


async def heard(desk: Desk, asking: Callable[[], Awaitable[R]]) -> R:
    """What comes of asking a daemon that has begun. Raises Problem."""
    try:
        with anyio.fail_after(BEGIN_SECONDS):
            await desk.context.loop.begun.wait()
    except TimeoutError:
        what = "the ledger is still being read"
        raise Problem(Refused(code=Code.BUSY, what=what, hint="try again")) from None
    try:
        return await asking()
    except Exception as error:
        raise Problem(conversation.refused(error)) from error
