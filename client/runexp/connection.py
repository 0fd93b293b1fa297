"""The one socket client: ask for a reply, or follow a stream of them. Blocking, standard library: it starts at once."""

import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO, TypeVar

import msgspec

from runexp import __version__, paths
from runexp.wire import framing, requests
from runexp.wire.refusals import Code, Refused

R = TypeVar("R")
#: A daemon that was restarted is waited for so long by those who follow.
RECONNECT_SECONDS = 60.0
_PAUSE_SECONDS = 0.3


class Refusal(Exception):
    """Raised when the daemon won't, in its words."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.what)
        self.refused = refused


class NoDaemon(Exception):
    """Raised when nobody answers at the socket."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Lost(Exception):
    """Raised when the daemon goes away in the middle."""


def ask(request: requests.Request, kind: type[R]) -> R:
    """A reply of the kind that belongs to the request. Raises Refusal and NoDaemon."""
    for reply in stream(request):
        if isinstance(reply, kind):
            return reply
        raise Refusal(Refused(code=Code.INTERNAL, what=f"an answer of another kind: {type(reply).__name__}"))
    raise NoDaemon("the daemon went away before it answered", "see its log: journalctl --user -u runexpd")


def stream(request: requests.Request) -> Iterator[requests.Reply]:
    """The replies, until the daemon ends them. Raises Refusal, NoDaemon, and Lost if it went away in the middle."""
    with _opened() as (lines, send):
        try:
            send(framing.pack(request))
            while line := lines.readline():
                reply = framing.unpack_reply(line)
                if isinstance(reply, Refused):
                    raise Refusal(reply)
                yield reply
        except (OSError, msgspec.DecodeError) as error:
            raise Lost(str(error)) from error


def log_in(cluster: str, person: Callable[[requests.Asked], Sequence[str] | None]) -> requests.LoggedIn:
    """Log in to a cluster: `person` answers each of its questions, or gives up with None. Raises Refusal, NoDaemon, Lost."""
    with _opened() as (lines, send):
        try:
            send(framing.pack(requests.Login(cluster=cluster)))
            while line := lines.readline():
                match framing.unpack_reply(line):
                    case requests.LoggedIn() as done:
                        return done
                    case requests.Asked() as asked:
                        answers = person(asked)
                        if asked.questions:
                            said = None if answers is None else tuple(answers)
                            send(framing.pack(requests.Answers(answers=said)))
                    case Refused() as refused:
                        raise Refusal(refused)
        except (OSError, msgspec.DecodeError) as error:
            raise Lost(str(error)) from error
    raise Lost("the daemon ended the conversation")


def follow(experiment: str, after: int, lost: Callable[[], None]) -> Iterator[requests.Reply]:
    """Follow an experiment through restarts of the daemon: each event once, in order.

    `lost` is called when the daemon has gone away. Raises Refusal, and NoDaemon if it stays away for a minute.
    """
    lost_at: float | None = None
    while True:
        try:
            for reply in _in_order(stream(requests.Follow(experiment=experiment, after=after)), after):
                lost_at = None
                if isinstance(reply, requests.Seen):
                    after = reply.envelope.seq
                yield reply
        except NoDaemon:
            if lost_at is None or time.monotonic() - lost_at > RECONNECT_SECONDS:
                raise
        except Lost:
            pass
        if lost_at is None:
            lost_at = time.monotonic()
            lost()
        time.sleep(_PAUSE_SECONDS)


def _in_order(replies: Iterator[requests.Reply], after: int) -> Iterator[requests.Reply]:
    """A view may be newer than the events sent so far: one that shows the end waits for the last of them."""
    ahead: requests.Shown | None = None
    for reply in replies:
        if isinstance(reply, requests.Seen):
            after = reply.envelope.seq
        if isinstance(reply, requests.Shown):
            ahead = reply if _is_ahead(reply, after) else None
        if reply is not ahead:
            yield reply
        if ahead is not None and not _is_ahead(ahead, after):
            yield ahead
            ahead = None


def _is_ahead(shown: requests.Shown, after: int) -> bool:
    return shown.experiment.outcome is not None and shown.experiment.seq > after


@contextmanager
def _opened() -> Iterator[tuple[BinaryIO, Callable[[bytes], None]]]:
    with _connected() as client, client.makefile("rb") as lines:
        hello = _greeted(client, lines)
        if hello.protocol != framing.PROTOCOL:
            what = f"the daemon (runexp {hello.version}) speaks protocol {hello.protocol}, not {framing.PROTOCOL}"
            newer = hello.protocol > framing.PROTOCOL
            hint = "upgrade this runexp" if newer else "restart it: systemctl --user restart runexpd"
            raise Refusal(Refused(code=Code.VERSION, what=what, hint=hint))
        yield lines, client.sendall


def _greeted(client: socket.socket, lines: BinaryIO) -> framing.Hello:
    try:
        client.sendall(framing.pack(framing.Hello(framing.PROTOCOL, __version__)))
        line = lines.readline()
    except OSError:
        line = b""
    if not line:
        raise NoDaemon("the daemon closed the door", "see its log: journalctl --user -u runexpd")
    try:
        return framing.unpack_hello(line)
    except msgspec.MsgspecError:
        what = f"what answers at {paths.socket()} is no runexpd"
        raise Refusal(
            Refused(code=Code.VERSION, what=what, hint="move it away, then start runexpd")
        ) from None


def _connected() -> socket.socket:
    path = paths.socket()
    try:
        if path.lstat().st_uid != os.getuid():
            raise NoDaemon(f"{path} belongs to another user", "remove it, then start your own runexpd")
        return _dialled(os.fspath(path))
    except OSError:
        home = os.environ.get("RUNEXP_HOME")
        how = (
            f"RUNEXP_HOME={shlex.quote(home)} runexpd"
            if home
            else "systemctl --user start runexpd (or run `runexpd` in a terminal)"
        )
        raise NoDaemon(f"runexpd isn't running: nobody answers at {path}", f"start it: {how}") from None


def _dialled(path: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    try:
        client.connect(path)
    except BaseException:
        client.close()
        raise
    return client
