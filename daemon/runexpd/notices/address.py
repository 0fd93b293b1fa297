"""An address of the user's: where it is written down, and how something is sent there.

What is in an address is a secret: it is read when it is needed, kept nowhere, and no part of it is ever in what is said of it.
"""

import logging
import os
import re
import stat
import threading
from pathlib import Path
from urllib.parse import unquote

import msgspec

from runexp import installing, paths
from runexpd.hosts.threads import Threads

#: A service has ten times as long as apprise gives it to connect and to answer.
SEND_SECONDS = 60.0
_MOST_BYTES = 64 * 1024
#: Parts of an address that tell nothing.
_SHORT = 3


class Unusable(Exception):
    """Raised for an address that nothing can be sent to: one line of why that holds nothing of it."""


class Undelivered(Exception):
    """Raised when a service would not take it, or gave no answer: one line of why that holds nothing of the address."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Where an address stands: one of the three."""

    url: str | None = None
    url_file: str | None = None
    url_env: str | None = None

    def __repr__(self) -> str:
        return "Source(...)"

    def read(self) -> str:
        """The address. Blocks. Raises Unusable."""
        if self.url_file is not None:
            return _first_line(_of_file(paths.expanded(self.url_file)))
        if self.url_env is not None:
            if not (found := os.environ.get(self.url_env, "").strip()):
                raise Unusable(
                    f"the daemon's environment has no {self.url_env} (systemctl --user edit runexpd: Environment=)"
                )
            return found
        return self.url or ""


def _of_file(path: Path) -> str:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, encoding="utf-8") as file:
            found = os.fstat(handle)
            if not stat.S_ISREG(found.st_mode):
                raise Unusable(f"{path} is no regular file")
            if found.st_mode & 0o077:
                raise Unusable(f"{path} can be read by others: chmod 600 {path}")
            return file.read(_MOST_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise Unusable(f"{path}: {why}") from None


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if line and not line.startswith("#")), "")


def kind(url: str) -> str:
    """`ntfy`, `mailto`: all that is ever shown of an address."""
    found = re.match(r"([A-Za-z][A-Za-z0-9+.-]{0,20}):", url)
    return found[1].lower() if found else "?"


class Sender:
    """Of one address: one message at a time, in a thread, so that what hangs holds up nobody else."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._threads = Threads(1, "the message before hangs")

    async def kind(self) -> str:
        """Raises Unusable, and HostUnreachable where even that hangs."""
        return await self._threads.run("address", lambda: kind(_checked(self._source)[0]), SEND_SECONDS)

    async def send(self, title: str, body: str) -> None:
        """Raises Unusable, Undelivered, and HostUnreachable where there is no answer: it may have arrived."""
        await self._threads.run("address", lambda: _send(self._source, title, body), SEND_SECONDS)


def _checked(source: Source) -> tuple[str, object]:
    """The address, and what apprise makes of it. Raises Unusable."""
    url = source.read()
    if not url:
        raise Unusable("it is empty")
    # Half a second to import: only here, in a thread.
    try:
        import apprise
    except ImportError:
        how = installing.extra("notify")
        raise Unusable(f"apprise isn't installed: {how}, then start runexpd again") from None
    # What it logs may quote addresses; what is worth saying is caught where something is sent.
    logging.getLogger("apprise").propagate = False
    service = apprise.Apprise(asset=apprise.AppriseAsset(app_id="runexp", async_mode=False))
    if not service.add(url):
        raise Unusable(
            f"apprise knows no such address ({kind(url)}://...); see https://appriseit.com/services/"
        )
    return url, service


def _send(source: Source, title: str, body: str) -> None:
    url, service = _checked(source)
    import apprise

    assert isinstance(service, apprise.Apprise)
    said = _Said()
    log = logging.getLogger("apprise")
    log.addHandler(said)
    try:
        sent = service.notify(title=title, body=body, body_format=apprise.NotifyFormat.TEXT)
    except Exception as error:  # a plugin's own fault
        raise Undelivered(f"{kind(url)}: {redacted(repr(error), url)}") from None
    finally:
        log.removeHandler(said)
    if not sent:
        raise Undelivered(f"{kind(url)}: {redacted(' '.join(said.lines), url) or 'it was not taken'}")


class _Said(logging.Handler):
    """What apprise says in this thread: another one's words would be of another address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.lines.append(record.getMessage())


def redacted(said: str, url: str) -> str:
    """On one line, without anything that stands in the address."""
    text = " ".join(said.split())[:300]
    parts = {part for whole in (url, unquote(url)) for part in re.split(r"[^\w]+|_", whole)}
    parts |= {part for whole in (url, unquote(url)) for part in re.split(r"[/:@?&=#]+", whole)}
    for part in sorted(parts - {kind(url)}, key=len, reverse=True):
        if len(part) > _SHORT:
            text = re.sub(re.escape(part), "***", text, flags=re.IGNORECASE)
    return text
