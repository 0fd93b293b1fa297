"""What waits for a person, and a ledger that can't be written: told once for as long as it holds, after a restart too."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, World, scaffold
from fakes.world import TroubledLedger
from notices.conftest import Receiver
from runexp.wire.jobs import BEFORE, Policy
from runexpd.core.observations import PreparationSaid, RetryWanted
from runexpd.core.state import Experiment, Parked, State
from runexpd.ledger.errors import LedgerError, LedgerUnwritable
from runexpd.notices import conditions, delivery, ledger, setup
from runexpd.notices.address import Sender, Source
from runexpd.notices.delivery import Delivery, Manner
from runexpd.notices.ledger import LedgerWatch
from runexpd.notices.outbox import Outbox, OutboxError, Owed
from runexpd.notices.rules import Rule
from runexpd.runtime.loop import Loop

FULL = LedgerUnwritable("the ledger /l can't be written: disk full", "make room")
CACHE = Policy(before_evaluations="make cache")


@contextmanager
def opened(dir: Path) -> Iterator[Outbox]:
    """A daemon's life."""
    outbox = Outbox(dir / "notices.sqlite")
    yield outbox
    outbox.close()


async def look(outbox: Outbox, state: State, at: float = 1000.0) -> list[str]:
    """What is owed after it."""
    await conditions.look_at_experiments(outbox, lambda rule: ["phone"], state, lambda e: e.name, at)
    return [f"{each.rule}: {each.title}" for each in owed(outbox)]


def owed(outbox: Outbox) -> list[Owed]:
    return outbox.owed("phone", 9)


def deliver(outbox: Outbox) -> None:
    outbox.settled("phone", [each.id for each in owed(outbox)])


def parked_world(left: Parked) -> World:
    world = World()
    world.see(replace(scaffold(), dir="/my exp"))
    world.state = replace(world.state, parked={ID: left, "no such id": left})
    return world


async def test_one_with_which_nothing_more_is_done_is_told_once_and_forgotten_when_it_goes_on(
    tmp_path: Path,
) -> None:
    world = parked_world(Parked("ZeroDivisionError: \x1b[31mdue"))
    with opened(tmp_path) as outbox:
        assert await look(outbox, world.state) == ["decision: words: nothing more is done with it"]
        (notice,) = owed(outbox)
        assert "ZeroDivisionError: due" in notice.body
        assert "runexp run '/my exp'" in notice.body
        deliver(outbox)
    with opened(tmp_path) as outbox:
        assert await look(outbox, world.state, 2000.0) == []
        assert await look(outbox, replace(world.state, parked={}), 3000.0) == []
        assert len(await look(outbox, world.state, 4000.0)) == 1


async def test_what_can_be_tried_no_more_suggests_no_try(tmp_path: Path) -> None:
    with opened(tmp_path) as outbox:
        await look(outbox, parked_world(Parked("its past can't be read", for_good=True)).state)
        assert owed(outbox)[0].body == "its past can't be read\nrunexp report words"


async def test_what_is_over_before_it_was_told_is_not_told(tmp_path: Path) -> None:
    world = parked_world(Parked("a fault of ours"))
    with opened(tmp_path) as outbox:
        assert len(await look(outbox, world.state)) == 1
        assert await look(outbox, replace(world.state, parked={}), 1010.0) == []


async def test_what_may_have_been_told_already_is_owed_until_that_is_known(tmp_path: Path) -> None:
    world = parked_world(Parked("a fault of ours"))
    with opened(tmp_path) as outbox:
        await look(outbox, world.state)
        outbox.sending("phone", [owed(outbox)[0].id])
        assert len(await look(outbox, replace(world.state, parked={}), 1010.0)) == 1


def failed_preparation() -> World:
    world = World()
    world.see(scaffold(policy=CACHE))
    world.finish("rank4", GOOD)
    world.finish("rank8", BAD)
    world.see(PreparationSaid(experiment=ID, number=1, exit_code=2, said=("no space left",)))
    return world


async def test_a_preparation_that_failed_is_told_each_time_it_fails(tmp_path: Path) -> None:
    world = failed_preparation()
    with opened(tmp_path) as outbox:
        told = "decision: words: what runs before the evaluations failed"
        assert await look(outbox, world.state) == [told]
        (notice,) = owed(outbox)
        assert "make cache: exit code 2: no space left" in notice.body
        assert "`runexp retry words` runs it again" in notice.body
        deliver(outbox)
    with opened(tmp_path) as outbox:
        assert await look(outbox, world.state, 2000.0) == []
        world.see(RetryWanted(seen=scaffold(policy=CACHE), jobs=(BEFORE,)))
        assert await look(outbox, world.state, 3000.0) == []
        world.see(PreparationSaid(experiment=ID, number=2, exit_code=2))
        assert await look(outbox, world.state, 3000.0) == [told]


class Disk:
    """A ledger that can't be written, and who is to hear of it."""

    def __init__(self, outbox: Outbox, receiver: Receiver, **manner: Any) -> None:
        self.now = 1000.0
        self.trouble: LedgerError | None = FULL
        told = Delivery("phone", Sender(Source(url=receiver.url)), Manner(**manner), outbox, lambda: self.now)
        self.watch = LedgerWatch(outbox, [told], lambda: self.trouble, lambda: self.now)

    async def at(self, seconds: float) -> None:
        self.now = 1000.0 + seconds
        await self.watch.look()


@contextmanager
def full(outbox: Outbox) -> Iterator[None]:
    """Its disk takes nothing."""
    outbox._db.execute("PRAGMA query_only = ON")
    yield
    outbox._db.execute("PRAGMA query_only = OFF")


async def test_a_ledger_that_cannot_be_written_is_told_once_it_lasts(
    tmp_path: Path, receiver: Receiver
) -> None:
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver)
        await disk.at(0)
        await disk.at(ledger.UNWRITABLE_SECONDS - 1)
        assert owed(outbox) == []
        await disk.at(ledger.UNWRITABLE_SECONDS)
        await disk.at(200)
        (notice,) = owed(outbox)
        assert (notice.rule, notice.title) == ("unreachable", "runexp can't write its ledger")
        assert "disk full; make room" in notice.body
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver)
        for seconds in (300, 400):
            await disk.at(seconds)
        assert len(owed(outbox)) == 1
        disk.trouble = None
        for seconds in (500, 510):
            await disk.at(seconds)
        assert [each.title for each in owed(outbox)][1:] == ["runexp can write its ledger again"]
    assert receiver.got == []


async def test_a_moment_without_a_ledger_is_no_news(tmp_path: Path, receiver: Receiver) -> None:
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver)
        for seconds, trouble in ((0, FULL), (30, None), (61, FULL), (100, FULL), (110, None)):
            disk.trouble = trouble
            await disk.at(seconds)
        assert owed(outbox) == []


async def test_where_the_disk_takes_no_notice_either_it_is_told_past_it(
    tmp_path: Path, receiver: Receiver
) -> None:
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver)
        with full(outbox):
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                outbox.put([], lambda rule: [], 1)
            await disk.at(0)
            receiver.mood = "fails"
            await disk.at(60)
            receiver.mood = "ok"
            await disk.at(61)
            assert receiver.got == [], "what didn't arrive is not tried with every look"
            for seconds in (80, 90, 9000):
                await disk.at(seconds)
        (got,) = receiver.got
        assert got["title"] == "runexp can't write its ledger"
        disk.trouble = None
        await disk.at(9010)
        assert [each.title for each in owed(outbox)] == ["runexp can write its ledger again"]


async def test_once_the_outbox_takes_it_a_restart_tells_it_no_second_time(
    tmp_path: Path, receiver: Receiver
) -> None:
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver)
        with full(outbox):
            for seconds in (0, 60):
                await disk.at(seconds)
        await disk.at(70)
        assert outbox.holds("ledger")
        assert owed(outbox) == []
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver)
        for seconds in (100, 200):
            await disk.at(seconds)
        assert owed(outbox) == []
    assert len(receiver.got) == 1


async def test_nobody_is_woken_past_the_outbox_either(tmp_path: Path, receiver: Receiver) -> None:
    with opened(tmp_path) as outbox:
        disk = Disk(outbox, receiver, quiet="00:00-23:59")
        with full(outbox):
            for seconds in (0, 60, 9000):
                await disk.at(seconds)
        disk.trouble = None
        with full(outbox), pytest.raises(OutboxError):
            await disk.at(9010)
        await disk.at(9020)
    assert receiver.got == []


class House:
    """What a daemon has to do with it: a loop whose ledger stands on a full disk."""

    def __init__(self, loop: Loop, kept: TroubledLedger) -> None:
        self.loop, self.ledger = loop, kept
        self.links: dict[str, Any] = {}
        self.watchers: dict[str, Any] = {}

    async def at_hand(self, id: str) -> Experiment:
        return self.loop.state.experiments[id]

    def typed(self, experiment: Experiment) -> str:
        return experiment.name

    def view(self, experiment: Experiment) -> Any:
        raise AssertionError("nobody wants to hear of health")


async def test_a_daemon_tells_of_both(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((ledger, "UNWRITABLE_SECONDS"), (delivery, "GATHER_SECONDS")):
        monkeypatch.setattr(module, name, 0.0)
    kept = TroubledLedger(tmp_path / "ledger.sqlite")
    loop = Loop(kept, parked_world(Parked("a fault of ours")).state)
    wanted = setup.Wanted(
        source=Source(url=receiver.url),
        tells=frozenset(Rule) - {Rule.HEALTH},
        manner=Manner(digest_seconds=0),
    )
    told = setup.told(tmp_path / "notices.sqlite", {"phone": wanted}, lambda: 2000.0)
    assert told is not None
    async with anyio.create_task_group() as tasks:
        await tasks.start(loop.run, lambda due: None)
        kept.fill_up()
        loop.trouble = FULL
        tasks.start_soon(setup.tell, told, House(loop, kept), lambda: 2000.0)
        with anyio.fail_after(30):
            while "the ledger /l" not in str(receiver.got) or "a fault of ours" not in str(receiver.got):
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    told.outbox.close()
    kept.close()
