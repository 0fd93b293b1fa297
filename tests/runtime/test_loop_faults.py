"""Faults of ours, in what is told, what follows, what is due and what is carried out: none of them ends the loop."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from fakes.world import TroubledLedger
from runexp.wire import states
from runexp.wire.events import Event, Recorded
from runexp.wire.states import Stage
from runexpd.core.due import Due
from runexpd.core.due import due as core_due
from runexpd.core.job import Job
from runexpd.core.observations import CancelWanted, Listed, Observation, Tick
from runexpd.core.state import Experiment, Limits, State
from runexpd.core.steps import barrier, submit
from runexpd.core.touched import Touched
from runexpd.ledger import desk
from runexpd.ledger.errors import LedgerDamaged
from runexpd.ledger.store import Row
from runexpd.runtime import admission
from runexpd.runtime import loop as loops
from runexpd.runtime.loop import Loop, NotTaken
from runtime.rig import (
    EMPTY,
    ONE,
    TWO,
    Carrier,
    accepted,
    first,
    report,
    second,
    stage_of,
    start,
)


def used_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours: the second experiment's tokens are the first one's."""
    tokens = submit.token_of
    monkeypatch.setattr(submit, "token_of", lambda experiment, number: tokens(ONE, number))


async def test_what_would_use_a_token_twice_is_refused_alone(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        await loop.tell(first())
        used_twice(monkeypatch)
        errors = await loop.tell_all([second(), accepted(loop.state, ONE, "rank4")])
        assert [error and error.what.partition(":")[0] for error in errors] == [
            "the ledger won't have it",
            None,
        ]
        assert loop.state.experiments.keys() == {ONE}
        assert stage_of(loop.state, ONE, "rank4") is Stage.QUEUED
        tasks.cancel_scope.cancel()


async def test_who_would_use_a_token_twice_is_parked_and_the_news_of_the_other_is_taken(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its intent follows from another's news: it is not that one's fault."""
    loop = Loop(ledger, State(limits={"local": Limits(max_submit=2, stagger_seconds=0.0)}))
    async with anyio.create_task_group() as tasks:
        carrier = await start(tasks, loop)
        await loop.tell(first())
        await loop.tell(second())
        await loop.tell(accepted(loop.state, ONE, "rank4"))
        used_twice(monkeypatch)
        ended = Listed(reports=(report(loop.state, ONE, "rank4", states.COMPLETED, final=True),))
        await loop.tell(ended)
        assert stage_of(loop.state, ONE, "rank4") is Stage.ENDED
        assert loop.state.parked.keys() == {TWO}
        assert "UNIQUE" in loop.state.parked[TWO].why
        assert carrier.experiments() == {ONE}
        with pytest.raises(NotTaken, match="won't have it"):
            await loop.tell(replace(second(), experiment=TWO, name="again"))
        assert loop.state.parked.keys() == {TWO}
        tasks.cancel_scope.cancel()


async def test_a_full_disk_parks_nobody_whose_consequences_are_tried(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        await loop.tell(first())
        used_twice(monkeypatch)
        check = ledger.check

        def fill_and_check(rows: Sequence[Row]) -> None:
            ledger.fill_up()
            check(rows)

        monkeypatch.setattr(ledger, "check", fill_and_check)
        with pytest.raises(NotTaken) as refused:
            await loop.tell(second())
        assert refused.value.hint == "make room"
        assert loop.state.parked == {}
        tasks.cancel_scope.cancel()


async def test_an_exception_in_what_is_due_parks_whose_it_is_and_the_others_are_served(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = core_due

    def undue(state: State, touched: Touched, now: float) -> Due:
        if ONE in {e.id for e in state.running()}:
            raise ZeroDivisionError("due")
        return due(state, touched, now)

    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        carrier = await start(tasks, loop)
        for module in (loops, admission):
            monkeypatch.setattr(module, "due", undue)
        await loop.tell_all([first(), second()])
        assert loop.state.parked.keys() == {ONE}
        assert carrier.experiments() == {TWO}
        tasks.cancel_scope.cancel()


async def test_an_exception_in_carrying_out_is_not_the_end(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    carrier = Carrier()

    def carry(commands: Due) -> None:
        carrier.carry(commands)
        if carrier.times < 3:
            raise ZeroDivisionError("carry")

    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await tasks.start(loop.run, carry)
        for seen in (first(), second()):
            await loop.tell(seen)
        await loop.tell(Tick())
        assert carrier.times >= 3
        assert carrier.experiments() == {ONE, TWO}
        tasks.cancel_scope.cancel()


async def test_even_if_nothing_can_be_told_of_what_is_due_the_loop_goes_on(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(state: State, touched: Touched, now: float) -> Due:
        raise ZeroDivisionError("together only")

    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        with monkeypatch.context() as patch:
            patch.setattr(loops, "due", fail)
            assert await loop.tell(first())
        assert await loop.tell(second())
        tasks.cancel_scope.cancel()


def damage(path: Path, experiment: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            """INSERT INTO events VALUES (1000, 0, ?, '?', CAST('{"type": "Levitated"}' AS BLOB))""",
            (experiment,),
        )


async def test_a_past_that_cannot_be_read_is_one_experiments_own_at_the_next_start(
    ledger: TroubledLedger,
) -> None:
    async def session(state: State, *observations: Observation) -> tuple[Carrier, Loop, list[Any]]:
        loop = Loop(ledger, state)
        async with anyio.create_task_group() as tasks:
            carrier = await start(tasks, loop)
            errors = await loop.tell_all(observations)
            tasks.cancel_scope.cancel()
        return carrier, loop, list(errors)

    await session(EMPTY, first(), second())
    await desk.ask(lambda: damage(ledger.path, ONE))
    ledger.last_seq = 1000
    again = EMPTY
    for experiment in await desk.ask(ledger.heads):
        past = await desk.ask(lambda id=experiment: list(read(ledger, id)))  # type: ignore[misc]
        again = admission.replayed(again, experiment, replay(past))
    cancel = [CancelWanted(experiment=id, jobs=("base/words",)) for id in (ONE, TWO)]
    carrier, loop, errors = await session(again, *cancel)
    assert carrier.experiments() == {TWO}
    assert "its past can't be read" in errors[0].what
    assert errors[1] is None
    assert loop.state.parked[ONE].for_good


def read(ledger: TroubledLedger, experiment: str) -> Iterator[Recorded | Exception]:
    try:
        yield from ledger.since(0, experiment)
    except LedgerDamaged as error:
        yield error


def replay(past: Sequence[Recorded | Exception]) -> Iterator[Recorded]:
    for each in past:
        if isinstance(each, Exception):
            raise each
        yield each


async def test_what_ended_nothing_before_a_restart_ends_nothing_after_it(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows from the first experiment can't be told, from the first look at it on."""
    owed = barrier.owed

    def fail(experiment: Experiment, touched: Sequence[Job]) -> Iterator[Event]:
        if experiment.id == ONE:
            raise ZeroDivisionError("owed")
        return owed(experiment, touched)

    state = EMPTY
    for seen in (first(), second()):
        loop = Loop(ledger, state)
        async with anyio.create_task_group() as tasks:
            await start(tasks, loop)
            await loop.tell(seen)
            state = replace(loop.state, parked={})  # as it is read again
            tasks.cancel_scope.cancel()
        monkeypatch.setattr(barrier, "owed", fail)
    loop = Loop(ledger, state)
    async with anyio.create_task_group() as tasks:
        carrier = await start(tasks, loop)
        await loop.tell(accepted(loop.state, TWO, "rank4"))
        await loop.tell(accepted(loop.state, ONE, "rank4"))
        assert loop.state.parked.keys() == {ONE}
        assert carrier.experiments() == {TWO}
        assert stage_of(loop.state, ONE, "rank4") is Stage.QUEUED
        tasks.cancel_scope.cancel()
