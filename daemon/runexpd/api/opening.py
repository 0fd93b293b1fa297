"""The page, asked for over the private socket: whoever may ask here may log a browser in."""

from runexp.wire import requests
from runexp.wire.refusals import Code
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal


async def open_page(context: Context, asked: requests.PageAsk) -> requests.PageOpened:
    if context.page is None:
        raise Refusal(Code.BAD_REQUEST, "this daemon has no page")
    return await context.page()
