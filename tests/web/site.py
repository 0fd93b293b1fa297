"""The page itself, real server and all, on what a test says of experiments: in a thread of its own, so that a browser can be driven."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlencode

import anyio
import anyio.from_thread
import msgspec
import pytest
from msgspec.structs import replace

from fakes import daemon as shown
from runexp.wire import requests
from runexp.wire.events import Envelope, Event
from runexp.wire.jobs import RunSpec
from runexp.wire.metrics import Curves, Series
from runexp.wire.recipes import WithTexts
from runexp.wire.refusals import Code
from runexp.wire.views import Check, ClusterView, ExperimentLine, ExperimentView, Report, Verdict
from runexpd.api import conversation, showing
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.runtime.bell import Bell
from runexpd.settings import Web
from runexpd.web import server


class Site:
    """What there is to see, and who has asked what."""

    def __init__(self) -> None:
        self.views: dict[str, ExperimentView] = {}
        #: Experiments of which only a row of the list is known.
        self.lines: list[ExperimentLine] = []
        #: What was chosen for each run, by experiment.
        self.runs: dict[str, dict[str, dict[str, Any]]] = {}
        self.series: list[Series] = []
        self.events: list[Envelope] = []
        self.output: list[str] = []
        self.ran: WithTexts | None = None
        self.asked: list[requests.Request] = []
        self.server: server.Server | None = None
        self._news = Bell()
        self._portal: anyio.from_thread.BlockingPortal | None = None

    def show(self, view: ExperimentView) -> None:
        self.views[view.id] = view

    def tell(self, experiment: str, *told: Event) -> None:
        """Something happens, and whoever follows hears of it."""
        for event in told:
            raw = msgspec.Raw(msgspec.json.encode(event))
            self.events.append(Envelope(len(self.events) + 1, 1000.0, experiment, raw))
        assert self._portal is not None
        self._portal.call(self._news.ring)

    def opened(self) -> str:
        """An address that logs a browser in."""
        assert self.server is not None
        return self.server.opened().address

    @property
    def port(self) -> int:
        assert self.server is not None
        return int(self.server.address.rpartition(":")[2])

    def client(self) -> "Client":
        """A program that is logged in."""
        client = Client(self.port)
        reply = client.post("/login", token=self.opened().partition("#")[2])
        assert reply.status == 303
        client.cookie = (reply.getheader("set-cookie") or "").partition(";")[0]
        return client

    # What the daemon's handlers would say.

    async def _ls(self, _: Context, asked: requests.Ls) -> requests.LsReply:
        return requests.LsReply(experiments=(*map(line, self.views.values()), *self.lines))

    async def _glance(self, _: Context, named: str) -> ExperimentView:
        if named not in self.views:
            raise Refusal(Code.UNKNOWN, f"no experiment is called {named}")
        return self.views[named]

    async def _report(self, _: Context, named: str) -> Report:
        view = await self._glance(_, named)
        runs = tuple(
            RunSpec(name=run, type="fine-tuned", parameters=of)
            for run, of in self.runs.get(named, {}).items()
        )
        made = shown.report(view.outcome, *view.jobs)
        return replace(made, id=view.id, name=view.name, dir=view.dir, cluster=view.cluster, runs=runs)

    async def _show(self, _: Context, asked: requests.Show) -> requests.ShowReply:
        if self.ran is None:
            raise Refusal(Code.UNKNOWN, "nobody knows")
        return requests.ShowReply(experiment=asked.experiment, job=asked.job, shown=self.ran)

    async def _metrics(self, _: Context, asked: requests.Metrics) -> Curves:
        wanted = [
            each
            for each in self.series
            if (not asked.names or each.name in asked.names) and (not asked.jobs or each.job in asked.jobs)
        ]
        view = self.views.get(asked.experiment)
        return Curves(experiment=asked.experiment, name=view.name if view else "", series=tuple(wanted))

    async def _info(self, _: Context, asked: requests.Info) -> requests.InfoReply:
        return requests.InfoReply(
            version="0", pid=1, started_at=0.0, ledger="/l", config="/c", clusters=("della",), tools=()
        )

    async def _clusters(self, _: Context, asked: requests.Clusters) -> requests.ClustersReply:
        della = ClusterView(
            name="della",
            kind="slurm over ssh",
            connection="down",
            trouble="della: no connection for 9 s",
            queries=7,
            queries_left=3.0,
            queries_per_minute=4.0,
        )
        return requests.ClustersReply(
            clusters=(della, ClusterView(name="local", kind="this machine", connection=""))
        )

    async def _doctor(self, _: Context, asked: requests.Doctor) -> requests.DoctorReply:
        checks = (
            Check(name="login", verdict=Verdict.OK, found="fine"),
            Check(name="accounting", verdict=Verdict.BAD, found="none", hint="ask for it"),
        )
        return requests.DoctorReply(cluster=asked.cluster, checks=checks)

    async def _cancel(self, _: Context, asked: requests.Cancel) -> requests.CancelReply:
        self.asked.append(asked)
        return requests.CancelReply(jobs=asked.jobs)

    async def _follow(self, _: Context, asked: requests.Follow) -> AsyncIterator[requests.Reply]:
        after = asked.after
        yield requests.Live()
        while True:
            rung = self._news.take()
            for envelope in [each for each in self.events if each.seq > after]:
                yield requests.Seen(envelope=envelope)
                after = envelope.seq
            await rung.wait()

    async def _logs(self, _: Context, asked: requests.Logs) -> AsyncIterator[requests.Reply]:
        for text in self.output:
            yield requests.Chunk(text=text)
        yield requests.LogsEnd(path="/o")

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        answers: dict[type[Any], Callable[..., Any]] = {
            requests.Ls: self._ls,
            requests.Show: self._show,
            requests.Metrics: self._metrics,
            requests.Info: self._info,
            requests.Clusters: self._clusters,
            requests.Doctor: self._doctor,
            requests.Cancel: self._cancel,
        }
        for kind, answer in answers.items():
            monkeypatch.setitem(cast(Any, conversation._ANSWERS), kind, answer)
        monkeypatch.setattr(showing, "glance", self._glance)
        monkeypatch.setattr(showing, "known_report", self._report)
        for kind, stream in ((requests.Follow, self._follow), (requests.Logs, self._logs)):
            monkeypatch.setitem(cast(Any, conversation._STREAMS), kind, stream)

    def context(self) -> Context:
        begun = anyio.Event()
        begun.set()
        loop = SimpleNamespace(begun=begun, bell=self._news)
        return cast(
            Context, SimpleNamespace(loop=loop, ledger=_Ledger(self), shelf=SimpleNamespace(held=nullcontext))
        )

    @contextmanager
    def served(self, settings: Web, kept: Path) -> Iterator["Site"]:
        ready, ended = threading.Event(), threading.Event()

        async def main() -> None:
            self._news = Bell()
            made = await server.make(settings, self.context(), kept)
            async with anyio.from_thread.BlockingPortal() as self._portal, anyio.create_task_group() as tasks:
                self.server = await tasks.start(made.run)
                ready.set()
                await anyio.to_thread.run_sync(ended.wait)
                tasks.cancel_scope.cancel()

        thread = threading.Thread(target=anyio.run, args=(main,))
        thread.start()
        try:
            assert ready.wait(20)
            yield self
        finally:
            ended.set()
            thread.join(20)
            assert not thread.is_alive()


class _Ledger:
    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def last_seq(self) -> int:
        return len(self._site.events)

    def envelopes(self, after: int, experiment: str, most: int) -> list[Envelope]:
        return [each for each in self._site.events if each.seq > after and each.experiment == experiment][
            :most
        ]


def line(view: ExperimentView) -> ExperimentLine:
    counts: dict[str, int] = {}
    for job in view.jobs:
        counts[job.state] = counts.get(job.state, 0) + 1
    return ExperimentLine(
        id=view.id,
        name=view.name,
        cluster=view.cluster,
        dir=view.dir,
        outcome=view.outcome,
        optimization=view.optimization,
        evaluation=view.evaluation,
        asked_at=view.asked_at,
        ended_at=view.ended_at,
        counts=counts,
        trouble=view.trouble,
    )


class Client:
    """A program that speaks HTTP, and may lie."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.cookie = ""
        #: Streams, until they are closed.
        self._open: list[HTTPConnection] = []

    def close(self) -> None:
        """Every stream."""
        for connection in self._open:
            if connection.sock is not None:
                connection.sock.close()
            connection.close()
        self._open.clear()

    def get(self, path: str, **headers: str) -> HTTPResponse:
        return self.ask("GET", path, b"", headers)

    def post(self, path: str, headers: dict[str, str] | None = None, **form: str) -> HTTPResponse:
        dressed = {"content-type": "application/x-www-form-urlencoded", **(headers or {})}
        return self.ask("POST", path, urlencode(form).encode(), dressed)

    def ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> HTTPResponse:
        """The answer; what it says is in `said`."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        dressed = {"cookie": self.cookie, **named} if self.cookie else named
        connection.request(method, path, body or None, dressed)
        reply = connection.getresponse()
        if "event-stream" in (reply.getheader("content-type") or ""):
            self._open.append(connection)
        else:
            self.said = reply.read().decode()
            connection.close()
        return reply
