"""A scripted daemon: a real Unix socket and real frames, answers from a table. And the views it has to show."""

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import msgspec

from runexp.wire import events, framing
from runexp.wire.events import Envelope
from runexp.wire.jobs import Policy
from runexp.wire.refusals import Code, Refused
from runexp.wire.requests import Follow, Live, Reply, Request, Seen, Shown
from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexp.wire.views import ExperimentView, JobView, PhaseReport, Report

Answer = Callable[[Any], Iterable[Reply]]


#: In an answer: the daemon goes away here.
HANG_UP: Any = object()


class FakeDaemon:
    """Listens below `home`, a RUNEXP_HOME. Answers a request with what `answers` has for its type.

    After the last reply the connection is closed, but for `Follow`: that one stays open, unless the answer ends in
    `HANG_UP`. Use as a context manager.
    """

    def __init__(self, home: Path, hello: framing.Hello | None = None) -> None:
        self.path = home / "run" / "runexpd.sock"
        self.answers: dict[type[Any], Answer] = {}
        #: Every request, in order.
        self.asked: list[Request] = []
        self._hello = hello or framing.Hello(framing.PROTOCOL, "0.0.0")
        self._listener: socket.socket | None = None
        self._clients: list[socket.socket] = []
        self._gone = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._start(self._accept, self._listener)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Go away, in the middle of whatever is being said."""
        if self._listener is None:
            return
        self.path.unlink(missing_ok=True)
        self._gone.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        for client in self._clients:
            _hang_up(client)
        for thread in self._threads:
            thread.join(5)

    def answer(self, request: type[Any], *replies: Reply) -> None:
        """Always with these."""
        self.answers[request] = lambda _: replies

    def follow(self, *scripts: Iterable[Reply]) -> None:
        """The first `Follow` with the first script, then hang up; the last script stays."""
        left = list(scripts)
        self.answers[Follow] = lambda _: left.pop(0) if len(left) == 1 else [*left.pop(0), HANG_UP]

    def stay_silent(self, request: type[Any]) -> None:
        """No reply, until the daemon goes away."""
        self.answers[request] = lambda _: [HANG_UP] if self._gone.wait() else []

    def of(self, request: type[Any]) -> list[Any]:
        return [asked for asked in self.asked if isinstance(asked, request)]

    def _start(self, target: Callable[[socket.socket], None], of: socket.socket) -> None:
        thread = threading.Thread(target=target, args=(of,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            self._clients.append(client)
            self._start(self._converse, client)

    def _converse(self, client: socket.socket) -> None:
        try:
            with client, client.makefile("rb") as lines:
                client.sendall(framing.pack(self._hello))
                framing.unpack_hello(lines.readline())
                line = lines.readline()
                if line:
                    self._reply(client, framing.unpack_request(line))
                    lines.read()
        except OSError:
            pass  # the client has gone

    def _reply(self, client: socket.socket, request: Request) -> None:
        self.asked.append(request)
        for reply in self.answers.get(type(request), _refused)(request):
            if reply is HANG_UP:
                _hang_up(client)
                return
            client.sendall(framing.pack(reply))
        if not isinstance(request, Follow):
            client.shutdown(socket.SHUT_WR)


def _refused(request: Request) -> Iterable[Reply]:
    """Of what the test says nothing."""
    return [Refused(code=Code.UNKNOWN, what=f"{type(request).__name__} is not in this test")]


def _hang_up(client: socket.socket) -> None:
    with suppress(OSError):  # it was first
        client.shutdown(socket.SHUT_RDWR)


def seen(seq: int, event: events.Event, at: float = 1000.0) -> Seen:
    raw = msgspec.Raw(msgspec.json.encode(event))
    return Seen(envelope=Envelope(seq=seq, at=at, experiment="e1", event=raw))


def shown(view: ExperimentView) -> Shown:
    return Shown(experiment=view)


LIVE = Live()


def job(id: str, stage: Stage = Stage.QUEUED, state: str = "RUNNING", **more: Any) -> JobView:
    run, _, rest = id.partition("/")
    values: dict[str, Any] = {
        "id": id,
        "phase": Phase.EVALUATION if rest else Phase.OPTIMIZATION,
        "tool": "inspect-ai" if rest else "torchtune",
        "run": run,
        "task": rest.partition("/")[0] or None,
        "epoch": None,
        "stage": stage,
        "state": state,
        "detail": "",
        "slurm_job_id": "101",
        "started_at": 1000.0,
        "ended_at": None,
        "script": f"/exp/{id}/job.slurm",
        "workdir": f"/exp/{id}",
        "output": f"/exp/{id}/slurm-101.out",
    }
    return JobView(**(values | more))


def experiment(*jobs: JobView, outcome: Outcome | None = None, seq: int = 1, **more: Any) -> ExperimentView:
    values: dict[str, Any] = {
        "id": "e1",
        "name": "words",
        "typed": "words",
        "cluster": "local",
        "dir": "/exp",
        "policy": Policy(),
        "optimization": PhaseState.RUNNING if outcome is None else PhaseState.CLOSED,
        "evaluation": PhaseState.WAITING if outcome is None else PhaseState.CLOSED,
        "outcome": outcome,
        "added_at": 1000.0,
        "asked_at": 1000.0,
        "ended_at": None if outcome is None else 1100.0,
        "seq": seq,
        "jobs": jobs or (job("rank8"),),
    }
    return ExperimentView(**(values | more))


def report(outcome: Outcome | None, *jobs: JobView) -> Report:
    def phase(which: Phase, tool: str) -> PhaseReport:
        own = tuple(job for job in jobs if job.phase is which)
        return PhaseReport(
            phase=which,
            tool=tool,
            state=PhaseState.RUNNING if outcome is None else PhaseState.CLOSED,
            succeeded=sum(job.stage is Stage.VERIFIED for job in own),
            total=len(own),
            duration_seconds=9.0 if own else None,
            jobs=own,
            log=f"/exp/run-{tool}.log",
        )

    return Report(
        id="e1",
        name="words",
        dir="/exp",
        cluster="local",
        outcome=outcome,
        optimization=phase(Phase.OPTIMIZATION, "torchtune"),
        evaluation=phase(Phase.EVALUATION, "inspect"),
        total_seconds=117.0,
        log="/exp/run-experiment.log",
        next_steps=("Mend what failed, then: runexp retry words",),
    )
