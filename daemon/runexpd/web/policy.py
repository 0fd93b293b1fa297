"""Which requests are heard at all: by the name they came by, by where they come from, and what they say of both. Pure."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import msgspec

_OURS = ("127.0.0.1", "localhost", "::1")
SAFE_METHODS = frozenset({"GET", "HEAD"})

CONTENT = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
#: On every answer.
HEADERS = {
    "content-security-policy": CONTENT,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "x-frame-options": "DENY",
}


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    #: Beside this machine's own names.
    hosts: tuple[str, ...] = ()
    #: Where it listens; browsers that reach another machine's address name it so.
    listen: str = "127.0.0.1"
    actions: bool = False
    #: Names the cookie.
    instance: str = ""

    @property
    def cookie(self) -> str:
        return f"runexp-{self.instance}"

    def knows(self, host: str) -> bool:
        """Whether a Host header names us. A name that somebody pointed here (DNS rebinding) doesn't; the port may be a tunnel's."""
        name = _name(host)
        return bool(name) and name in {*_OURS, self.listen.lower(), *(each.lower() for each in self.hosts)}

    def is_own(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from a page of ours, or from no page at all: another site's form or script doesn't.

        `same-site` is another port of this machine, which may be another user's. Browsers that don't send Sec-Fetch-Site send an
        Origin with whatever changes anything.
        """
        site = headers.get("sec-fetch-site")
        if site is not None:
            return site in ("same-origin", "none")
        origin = headers.get("origin")
        return origin is None or _of_origin(origin) == headers.get("host", "").lower()


def _of_origin(origin: str) -> str | None:
    """Host and port, in lower case; None where it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _name(host: str) -> str:
    """Without the port and brackets, in lower case; empty where it is no host."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower() if not set(host) & set("/@?#\\ ") else ""
    except ValueError:
        return ""
