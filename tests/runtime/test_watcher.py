"""A cluster is asked round by round, whatever hangs beside it and whoever doesn't listen."""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from loguru import logger
from msgspec.structs import replace

from fakes.builders import training
from fakes.world import FakeCluster, MemoryHost
from runexp.wire.jobs import Progress
from runexpd.clusters.base import ClusterUnreachable, JobReport, Known
from runexpd.core.commands import Watch
from runexpd.core.observations import Listed
from runexpd.hosts.base import Answer, Ask, HostUnreachable
from runexpd.runtime import inspector, watcher
from runexpd.runtime.loop import Loop, NotTaken
from runexpd.runtime.schedule import Every
from runexpd.runtime.watcher import Watcher
from runtime.odd_tools import OddTool, nothing_yet
from runtime.rig import settled, until

OFTEN_SECONDS, NEVER_SECONDS = 0.002, 3600.0
TOOLS = {"torchtune": OddTool("torchtune", nothing_yet)}


class Listener:
    """A loop that is told, and may refuse."""

    def __init__(self) -> None:
        self.told: list[Listed] = []
        self.refused = 0
        #: How often it still refuses.
        self.refuse = 0

    async def tell(self, listed: Listed) -> None:
        if self.refuse:
            self.refuse, self.refused = self.refuse - 1, self.refused + 1
            raise NotTaken("disk full", "make room")
        self.told.append(listed)


def watch(token: str, state: str = "RUNNING") -> Watch:
    return Watch(
        cluster="local",
        experiment="e",
        job=training(token),
        token=token,
        slurm_job_id="7",
        state=state,
        output=f"/exp/{token}.out",
        started_at=0.0,
        gate="",
    )


def running(token: str) -> JobReport:
    return JobReport(token=token, state="RUNNING", final=False, expected_start_at=5.0)


@asynccontextmanager
async def watching(
    cluster: FakeCluster, *watches: Watch, seconds: float = OFTEN_SECONDS
) -> AsyncIterator[tuple[Watcher, Listener]]:
    listener, watcher = Listener(), Watcher(cluster, TOOLS, Every(seconds))
    for each in watches:
        watcher.watch(each)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run, cast(Loop, listener))
        yield watcher, listener
        tasks.cancel_scope.cancel()


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.on_query = running
    return cluster


@pytest.fixture
def progressing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Have looks into outputs do something else."""

    def by(look: Any) -> None:
        async def progress(tool: Any, files: Any, job: Any, attempt: Any) -> Any:
            return await look(job.id)

        monkeypatch.setattr(inspector, "progress", progress)

    async def nothing(job: str) -> None:
        return None

    by(nothing)
    return by


@pytest.fixture
def logged() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(
        lambda message: lines.append(message.record["message"]), level="ERROR", format="{message}"
    )
    yield lines
    logger.remove(sink)


async def test_all_that_is_watched_is_asked_about_in_one_question_and_told(
    cluster: FakeCluster, progressing: Any
) -> None:
    async with watching(cluster, watch("a"), watch("b"), seconds=NEVER_SECONDS) as (watcher, listener):
        await until(lambda: bool(listener.told))
        assert cluster.asked == [("a", "b")]
        assert [(r.token, r.state, r.experiment) for r in listener.told[0].reports] == [
            ("a", "RUNNING", "e"),
            ("b", "RUNNING", "e"),
        ]
        assert watcher.starts == {"a": 5.0, "b": 5.0}


async def test_rounds_go_on_while_a_look_hangs(cluster: FakeCluster, progressing: Any) -> None:
    looks: list[str] = []

    async def hang(job: str) -> None:
        looks.append(job)
        await anyio.sleep_forever()

    progressing(hang)
    async with watching(cluster, watch("a")) as (_, listener):
        await until(lambda: bool(looks) and len(listener.told) > 5)
        assert looks == ["a"]


async def test_looks_go_on_while_a_round_hangs(
    cluster: FakeCluster, progressing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(known: Any) -> Any:
        await anyio.sleep_forever()

    async def look(job: str) -> Progress:
        return Progress(done=1)

    monkeypatch.setattr(cluster, "query", hang)
    progressing(look)
    async with watching(cluster, watch("a")) as (watcher, _):
        await until(lambda: watcher.progress == {"a": Progress(done=1)})


async def test_a_cluster_that_gives_no_answer_is_in_trouble_until_it_does(
    cluster: FakeCluster, progressing: Any
) -> None:
    def fail(token: str) -> JobReport:
        raise ClusterUnreachable("no link")

    cluster.on_query = fail
    async with watching(cluster, watch("a")) as (watcher, listener):
        await until(lambda: cluster.queries > 1)
        assert watcher.trouble is not None
        since = watcher.trouble[0]
        await until(lambda: cluster.queries > 3)
        assert watcher.trouble == (since, "no link")
        assert (listener.told, watcher.answered_at) == ([], None)
        cluster.on_query = running
        await until(lambda: bool(listener.told))
        assert watcher.trouble is None
        assert watcher.answered_at is not None


async def test_whoever_hurries_it_gets_one_round(cluster: FakeCluster, progressing: Any) -> None:
    async with watching(cluster, watch("a"), seconds=NEVER_SECONDS) as (watcher, listener):
        await until(lambda: len(listener.told) == 1)
        await settled()
        watcher.hurry()
        await until(lambda: len(listener.told) == 2)
        await settled()
        assert cluster.queries == 2


async def test_a_tool_that_fails_is_said_once_and_looked_at_again(
    cluster: FakeCluster, progressing: Any, logged: list[str]
) -> None:
    looks: list[str] = []

    async def fail(job: str) -> Progress:
        looks.append(job)
        if job == "a":
            raise ZeroDivisionError("in the tool")
        return Progress(done=looks.count(job))

    progressing(fail)
    async with watching(cluster, watch("a"), watch("b")) as (watcher, _):
        await until(lambda: looks.count("a") > 3 and bool(watcher.progress))
        assert logged == ["tool torchtune: no progress of a"]
        assert watcher.progress.keys() == {"b"}


async def test_a_host_out_of_reach_leaves_the_progress_as_it_was(
    cluster: FakeCluster, progressing: Any, logged: list[str]
) -> None:
    looks: list[str] = []

    async def look(job: str) -> Progress:
        looks.append(job)
        if len(looks) > 1:
            raise HostUnreachable("no link")
        return Progress(done=3)

    progressing(look)
    async with watching(cluster, watch("a")) as (watcher, _):
        await until(lambda: len(looks) > 3)
        assert watcher.progress == {"a": Progress(done=3)}
        assert logged == []


async def test_progress_rings_the_bell(cluster: FakeCluster, progressing: Any) -> None:
    async def look(job: str) -> Progress:
        return Progress(done=1)

    progressing(look)
    async with watching(cluster) as (watcher, _):
        ring = watcher.bell.take()
        await settled()
        assert not ring.is_set()
        watcher.watch(watch("a"))
        await until(ring.is_set)
        assert watcher.progress == {"a": Progress(done=1)}


async def test_news_that_cannot_be_taken_comes_with_the_next_round(
    cluster: FakeCluster, progressing: Any
) -> None:
    async with watching(cluster, seconds=OFTEN_SECONDS) as (watcher, listener):
        listener.refuse = 3
        watcher.watch(watch("a"))
        await until(lambda: bool(listener.told))
        assert listener.refused == 3


async def test_a_fault_in_a_round_is_not_the_end(
    cluster: FakeCluster, progressing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher, "FAULT_SECONDS", 0.005)

    def fail(token: str) -> JobReport:
        if cluster.queries < 3:
            raise ZeroDivisionError("in the cluster")
        return running(token)

    cluster.on_query = fail
    async with watching(cluster, watch("a")) as (_, listener):
        await until(lambda: bool(listener.told))


async def test_where_a_job_prints_is_told_when_its_start_tells(
    cluster: FakeCluster, progressing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a machine has two names, what lies there tells which it is."""
    memory = MemoryHost()
    cluster.host = memory

    async def names(nodes: Sequence[str]) -> dict[str, list[str]]:
        return {node: ["host1", node] for node in nodes}

    monkeypatch.setattr(cluster, "node_names", names)
    job = replace(training("a"), output="/exp/%u-%N.out", error="/exp/%N.err", directives=("output",))
    cluster.on_query = lambda token: replace(running(token), user="me", node="node1")
    async with watching(cluster, replace(watch("a"), job=job)) as (_, listener):
        await until(lambda: bool(listener.told))
        assert (listener.told[-1].reports[0].output, listener.told[-1].reports[0].error) == ("", "")
        memory.files["/exp/me-node1.out"] = b""
        await until(lambda: listener.told[-1].reports[0].output != "")
        last = listener.told[-1].reports[0]
        assert (last.output, last.error) == ("/exp/me-node1.out", "/exp/node1.err")


async def test_the_cluster_hears_what_is_known_but_of_a_job_of_which_it_is_to_tell_where_it_prints(
    cluster: FakeCluster, progressing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Known] = []

    async def query(known: Sequence[Known]) -> list[JobReport]:
        heard.extend(known)
        return []

    monkeypatch.setattr(cluster, "query", query)
    scattered = replace(watch("b"), job=replace(training("b"), output="/exp/%N.out", directives=("output",)))
    async with watching(cluster, watch("a"), scattered, seconds=NEVER_SECONDS):
        await until(lambda: bool(heard))
        assert heard == [Known("7", "a", state="RUNNING", started_at=0.0), Known("7", "b")]


async def test_of_however_many_jobs_nodes_and_files_are_asked_about_at_once(
    cluster: FakeCluster, progressing: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory, asked = MemoryHost(), []
    cluster.host = memory

    async def names(nodes: Sequence[str]) -> dict[str, list[str]]:
        asked.append(f"{len(nodes)} nodes")
        if len(asked) == 1:
            raise ClusterUnreachable("sinfo gives no answer")
        return {node: [f"host-of-{node}", node] for node in nodes}

    async def fetch(asks: Sequence[Ask]) -> Sequence[Answer]:
        asked.append(f"{len(asks)} files")
        return await MemoryHost.fetch(memory, asks)

    monkeypatch.setattr(cluster, "node_names", names)
    monkeypatch.setattr(memory, "fetch", fetch)
    jobs = {
        f"t-{n}": replace(training(f"t-{n}"), output=f"/exp/{n}/%N.out", directives=("output",))
        for n in range(50)
    }
    cluster.on_query = lambda token: replace(running(token), node=f"node{token}")
    memory.files |= {f"/exp/{n}/nodet-{n}.out": b"" for n in range(50)}
    async with watching(cluster, *(replace(watch(id), job=job) for id, job in jobs.items())) as (_, listener):
        await until(lambda: bool(listener.told) and len(listener.told[-1].reports) == 50)
        await until(lambda: listener.told[-1].reports[0].output != "")
        outputs = {report.token: report.output for report in listener.told[-1].reports}
    assert outputs == {f"t-{n}": f"/exp/{n}/nodet-{n}.out" for n in range(50)}
    assert asked[:3] == ["50 nodes", "50 nodes", "100 files"]
    assert set(asked[3:]) <= {"100 files"}


async def test_reports_of_what_nobody_watches_are_passed_over(cluster: FakeCluster, progressing: Any) -> None:
    cluster.on_query = lambda token: running("somebody else's")
    async with watching(cluster, watch("a")) as (_, listener):
        await until(lambda: cluster.queries > 2)
        assert listener.told == []


async def test_nothing_to_watch_costs_nothing(cluster: FakeCluster, progressing: Any) -> None:
    async with watching(cluster) as (watcher, listener):
        await settled()
        assert cluster.queries == 0
        watcher.watch(watch("a"))
        await until(lambda: bool(listener.told))
        watcher.forget(watch("a"))
        await until(lambda: watcher.progress == {})
        await settled()
        asked = cluster.queries
        await settled()
        await anyio.sleep(20 * OFTEN_SECONDS)  # rounds would have come by now
        assert cluster.queries == asked


async def test_what_is_pending_has_no_output_to_look_into_yet(cluster: FakeCluster, progressing: Any) -> None:
    looks: list[str] = []

    async def look(job: str) -> None:
        looks.append(job)

    progressing(look)
    async with watching(cluster, watch("a", "PENDING"), watch("b")):
        await until(lambda: len(looks) > 2)
        assert set(looks) == {"b"}


class OnProgress(Every):
    """Asks once, and again only when some progress is known."""

    has_progressed = False

    def progressed(self, token: str, made: Progress, now: float) -> None:
        self.has_progressed = True

    def next_at(self, open_gates: Any, now: float) -> float:
        return now if self.has_progressed or self._asked_at == -math.inf else math.inf


async def test_what_a_look_finds_may_bring_the_next_round_forward(
    cluster: FakeCluster, progressing: Callable[[Any], None]
) -> None:
    seen = anyio.Event()

    async def after_the_first_round(job: str) -> Progress:
        await seen.wait()
        return Progress(done=1, total=2)

    progressing(after_the_first_round)
    watcher, listener = Watcher(cluster, TOOLS, OnProgress(OFTEN_SECONDS)), Listener()
    watcher.watch(watch("t"))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watcher.run, cast(Loop, listener))
        await until(lambda: len(listener.told) == 1)
        await settled()
        assert len(listener.told) == 1
        seen.set()
        await until(lambda: len(listener.told) > 1)
        tasks.cancel_scope.cancel()


async def test_what_the_ledger_holds_is_not_told_again_but_for_what_the_core_judges_each_time(
    cluster: FakeCluster, progressing: Any
) -> None:
    lost = replace(watch("c"), state="LOST", reason="forgotten", started_at=None)
    says = {
        "a": JobReport(token="a", state="RUNNING", final=False, started_at=0.0),
        "b": JobReport(token="b", state="RUNNING", final=False, started_at=1.0),
        "c": JobReport(token="c", state="LOST", final=False, reason="forgotten"),
    }
    cluster.on_query = says.get
    async with watching(cluster, watch("a"), watch("b"), lost) as (watcher, listener):
        await until(lambda: len(listener.told) > 2)
        assert all([r.token for r in listed.reports] == ["b", "c"] for listed in listener.told)
        watcher.forget(lost)
        watcher.watch(replace(watch("b"), started_at=1.0))
        rounds = watcher.rounds
        await until(lambda: watcher.rounds > rounds + 1)
        told = len(listener.told)
        await until(lambda: watcher.rounds > rounds + 5)
        assert len(listener.told) == told
