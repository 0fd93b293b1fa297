"""Asks what a client would ask, and puts what went wrong into a status of HTTP."""

from typing import Any, TypeVar

import anyio

from runexp.wire import requests
from runexp.wire.refusals import Code, Refused
from runexpd.api import conversation
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
    try:
        with anyio.fail_after(BEGIN_SECONDS):
            await desk.context.loop.begun.wait()
        reply: Any = await conversation.answer(desk.context, request)
    except TimeoutError:
        raise Problem(
            Refused(code=Code.BUSY, what="the ledger is still being read", hint="try again")
        ) from None
    except Exception as error:
        raise Problem(conversation.refused(error)) from error
    assert isinstance(reply, kind)
    return reply
