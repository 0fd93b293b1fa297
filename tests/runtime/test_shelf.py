"""Snapshots: what is over is put away and recalled, and what can't be read of one is made anew."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import anyio
import msgspec
import pytest
from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, SCORED, World, scaffold
from fakes.world import TroubledLedger
from runexp.wire.states import Stage
from runexpd.core.observations import RetryWanted
from runexpd.core.state import State
from runexpd.core.steps import report
from runexpd.ledger import desk
from runexpd.ledger.errors import LedgerDamaged
from runexpd.ledger.store import Ledger, Row
from runexpd.runtime import shelf as shelves
from runexpd.runtime import snapshot
from runexpd.runtime.admission import _row
from runexpd.runtime.loop import Loop
from runexpd.runtime.shelf import Shelf
from runtime.rig import EMPTY, start, until

TWO = "e2"


def past() -> World:
    """One that is over, in part, and one that runs."""
    world = World()
    world.empty = world.state = EMPTY
    world.see(scaffold(["rank4", "rank8"]))
    world.finish("rank4", GOOD)
    world.finish("rank8", BAD)
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED)
    world.see(scaffold(["rank4"], experiment=TWO, dir="/two"))
    return world


def rows(world: World) -> list[Row]:
    return [_row(recorded) for recorded in world.ledger]


@pytest.fixture
def kept(tmp_path: Path) -> tuple[World, Path]:
    world, path = past(), tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.append(rows(world))
    return world, path


def opened(path: Path) -> State:
    with Ledger(path) as ledger:
        return Shelf(ledger).opened(EMPTY)


def test_an_experiment_survives_being_kept() -> None:
    for experiment in past().state.experiments.values():
        assert snapshot.decode(snapshot.encode(experiment), experiment.id) == experiment


@pytest.mark.parametrize("body", [b"", b"no frame", snapshot.encode(past().experiment)[:-9]])
def test_bytes_that_are_none_are_said_to_be_none(body: bytes) -> None:
    with pytest.raises(snapshot.Unreadable):
        snapshot.decode(body, ID)


def test_no_bit_of_a_snapshot_flips_unseen() -> None:
    experiment = past().experiment
    line = report.line(experiment)
    for flipped in flips(snapshot.encode(experiment)):
        with suppress(snapshot.Unreadable):
            assert snapshot.decode(flipped, ID) == experiment
    for flipped in flips(snapshot.encode_line(line)):
        with suppress(snapshot.Unreadable):
            assert snapshot.decode_line(flipped, ID) == line


def flips(body: bytes) -> Iterator[bytes]:
    """Every bit of it by itself."""
    for place in range(8 * len(body)):
        flipped = bytearray(body)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)


def test_what_is_over_is_a_row_and_the_others_are_at_hand(kept: tuple[World, Path]) -> None:
    world, path = kept
    for _ in range(3):  # from the events, and then from the snapshot
        state = opened(path)
        assert set(state.shelved) == {ID}
        assert state.shelved[ID].counts == {"VERIFIED": 3, "UNVERIFIED": 1, "SKIPPED": 1}
        assert state.experiments == {TWO: world.state.experiments[TWO]}


def test_what_happened_since_is_read_on_top(kept: tuple[World, Path]) -> None:
    world, path = kept
    opened(path)
    world.see(RetryWanted(seen=scaffold(["rank4", "rank8"]), jobs=("rank8",)))
    with Ledger(path) as ledger:
        ledger.append(rows(world)[ledger.last_seq :])
    assert opened(path).experiments == world.state.experiments


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM snapshots",
        "UPDATE snapshots SET body = x'00'",
        "UPDATE snapshots SET line = x'00'",
        "UPDATE snapshots SET version = version + 1",
        "UPDATE snapshots SET seq = 3",
        "UPDATE snapshots SET body = x'00', line = x'00'",
        f"UPDATE snapshots SET body = x'{snapshot.encode(replace(past().experiment, id=TWO)).hex()}', line = x'00'",
        f"UPDATE snapshots SET line = x'{snapshot.encode_line(report.line(past().state.experiments[TWO])).hex()}'",
        # As earlier versions wrote it: whether a bit of it has flipped, nobody can tell.
        "UPDATE snapshots SET line = CAST('"
        + msgspec.json.encode(report.line(past().experiment)).decode().replace("words", "wores")
        + "' AS BLOB)",
    ],
)
def test_a_snapshot_that_is_lost_or_damaged_or_of_another_version_is_made_anew(
    kept: tuple[World, Path], change: str
) -> None:
    _, path = kept
    before = opened(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    assert opened(path) == before
    assert opened(path) == before


async def filled(ledger: Ledger) -> tuple[World, Shelf]:
    world = past()
    await desk.ask(lambda: ledger.append(rows(world)))
    return world, Shelf(ledger)


async def test_one_that_is_over_is_recalled_when_something_is_asked_of_it(ledger: TroubledLedger) -> None:
    world, shelf = await filled(ledger)
    loop = Loop(ledger, await desk.ask(lambda: shelf.opened(EMPTY)))
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        assert await shelf.recall(loop, ID) == world.experiment
        assert set(loop.state.shelved) == set()
        await loop.tell(RetryWanted(seen=scaffold(["rank4", "rank8"]), jobs=("rank8",)))
        assert loop.state.experiments[ID].jobs["rank8"].stage is Stage.SUBMITTING
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "change", ["DELETE FROM snapshots", "UPDATE snapshots SET body = substr(body, 9)", "DROP TABLE snapshots"]
)
async def test_one_whose_snapshot_is_lost_or_damaged_meanwhile_is_recalled_from_its_events_or_said_in_a_line(
    ledger: TroubledLedger, change: str
) -> None:
    world, shelf = await filled(ledger)
    loop = Loop(ledger, await desk.ask(lambda: shelf.opened(EMPTY)))
    await desk.ask(lambda: ledger.change(change))
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        if change.startswith("DROP"):
            with pytest.raises(LedgerDamaged, match="snapshots"):
                await shelf.recall(loop, ID)
        else:
            assert await shelf.recall(loop, ID) == world.experiment
        tasks.cancel_scope.cancel()


async def test_what_nobody_asks_for_is_put_away(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "AT_HAND_SECONDS", 0.0)
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.01)
    world, shelf = await filled(ledger)
    loop = Loop(ledger, world.state)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        tasks.start_soon(shelf.run, loop)
        await until(lambda: set(loop.state.shelved) == {ID})
        assert loop.state.experiments.keys() == {TWO}
        assert await shelf.recall(loop, ID) == world.experiment
        tasks.cancel_scope.cancel()


async def test_what_is_looked_at_stays_however_long_that_takes(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "AT_HAND_SECONDS", 0.0)
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.01)
    _, shelf = await filled(ledger)
    loop = Loop(ledger, await desk.ask(lambda: shelf.opened(EMPTY)))
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        tasks.start_soon(shelf.run, loop)
        with shelf.held():
            await shelf.recall(loop, ID)
            await anyio.sleep(0.2)
            assert ID in loop.state.experiments
        await until(lambda: set(loop.state.shelved) == {ID})
        tasks.cancel_scope.cancel()


async def test_what_is_asked_for_while_it_is_put_away_is_recalled(ledger: TroubledLedger) -> None:
    world, shelf = await filled(ledger)
    loop = Loop(ledger, world.state)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        tasks.start_soon(shelf._put_one_away, loop, world.experiment)
        await until(lambda: ID in shelf._leaving or ID in loop.state.shelved)
        assert await shelf.recall(loop, ID) == world.experiment
        assert ID in loop.state.experiments
        tasks.cancel_scope.cancel()


async def test_a_full_disk_keeps_snapshots_waiting_and_nothing_else(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shelves, "LOOK_SECONDS", 0.01)
    world, shelf = await filled(ledger)
    loop = Loop(ledger, world.state)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        ledger.fill_up(3)
        tasks.start_soon(shelf.run, loop)
        await until(lambda: shelf._events.get(ID) == world.experiment.events)
        tasks.cancel_scope.cancel()


def test_one_that_runs_gets_a_snapshot_now_and_then(kept: tuple[World, Path]) -> None:
    world, path = kept
    running = replace(world.state.experiments[TWO], events=5000)
    with Ledger(path) as ledger:
        shelf = Shelf(ledger)
        assert [e.id for e in shelf._due(world.state)] == [ID]
        assert [e.id for e in shelf._due(State(experiments={TWO: running}))] == [TWO]


def test_what_is_equal_in_a_snapshot_is_held_once() -> None:
    jobs = snapshot.decode(snapshot.encode(past().experiment), ID).jobs
    trained, other = jobs["rank4"], jobs["rank8"]
    assert trained.spec.run is trained.spec.id
    assert trained.spec.tool is other.spec.tool
    assert trained.attempts
    assert all(attempt.spec is trained.spec for attempt in trained.attempts)
