"""Before any page: who asks, from where, how much, and how slowly. And on every answer: what a browser may do with it."""

from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import anyio
from loguru import logger
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runexpd.web.keys import Keys
from runexpd.web.policy import HEADERS, SAFE_METHODS, Policy

#: Of a body: a form or a list of jobs.
MOST_BYTES = 256 * 1024
BODY_SECONDS = 10.0
#: A browser that takes nothing for so long is gone, as far as we are concerned.
SEND_SECONDS = 60.0
#: What is shown to those who aren't logged in.
_OPEN = ("/login", "/static/")


class Guard:
    def __init__(self, app: ASGIApp, policy: Policy, keys: Keys) -> None:
        self._app = app
        self._policy = policy
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        sending = _Sending(send)
        try:
            await self._heard(scope, receive, sending)
        except TimeoutError:
            pass  # nobody reads it
        except Exception as error:
            logger.opt(exception=error).error("a page failed: {}", scope["path"])
            if not sending.has_begun:
                failed = said(500, "a fault of the daemon's", "its journal has the details")
                await failed(scope, receive, sending)

    async def _heard(self, scope: Scope, receive: Receive, sending: "_Sending") -> None:
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        scope.setdefault("state", {})["is_known"] = self._is_known(headers)
        if refused is not None:
            return await refused(scope, receive, sending)
        if scope["method"] in SAFE_METHODS:
            return await self._app(scope, receive, sending)
        body = await _body(receive)
        if isinstance(body, Response):
            return await body(scope, receive, sending)
        await self._app(scope, _replayed(body, receive), sending)

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        path, method = scope["path"], scope["method"]
        if not self._policy.knows(headers.get("host", "")):
            hint = "names that browsers may use belong under `web: hosts:` in the configuration"
            return said(421, "this is no name of the page's", hint)
        if method not in SAFE_METHODS and method != "POST":
            return said(405, "GET, HEAD and POST are what there is")
        if (method == "POST" or path.startswith("/api")) and not self._policy.is_own(headers):
            return said(403, "that came from another site")
        if path.startswith("/api") and not self._is_known(headers):
            return said(401, "nobody is logged in", "`runexp web` prints an address that logs a browser in")
        if method == "POST" and path != "/login" and not self._is_known(headers):
            return said(401, "nobody is logged in", "`runexp web` prints an address that logs a browser in")
        return None

    def _is_known(self, headers: Headers) -> bool:
        session = session_of(headers, self._policy)
        return session is not None and self._keys.knows(session)


def is_open(path: str) -> bool:
    return path.startswith(_OPEN)


def session_of(headers: Headers, policy: Policy) -> str | None:
    try:
        cookies = SimpleCookie(headers.get("cookie", ""))
    except CookieError:
        return None
    found = cookies.get(policy.cookie)
    return found.value if found else None


def said(status: int, what: str, hint: str = "") -> Response:
    return JSONResponse({"what": what, "hint": hint}, status)


class _Sending:
    """Adds the headers, and gives up on who doesn't read."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            _dress(message)
            self.has_begun = True
        with anyio.fail_after(SEND_SECONDS):
            await self._send(message)


def _dress(message: MutableMapping[str, Any]) -> None:
    there = {name.lower() for name, _ in message.get("headers", ())}
    more = dict(HEADERS) if b"cache-control" in there else {**HEADERS, "cache-control": "no-store"}
    message["headers"] = [*message.get("headers", ()), *((n.encode(), v.encode()) for n, v in more.items())]


async def _body(receive: Receive) -> bytes | Response:
    """All of it at once: nobody holds up a page by sending a byte a minute."""
    body = b""
    with anyio.move_on_after(BODY_SECONDS):
        while True:
            message: MutableMapping[str, Any] = await receive()
            if message["type"] == "http.disconnect":
                return said(400, "it ended in the middle")
            body += bytes(message.get("body", b""))
            if len(body) > MOST_BYTES:
                return said(413, f"more than {MOST_BYTES} bytes")
            if not message.get("more_body"):
                return body
    return said(408, f"it took longer than {BODY_SECONDS:.0f} s to say")


def _replayed(body: bytes, receive: Receive) -> Receive:
    left = [body]

    async def replay() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        return await receive()

    return replay
