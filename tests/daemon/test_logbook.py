"""The run logs, with faults put in: whatever happens to one, the others are written, and in the end each block is there once."""

import gc
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
from loguru import logger
from msgspec.structs import replace

from fakes.builders import World, scaffold
from fakes.memory_host import MemoryHost
from runexp.wire import events
from runexp.wire.events import Event, Recorded
from runexpd.core.apply import apply
from runexpd.core.state import Experiment, State
from runexpd.experiments import logblocks
from runexpd.ledger import codec, following
from runexpd.ledger.errors import LedgerUnwritable
from runexpd.ledger.store import Ledger, LogPosition, Row
from runexpd.runtime import logbook as logbooks
from runexpd.runtime import logfile
from runexpd.runtime.bell import Bell
from runexpd.runtime.logbook import Logbook
from runexpd.runtime.logtexts import Past, _stamp

#: Of a fact that is to come; far more than it takes.
LIMIT_SECONDS = 30.0
EXPERIMENT, OPTIMIZATION, EVALUATION = (
    f"/a/run-{name}.log" for name in ("experiment", "optimization", "evaluation")
)


def name_of(experiment: Experiment) -> str:
    return experiment.name


def past_of(id: str, cluster: str = "here", runs: Sequence[str] = ("rank4",)) -> list[Recorded]:
    """A whole experiment in /ID, from its beginning to its end."""
    world = World()
    world.see(replace(scaffold(runs, experiment=id, dir=f"/{id}"), cluster="local"))
    world.drain()
    assert world.state.experiments[id].outcome is not None
    added, *more = world.ledger
    assert isinstance(added.event, events.ExperimentAdded)
    return [replace(added, event=replace(added.event, cluster=cluster)), *more]


def texts_of(past: Iterable[Recorded]) -> dict[str, str]:
    """What the logs of one experiment are to hold, by path."""
    state, texts = State(), dict[str, str]()
    for recorded in past:
        before = state.experiments.get(recorded.experiment)
        state = apply(state, recorded)
        after = state.experiments[recorded.experiment]
        if before is not None:
            for log, text in logblocks.text_of(before, recorded, after, _stamp, name_of):
                texts[after.logs[log]] = texts.get(after.logs[log], "") + text
    return texts


class Naps:
    """Pauses that end when the test says so."""

    def __init__(self) -> None:
        self.taken: list[float] = []
        self._ends: list[anyio.Event] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        self._ends.append(end := anyio.Event())
        await end.wait()

    def end(self) -> None:
        """All of them."""
        while self._ends:
            self.end_one()

    def end_one(self) -> None:
        """The longest."""
        self._ends.pop(0).set()


class Site:
    """A ledger, and hosts by cluster: `here` with /a to /z, and whatever a test adds."""

    def __init__(self, path: Path) -> None:
        self.ledger = Ledger(path)
        self.bell = Bell()
        self.naps = Naps()
        self.here = MemoryHost(*(f"/{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"))
        self.hosts = {"here": self.here}
        #: As the loop holds it.
        self.state = State()

    def logbook(self) -> Logbook:
        return Logbook(self.ledger, self.bell, self._host, name_of, self.live, self.naps)

    def _host(self, cluster: str) -> MemoryHost | None:
        return self.hosts.get(cluster)

    def live(self, experiment: str) -> Experiment | None:
        return self.state.experiments.get(experiment)

    def enter(self, *pasts: Sequence[Recorded]) -> None:
        """Events in the ledger; several experiments' one after the other in turn."""
        for place in range(max(map(len, pasts))):
            for past in pasts:
                for recorded in past[place : place + 1]:
                    event, seq = recorded.event, self.ledger.last_seq + 1
                    body, type_ = codec.encode(event), type(event).__name__
                    self.ledger.append([Row(seq, recorded.at, recorded.experiment, type_, body)])
                    self.state = apply(self.state, replace(recorded, seq=seq))
        self.bell.ring()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Logbook]:
        logbook = self.logbook()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(logbook.run)
            yield logbook
            tasks.cancel_scope.cancel()

    async def write_all(self) -> None:
        """In a life of the daemon that has no faults."""
        with anyio.fail_after(LIMIT_SECONDS):
            await self.logbook().finish()

    def holds(self, *pasts: Iterable[Recorded], host: MemoryHost | None = None) -> bool:
        files = (host or self.here).files
        wanted = {path: text.encode() for past in pasts for path, text in texts_of(past).items()}
        return all(files.get(path) == text for path, text in wanted.items())

    def is_settled(self) -> bool:
        return not following.unwritten(self.ledger)


async def until(fact: Callable[[], bool]) -> None:
    """Whoever writes has more time than whoever looks."""
    with anyio.fail_after(LIMIT_SECONDS):
        looked_at = time.monotonic()
        while not fact():
            await anyio.sleep(max(0.002, 3 * (time.monotonic() - looked_at)))
            looked_at = time.monotonic()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "ledger.sqlite")
    yield made
    made.ledger.close()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the daemon's log says."""
    lines: list[str] = []
    sink = logger.add(
        lambda message: lines.append(message.record["message"]), level="INFO", format="{message}"
    )
    yield lines
    logger.remove(sink)


async def test_two_experiments_at_once_are_written_each_block_once(site: Site) -> None:
    one, other = past_of("a"), past_of("b", runs=("rank4", "rank8"))
    site.enter(one, other)
    async with site.running():
        await until(lambda: site.holds(one, other))


async def test_once_it_has_caught_up_an_experiment_is_held_once(site: Site) -> None:
    past = past_of("a")

    def is_held() -> bool:
        return any(isinstance(holder, Past) for holder in gc.get_referrers(site.live("a")))

    async with site.running():
        for upto in range(0, len(past) - 5, 5):  # of one that is over nothing is held
            site.enter(past[upto : upto + 5])
            await until(is_held)


@pytest.mark.parametrize("page", [1, 7, 500])
async def test_news_is_added_at_its_ring(site: Site, monkeypatch: pytest.MonkeyPatch, page: int) -> None:
    monkeypatch.setattr(logbooks, "PAGE_EVENTS", page)
    past = past_of("a")
    async with site.running():
        for upto in range(0, len(past), 5):
            site.enter(past[upto : upto + 5])
            await until(lambda upto=upto: site.holds(past[: upto + 5]))  # type: ignore[misc]
        await until(site.is_settled)
    assert site.naps.taken == []


async def test_a_cluster_that_hangs_holds_up_no_other(site: Site) -> None:
    there = MemoryHost("/b")
    free = there.hanging["/b"] = anyio.Event()
    site.hosts["there"] = there
    slow, quick = past_of("b", "there"), past_of("a")
    site.enter(slow, quick)
    async with site.running():
        await until(lambda: site.holds(quick))
        assert there.files == {}
        free.set()
        await until(lambda: site.holds(slow, host=there))


async def test_a_cluster_without_a_link_is_tried_ever_more_seldom_and_said_once(
    site: Site, said: list[str]
) -> None:
    pasts = [past_of(id) for id in "abc"]
    site.here.unreachable = True
    site.enter(*pasts)
    async with site.running():
        for tries in range(1, 9):
            await until(lambda tries=tries: len(site.naps.taken) == 3 * tries)  # type: ignore[misc]
            site.naps.end()
        assert said == ["run logs wait for an answer: no link to it"]
        assert site.naps.taken[::3] == [2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0]
        await until(lambda: len(site.naps.taken) == 27)
        site.here.unreachable = False
        site.naps.end()
        await until(lambda: site.holds(*pasts))


async def test_what_waits_for_a_cluster_goes_on_when_another_got_an_answer(site: Site) -> None:
    pasts = [past_of(id) for id in "ab"]
    site.here.unreachable = True
    site.enter(*pasts)
    async with site.running():
        await until(lambda: len(site.naps.taken) == 2)
        site.here.unreachable = False
        site.naps.end_one()
        await until(lambda: site.holds(*pasts))
    assert len(site.naps.taken) == 2


@pytest.mark.parametrize("refused", [EXPERIMENT, OPTIMIZATION, EVALUATION])
async def test_a_log_that_is_refused_holds_up_no_other(site: Site, said: list[str], refused: str) -> None:
    past, other = past_of("a"), past_of("b")
    site.here.refusing[refused] = "no space left on device"
    site.enter(past[:20], other)
    rest = {path: text for path, text in texts_of(past).items() if path != refused}
    async with site.running():
        await until(lambda: site.holds(other))
        site.enter(past[20:])
        await until(lambda: all(site.here.text(path) == text for path, text in rest.items()))
        await until(lambda: len(site.naps.taken) == 1)
        site.naps.end()
        await until(lambda: len(site.naps.taken) == 2)
        assert said == [f"{refused} can't be written, tried again: {refused}: no space left on device"]
        assert refused not in site.here.files
        assert not site.is_settled()
        site.here.refusing.clear()
        site.naps.end()
        await until(lambda: site.holds(past))
        await until(site.is_settled)


async def test_a_log_that_was_refused_in_an_earlier_life_is_still_owed(site: Site) -> None:
    past = past_of("a")
    site.here.refusing[OPTIMIZATION] = "permission denied"
    site.enter(past)
    await site.write_all()
    assert not site.is_settled()
    site.here.refusing.clear()
    await site.write_all()
    assert site.holds(past)
    assert site.is_settled()


async def test_so_is_one_that_was_refused_before_it_was_looked_at(site: Site) -> None:
    def one_in_logs(event: Event) -> Event:
        if not isinstance(event, events.RunAsked):
            return event
        return replace(event, logs={**event.logs, "optimization": "/a/logs/run-optimization.log"})

    past = [replace(recorded, event=one_in_logs(recorded.event)) for recorded in past_of("a")]
    site.here.links["/a/logs"] = "/z"
    site.enter(past)
    await site.write_all()
    assert EVALUATION in site.here.files
    assert not site.is_settled()
    site.here.links["/a/logs"] = "/a"
    await site.write_all()
    assert site.holds(past)
    assert site.is_settled()


async def test_a_cluster_that_is_no_longer_configured_is_left_alone(site: Site, said: list[str]) -> None:
    past = past_of("a")
    site.enter(past_of("b", "gone"), past)
    async with site.running():
        await until(lambda: site.holds(past))
    assert (said, site.naps.taken) == ([], [])


# A crash, or a link that is lost


@pytest.mark.parametrize("cut", [0, 1, 10, 25, 300])
@pytest.mark.parametrize("crash", [False, True])
async def test_a_write_that_was_cut_short_is_completed(site: Site, cut: int, crash: bool) -> None:
    past = past_of("a")
    site.enter(past)
    site.here.cut = cut
    async with site.running():
        await until(lambda: len(site.naps.taken) == 1)
        if not crash:
            site.naps.end()
            await until(lambda: site.holds(past))
    await site.write_all()
    assert site.holds(past)


class Crash(BaseException):
    """The daemon's end."""


@pytest.mark.parametrize("page", [9, 500])
async def test_a_crash_between_a_write_and_its_position_doubles_and_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    """At the first position, at the second, and so on until none is left; with pages of another size in the next life."""
    past, crashes = past_of("a"), 0
    keep = site.ledger.set_log_position
    site.enter(past)
    for after in range(1, 200):
        left = after

        def crash(*args: Any) -> None:
            nonlocal left, crashes
            left -= 1
            if left == 0:
                crashes += 1
                raise Crash
            keep(*args)

        site.here.files.clear()
        with closing(sqlite3.connect(site.ledger.path)) as connection, connection:
            connection.execute("DELETE FROM log_positions")
        monkeypatch.setattr(logbooks, "PAGE_EVENTS", page)
        monkeypatch.setattr(site.ledger, "set_log_position", crash)
        before = crashes
        with suppress(BaseExceptionGroup):  # that crash, or none
            await site.logbook().finish()
        monkeypatch.setattr(site.ledger, "set_log_position", keep)
        monkeypatch.setattr(logbooks, "PAGE_EVENTS", 4)
        await site.write_all()
        assert site.holds(past)
        if crashes == before:
            break
    assert crashes > 5


async def test_what_others_write_meanwhile_doubles_nothing(site: Site) -> None:
    past = past_of("a")
    site.enter(past)
    await site.write_all()
    for path, text in texts_of(past).items():
        site.ledger.set_log_position("a", path, LogPosition(0, 0))
        site.here.files[path] = f"before\n{text}after\n".encode()
    await site.write_all()
    assert site.here.text(EXPERIMENT) == f"before\n{texts_of(past)[EXPERIMENT]}after\n"


async def test_a_ledger_that_takes_no_position_is_tried_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    past, keep, full = past_of("a"), site.ledger.set_log_position, True

    def set_position(*args: Any) -> None:
        if full:
            raise LedgerUnwritable("disk full", "")
        keep(*args)

    monkeypatch.setattr(site.ledger, "set_log_position", set_position)
    site.enter(past)
    async with site.running():
        for tries in (1, 2, 3):
            await until(lambda tries=tries: len(site.naps.taken) == tries)  # type: ignore[misc]
            full = tries < 2
            site.naps.end()
            if not full:
                break
        await until(lambda: site.holds(past))
    assert said == []


# Logs that are deleted, cut, or that somebody else began


async def test_a_deleted_log_is_written_anew_with_the_next_news(site: Site, said: list[str]) -> None:
    past = past_of("a")
    site.enter(past[:-1])
    async with site.running():
        await until(lambda: site.holds(past[:-1]))
        del site.here.files[EXPERIMENT]
        site.enter(past[-1:])
        await until(lambda: site.holds(past))
        await until(site.is_settled)
    assert said == [f"{EXPERIMENT} was shortened or removed: written anew"]


async def test_a_log_that_was_shortened_is_written_anew_behind_what_is_left(site: Site) -> None:
    past = past_of("a")
    site.enter(past[:-1])
    await site.write_all()
    site.here.files[EXPERIMENT] = b"left\n"
    site.enter(past[-1:])
    await site.write_all()
    assert site.here.text(EXPERIMENT) == "left\n" + texts_of(past)[EXPERIMENT]
    assert site.here.text(OPTIMIZATION) == texts_of(past)[OPTIMIZATION]


@pytest.mark.parametrize("page_events", [3, logbooks.PAGE_EVENTS])
async def test_of_a_log_that_was_cut_anywhere_no_block_is_doubled(
    site: Site, page_events: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logbooks, "PAGE_EVENTS", page_events)
    past = past_of("a")
    site.here.files[EXPERIMENT] = b"older\n"
    site.enter(past)
    await site.write_all()
    whole = site.here.text(EXPERIMENT)
    for left in range(0, len(whole), 97):
        site.here.files[EXPERIMENT] = whole[:left].encode()
        site.ledger.set_log_position("a", EXPERIMENT, LogPosition(len(past) - 1, len(whole)))
        await site.write_all()
        assert site.here.text(EXPERIMENT) == "older\n"[:left] + texts_of(past)[EXPERIMENT]


async def test_a_log_that_somebody_else_began_is_gone_on_with(site: Site) -> None:
    past = past_of("a")
    site.here.files[EXPERIMENT] = b"older\n"
    site.enter(past)
    await site.write_all()
    assert site.here.text(EXPERIMENT) == "older\n" + texts_of(past)[EXPERIMENT]


# Out of the experiment


async def test_nothing_is_written_where_a_link_leads_out(site: Site, said: list[str]) -> None:
    past, other = in_logs(past_of("a")), past_of("b")
    site.here.links["/a/logs"] = "/z"
    site.enter(past, other)
    async with site.running():
        await until(lambda: site.holds(other))
        await until(lambda: len(site.naps.taken) == 3)
        assert not [path for path in site.here.files if path.startswith(("/a", "/z"))]
        assert len(said) == 3
        assert said[0].endswith(
            "/a/logs leads to /z, out of the experiment: put a directory in its place, and the log is written there"
        )
        del site.here.links["/a/logs"]
        site.here.dirs.add("/a/logs")
        site.naps.end()
        await until(lambda: site.holds(past))
        await until(site.is_settled)


async def test_links_within_the_experiment_and_to_it_are_fine(site: Site) -> None:
    past = in_logs(past_of("a"))
    site.here.dirs |= {"/big/a", "/big/a/log-files"}
    site.here.links |= {"/a": "/big/a", "/a/logs": "/big/a/log-files"}
    site.enter(past)
    await site.write_all()
    assert site.holds(past)


async def test_a_log_that_is_a_link_is_not_followed(site: Site, said: list[str]) -> None:
    past = past_of("a")
    site.here.links[EXPERIMENT] = "/z/elsewhere.log"
    site.enter(past)
    await site.write_all()
    assert EXPERIMENT not in site.here.files
    assert site.here.text(EVALUATION) == texts_of(past)[EVALUATION]
    assert said == [
        f"{EXPERIMENT} can't be written, tried again: {EXPERIMENT}: is a link, and is not followed"
    ]


def in_logs(past: Sequence[Recorded]) -> list[Recorded]:
    """The same experiment with its logs in `logs/`."""
    return [replace(recorded, event=_in_logs(recorded.event)) for recorded in past]


def _in_logs(event: Event) -> Event:
    if isinstance(event, events.RunAsked):
        return replace(event, logs={log: path.replace("/a/", "/a/logs/") for log, path in event.logs.items()})
    return event


# What can't be told


async def test_a_block_that_cannot_be_made_is_its_experiments_own_affair(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    bad, good, broken = past_of("a"), past_of("b"), True
    whole = texts_of(bad)
    blocks = logblocks.blocks

    def some_blocks(
        before: Experiment, event: Event, after: Experiment, typed: logblocks.Typed
    ) -> Iterator[Any]:
        if broken and after.id == "a" and isinstance(event, events.BarrierCleared):
            raise KeyError("nothing")
        return blocks(before, event, after, typed)

    monkeypatch.setattr(logblocks, "blocks", some_blocks)
    site.enter(bad, good)
    async with site.running():
        await until(lambda: site.holds(good))
        await until(lambda: len(site.naps.taken) == 1)
        site.naps.end()
        await until(lambda: len(site.naps.taken) == 2)
        (line,) = said
        assert "a block of a can't be made" in line
        assert whole[EXPERIMENT].startswith(site.here.text(EXPERIMENT))
        assert "BARRIER" not in site.here.text(EXPERIMENT)
        assert "VERIFY_CHECKPOINTS" in site.here.text(OPTIMIZATION)
        broken = False
        site.naps.end()
        await until(lambda: site.holds(bad))


@pytest.mark.parametrize("known", [10, 0])
@pytest.mark.parametrize(
    "body", ['{"type": "ResultAccepted", "job": "nobody"}', '{"type": "Levitated"}', "{", "[" * 100_000]
)
async def test_a_past_that_cannot_be_is_left_alone_and_said_once(
    site: Site, said: list[str], body: str, known: int
) -> None:
    bad, good = past_of("a"), past_of("b")
    site.enter(bad[:known])
    site.ledger.append([Row(site.ledger.last_seq + 1, 0.0, "a", "Levitated", body.encode())])
    site.enter(bad[known:-2], good[:-2])
    async with site.running():
        await until(lambda: site.holds(bad[:known], good[:-2]))
        site.enter(bad[-2:], good[-2:])
        await until(lambda: site.holds(good))
    (line,) = said
    assert line.startswith("the run logs of experiment a are left as they are: its past can't be read: ")
    assert site.naps.taken == []


async def test_a_ledger_that_cannot_be_read_is_asked_again(
    site: Site, monkeypatch: pytest.MonkeyPatch, said: list[str]
) -> None:
    def fail(ledger: Ledger) -> list[str]:
        raise sqlite3.OperationalError("disk I/O error")

    past = past_of("a")
    site.enter(past)
    with monkeypatch.context() as patched:
        patched.setattr(following, "unwritten", fail)
        async with site.running():
            await until(lambda: said == ["the ledger can't be followed just now"])
            patched.undo()
            site.bell.ring()
            await until(lambda: site.holds(past))


# Many of them


@pytest.mark.long
async def test_finished_experiments_cost_a_look_at_their_positions(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = past_of("a")
    ids = [f"x{number}" for number in range(200)]
    site.here.dirs |= {f"/{id}" for id in ids}
    pasts = [of_another(template, id) for id in ids]
    rows = [recorded for past in pasts for recorded in past]
    site.ledger.append(
        [
            Row(seq, r.at, r.experiment, type(r.event).__name__, codec.encode(r.event))
            for seq, r in enumerate(rows, start=1)
        ]
    )
    await site.write_all()
    assert site.holds(*pasts)
    site.here.asked.clear()
    asked: list[str] = []
    page, unwritten = following.page, following.unwritten

    def counted(ledger: Ledger, experiment: str, after: int, most: int) -> Any:
        asked.append(experiment)
        return page(ledger, experiment, after, most)

    def looked(ledger: Ledger) -> list[str]:
        asked.append("positions")
        return unwritten(ledger)

    monkeypatch.setattr(following, "page", counted)
    monkeypatch.setattr(following, "unwritten", looked)
    fresh = past_of("b")
    async with site.running():
        await until(lambda: "positions" in asked)
        site.enter(fresh)
        await until(lambda: site.holds(fresh))
    assert asked.count("positions") == 1
    assert set(asked) == {"positions", "b"}
    assert all(path.startswith("/b") for _, path in site.here.asked)


def of_another(past: Sequence[Recorded], id: str) -> list[Recorded]:
    """The same past, of an experiment in another directory."""
    texts = [codec.encode(r.event).decode().replace("/a", f"/{id}").replace('"a-', f'"{id}-') for r in past]
    return [
        replace(r, experiment=id, event=codec.decode(text.encode()))
        for r, text in zip(past, texts, strict=True)
    ]


async def test_positions_of_an_earlier_version_are_looked_at_once(site: Site) -> None:
    """They stood at the last block of each log, and not at the last event."""
    past = past_of("a")
    site.enter(past)
    await site.write_all()
    for number, path in enumerate(texts_of(past), start=1):
        size = len(site.here.files[path])
        site.ledger.set_log_position("a", path, LogPosition(site.ledger.last_seq - number, size))
    del site.here.files[EVALUATION]
    assert not site.is_settled()
    site.here.asked.clear()
    await site.write_all()
    assert site.is_settled()


@pytest.mark.long
async def test_what_is_over_and_written_is_forgotten(site: Site) -> None:
    def kept() -> int:
        gc.collect()
        return sum(type(thing) is logbooks._RunLogs for thing in gc.get_objects())

    before = kept()
    over, open_ = past_of("a"), past_of("b")[:-1]
    site.enter(over, open_)
    async with site.running():
        await until(lambda: site.holds(over, open_))
        await until(lambda: kept() == before + 1)
        site.enter(past_of("b")[-1:])
        await until(lambda: kept() == before)
        site.enter([_again()])
        await until(lambda: "CANCEL: words" in site.here.text(EXPERIMENT))
    assert site.here.text(EXPERIMENT).startswith(texts_of(over)[EXPERIMENT])


def _again() -> Recorded:
    return Recorded(0, 5000.0, "a", events.CancelAsked(jobs=()))


@pytest.mark.long
async def test_few_writes_at_a_time_go_to_one_cluster(site: Site) -> None:
    pasts = [past_of(id) for id in "abcdefghijkl"]
    free = anyio.Event()
    site.here.hanging |= {f"/{id}": free for id in "abcdefghijkl"}
    other, there = past_of("z", "there"), MemoryHost("/z")
    site.hosts["there"] = there
    site.enter(other, *pasts)
    async with site.running():
        await until(lambda: site.holds(other, host=there))
        await until(lambda: site.here.waiting == 3)
        free.set()
        await until(lambda: site.holds(*pasts))
    assert site.here.most_waiting == 3


# The end


async def test_the_end_writes_what_is_left_and_waits_for_no_pause(site: Site) -> None:
    late, unreachable = past_of("a"), past_of("b")
    site.here.unreachable = True
    site.enter(unreachable)
    async with site.running() as logbook:
        await until(lambda: len(site.naps.taken) == 1)
    site.here.unreachable = False
    site.enter(late)
    with anyio.fail_after(LIMIT_SECONDS):
        await logbook.finish()
    assert site.holds(late, unreachable)


async def test_the_end_is_not_held_up_by_what_hangs(site: Site) -> None:
    hung, good = past_of("a"), past_of("b")
    site.here.hanging["/a"] = anyio.Event()
    site.enter(hung, good)
    with anyio.move_on_after(LIMIT_SECONDS) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(site.logbook().finish)
            await until(lambda: site.holds(good))
            tasks.cancel_scope.cancel()
    assert not scope.cancelled_caught


# How a place in a file is found


@pytest.mark.parametrize(
    ("text", "there", "missing"),
    [
        ("[2026-11-24 10:00:00] A: x\n", "", "[2026-11-24 10:00:00] A: x\n"),
        ("[2026-11-24 10:00:00] A: x\n", "[", "2026-11-24 10:00:00] A: x\n"),
        ("[2026-11-24 10:00:00] A: x\n", "foreign\n[2026-11-24 10:00:00] A", ": x\n"),
        ("[2026-11-24 10:00:00] A: x\n", "foreign\n", "[2026-11-24 10:00:00] A: x\n"),
        ("[2026-11-24 10:00:00] A: x\n", "[2026-11-24 10:00:00] B: x\n[2026-", "11-24 10:00:00] A: x\n"),
        ("[2026-11-24 10:00:00] A: x\n", "[2026-11-24 10:00:00] B\n[2026-11-24 10:00:00] A: ", "x\n"),
    ],
)
def test_what_stands_at_the_end_already_is_known(text: str, there: str, missing: str) -> None:
    assert text[logfile.begun(text.encode(), there.encode()) :] == missing


async def test_a_link_that_is_back_while_nothing_is_to_be_written_may_be_lost_again(
    site: Site, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    past, words, caught_up = past_of("a"), "run logs wait for an answer: no link to it", []
    site.enter(past[:10])
    await site.write_all()
    settle = logbooks._RunLogs._settle

    async def settled(logs: logbooks._RunLogs) -> None:
        await settle(logs)
        caught_up.append(logs)

    monkeypatch.setattr(logbooks._RunLogs, "_settle", settled)
    site.here.unreachable = True
    async with site.running():
        await until(lambda: len(site.naps.taken) == 1)
        site.here.unreachable = False
        site.naps.end()
        await until(lambda: bool(caught_up))
        site.here.unreachable = True
        site.enter(past[10:])
        await until(lambda: len(site.naps.taken) == 2)
        assert said == [words] * 2
        site.here.unreachable = False
        site.naps.end()
        await until(lambda: site.holds(past))


async def test_of_an_experiment_whose_directory_is_gone_no_past_is_read_until_it_is_back(
    site: Site, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    page = following.page

    def counted(ledger: Ledger, experiment: str, after: int, most: int) -> Any:
        found = page(ledger, experiment, after, most)
        read.append(len(found))
        return found

    monkeypatch.setattr(following, "page", counted)
    gone = past_of("a")
    site.enter(gone)
    site.here.dirs.discard("/a")
    async with site.running():
        for tries in (1, 2, 3):
            await until(lambda tries=tries: len(site.naps.taken) == tries)  # type: ignore[misc]
            assert read == [1] * tries
            site.naps.end()
        assert said == []
        site.here.dirs.add("/a")
        await until(lambda: len(site.naps.taken) == 4 or site.holds(gone))
        site.naps.end()
        await until(lambda: site.holds(gone))


async def test_a_directory_that_is_gone_is_looked_for_seldom_and_at_once_when_there_is_news(
    site: Site,
) -> None:
    gone = past_of("a")
    site.enter(gone[:-1])
    site.here.dirs.discard("/a")
    async with site.running():
        for tries in range(1, 7):
            await until(lambda tries=tries: len(site.naps.taken) == tries)  # type: ignore[misc]
            site.naps.end()
        await until(lambda: len(site.naps.taken) == 7)
        assert site.naps.taken == [300.0, 600.0, 1200.0, 2400.0, 3600.0, 3600.0, 3600.0]
        site.here.dirs.add("/a")
        site.enter(gone[-1:])
        await until(lambda: site.holds(gone))
