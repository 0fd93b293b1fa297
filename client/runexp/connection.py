"""The one socket client: ask for a reply, or follow a stream of them. Blocking, standard library: it starts at once."""

import os
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import msgspec

from runexp import __version__, paths, tending
from runexp.talk import Patience, Receiver, Talk, Waiting, dialled
from runexp.wire import framing, requests
from runexp.wire.refusals import Code, Refused
from runexp.wire.views import ExperimentView

R = TypeVar("R")
#: A daemon that was restarted is waited for so long by those who follow.
RECONNECT_SECONDS = 60.0
_PAUSE_SECONDS = 0.3
#: What a line that is no message makes a decoder raise; msgspec's own errors are ValueErrors.
_UNREADABLE = (ValueError, RecursionError)


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


class NotRunning(NoDaemon):
    """Raised when there is nobody who could: no socket, or one that its daemon has left behind."""


class Lost(Exception):
    """Raised when the daemon goes away in the middle."""


class Unsendable(Exception):
    """Raised when a request holds what can't be sent: text that isn't UTF-8."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def say_waiting(seconds: float) -> None:
    """A word on stderr, for the person."""
    with suppress(OSError):  # nobody reads it
        what = f"no answer from runexpd for {seconds:.0f} s; still waiting (Ctrl-C leaves, nothing stops)"
        print(what, file=sys.stderr, flush=True)  # noqa: T201  # what prints for commands imports this module


def say_nothing(seconds: float) -> None:
    """For those who show it in a way of their own."""


def give_up(seconds: float) -> None:
    """For those who can do without. Raises NoDaemon."""
    raise NoDaemon(f"no answer from runexpd for {seconds:.0f} s", tending.why())


def ask(request: requests.Request, kind: type[R], waiting: Waiting = say_waiting) -> R:
    """A reply of the kind that belongs to the request. Raises Refusal, NoDaemon, Lost and Unsendable."""
    for reply in stream(request, waiting):
        if isinstance(reply, kind):
            return reply
        raise Refusal(Refused(code=Code.INTERNAL, what=f"an answer of another kind: {type(reply).__name__}"))
    raise NoDaemon("the daemon went away before it answered", tending.why())


def stream(
    request: requests.Request, waiting: Waiting = say_waiting, receiver: Receiver | None = None
) -> Iterator[requests.Reply]:
    """The replies, until the daemon ends them, or somebody hangs up. `waiting` is for the first of them.

    Raises Refusal, NoDaemon, Unsendable, HungUp, and Lost if the daemon went away in the middle.
    """
    packed = _packed(request)
    with _opened(waiting, receiver) as talk:
        try:
            talk.send(packed)
            while line := talk.line():
                reply = _reply(line)
                if isinstance(reply, Refused):
                    raise Refusal(reply)
                talk.wait_in_silence()
                yield reply
        except OSError as error:
            raise Lost(str(error)) from error


def log_in(
    cluster: str,
    person: Callable[[requests.Asked], Sequence[str] | None],
    waiting: Waiting = say_waiting,
) -> requests.LoggedIn:
    """Log in to a cluster: `person` answers each of its questions, or gives up with None.

    Raises Refusal, NoDaemon, Unsendable, Lost.
    """
    packed = _packed(requests.Login(cluster=cluster))
    with _opened(waiting) as talk:
        try:
            talk.send(packed)
            while line := talk.line():
                talk.wait_in_silence()
                match _reply(line):
                    case requests.LoggedIn() as done:
                        return done
                    case requests.Asked() as asked:
                        answers = person(asked)
                        if asked.questions:
                            said = None if answers is None else tuple(answers)
                            talk.send(_packed(requests.Answers(answers=said)))
                    case Refused() as refused:
                        raise Refusal(refused)
        except OSError as error:
            raise Lost(str(error)) from error
    raise Lost("the daemon ended the conversation")


def follow(
    experiment: str,
    after: int,
    lost: Callable[[], None],
    waiting: Waiting = say_nothing,
    receiver: Receiver | None = None,
) -> Iterator[requests.Reply]:
    """Follow an experiment through restarts of the daemon: each event once, in order.

    `lost` is called when the daemon has gone away. Raises Refusal, Unsendable, HungUp, and NoDaemon if it stays away for a
    minute.
    """
    lost_at: float | None = None
    while True:
        try:
            asked = requests.Follow(experiment=experiment, after=after)
            for reply in _in_order(_whole(stream(asked, waiting, receiver)), after):
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


def _whole(replies: Iterator[requests.Reply]) -> Iterator[requests.Reply]:
    """With each `Changed`, and each `AsOf`, made the `Shown` that it stands for."""
    view: ExperimentView | None = None
    for reply in replies:
        match reply:
            case requests.Shown(experiment=shown):
                view = shown
            case requests.Changed(experiment=shown) if view is not None:
                jobs = {job.id: job for job in (*view.jobs, *shown.jobs)}
                view = msgspec.structs.replace(shown, jobs=tuple(jobs.values()), as_of=view.as_of)
            case requests.AsOf(at=at) if view is not None:
                view = msgspec.structs.replace(view, as_of=at)
            case _:
                yield reply
                continue
        yield requests.Shown(experiment=view)


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


def _packed(request: requests.Request) -> bytes:
    try:
        return framing.pack(request)
    except UnicodeEncodeError:
        if isinstance(request, requests.Answers):  # what was typed at a prompt is shown to nobody
            raise Unsendable("what was typed is not UTF-8", "type it again") from None
        bad = next(text for text in _texts(msgspec.to_builtins(request)) if not _is_whole(text))
        raise Unsendable(
            f"not UTF-8, so it can't be sent: {bad}", "give it a name in UTF-8 (mv, or a link)"
        ) from None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts(part)


def _is_whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _reply(line: bytes) -> requests.Reply:
    try:
        return framing.unpack_reply(line)
    except _UNREADABLE as error:
        what = f"an answer that can't be read: {error}"
        hint = f"client and daemon may differ; {tending.restart()}"
        raise Refusal(Refused(code=Code.VERSION, what=what, hint=hint)) from None


@contextmanager
def _opened(waiting: Waiting, receiver: Receiver | None = None) -> Iterator[Talk]:
    patience = Patience(waiting)
    with _connected(patience) as client:
        talk = Talk(client, patience, receiver)
        hello = _greeted(talk)
        if hello.protocol != framing.PROTOCOL:
            what = f"the daemon (runexp {hello.version}) speaks protocol {hello.protocol}, not {framing.PROTOCOL}"
            newer = hello.protocol > framing.PROTOCOL
            hint = "upgrade this runexp" if newer else tending.restart()
            raise Refusal(Refused(code=Code.VERSION, what=what, hint=hint))
        yield talk


def _greeted(talk: Talk) -> framing.Hello:
    try:
        talk.send(framing.pack(framing.Hello(framing.PROTOCOL, __version__)))
        line = talk.line()
    except OSError:
        line = b""
    if not line:
        raise NoDaemon("the daemon closed the door", tending.why())
    try:
        return framing.unpack_hello(line)
    except _UNREADABLE:
        what = f"what answers at {paths.socket()} is no runexpd"
        raise Refusal(
            Refused(code=Code.VERSION, what=what, hint="move it away, then start runexpd")
        ) from None


def _connected(patience: Patience) -> socket.socket:
    path = paths.socket()
    try:
        if path.lstat().st_uid != os.getuid():
            raise NoDaemon(f"{path} belongs to another user", "remove it, then start your own runexpd")
        return dialled(os.fspath(path), patience)
    except OSError as error:
        is_gone = isinstance(error, FileNotFoundError | ConnectionRefusedError)
        kind = NotRunning if is_gone else NoDaemon
        raise kind(f"runexpd isn't running: nobody answers at {path}", tending.start()) from None
