"""The loop takes what it can, refuses what it can't, and nothing ends it."""

import anyio
import pytest
from msgspec.structs import replace

from fakes.builders import GOOD
from fakes.world import TroubledLedger
from runexp.wire import states
from runexp.wire.events import Recorded
from runexp.wire.states import Stage
from runexpd.core.observations import Judged, Listed
from runexpd.ledger import desk
from runexpd.ledger.errors import LedgerDamaged
from runexpd.runtime import loop as loops
from runexpd.runtime.loop import Closed, Loop, NotTaken
from runtime.rig import EMPTY, ONE, TWO, accepted, first, report, second, settled, stage_of, start, until


async def told(ledger: TroubledLedger) -> list[Recorded]:
    return await desk.ask(lambda: list(ledger.since(0)))


async def test_what_is_told_is_committed_in_order_and_on_disk_when_the_teller_goes_on(
    ledger: TroubledLedger,
) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        recorded = [*await loop.tell(first()), *await loop.tell(second())]
        recorded += await loop.tell(accepted(loop.state, ONE, "rank4"))
        assert await told(ledger) == recorded
        assert [r.seq for r in recorded] == list(range(1, len(recorded) + 1))
        assert await loop.tell(accepted(loop.state, ONE, "rank4")) == ()
        tasks.cancel_scope.cancel()


async def test_what_waits_together_is_committed_together(ledger: TroubledLedger) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        for seen in (first(), second()):
            tasks.start_soon(loop.tell, seen)
        await settled()
        carrier = await start(tasks, loop)
        await until(lambda: loop.state.experiments.keys() == {ONE, TWO} and carrier.times > 0)
        assert ledger.commits == [len(await told(ledger))]
        tasks.cancel_scope.cancel()


async def test_the_bell_rings_after_a_commit_and_what_is_due_is_carried_before_the_teller_goes_on(
    ledger: TroubledLedger,
) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        carrier = await start(tasks, loop)
        ring = loop.bell.take()
        await loop.tell(first())
        assert ring.is_set()
        assert len(carrier.commands()) == 2
        tasks.cancel_scope.cancel()


async def test_what_cannot_be_written_is_refused_alone_of_its_batch(ledger: TroubledLedger) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        await loop.tell_all([first(), second()])
        await loop.tell_all([accepted(loop.state, ONE, "rank4"), accepted(loop.state, TWO, "rank4")])
        ended = report(loop.state, ONE, "rank4", states.COMPLETED, final=True)
        await loop.tell(Listed(reports=(ended,)))
        poisoned = Judged(
            experiment=ONE, job="rank4", token=ended.token, verdict=replace(GOOD, detail="\udcff")
        )
        running = Listed(reports=(report(loop.state, TWO, "rank4", states.RUNNING),))
        good = replace(poisoned, verdict=GOOD)
        errors = await loop.tell_all([running, poisoned, good])
        assert [type(error) for error in errors] == [type(None), NotTaken, type(None)]
        assert stage_of(loop.state, ONE, "rank4") is Stage.VERIFIED
        assert loop.state.experiments[TWO].jobs["rank4"].state == states.RUNNING
        tasks.cancel_scope.cancel()


async def test_a_full_disk_moves_nothing_and_is_over_by_itself(
    ledger: TroubledLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "RETRY_SECONDS", 0.01)
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        carrier = await start(tasks, loop)
        await loop.tell(first())
        before, commits, ring = loop.state, list(ledger.commits), loop.bell.take()
        ledger.fill_up(writes=5)
        with pytest.raises(NotTaken) as refused:
            await loop.tell(second())
        assert (refused.value.what, refused.value.hint) == (
            "the ledger can't be written: disk full",
            "make room",
        )
        assert loop.trouble is not None
        assert ring.is_set()
        assert loop.state is before
        assert ledger.commits == commits
        assert len(carrier.commands()) == 2
        ring = loop.bell.take()
        await until(lambda: loop.trouble is None)
        await until(ring.is_set)
        await loop.tell(second())
        assert loop.state.experiments.keys() == {ONE, TWO}
        tasks.cancel_scope.cancel()


async def test_a_full_disk_refuses_all_that_waits_and_the_next_tellers_as_well(
    ledger: TroubledLedger,
) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        ledger.fill_up()
        for _ in range(3):
            errors = await loop.tell_all([first(), second()])
            assert [error and error.hint for error in errors] == ["make room", "make room"]
        assert loop.state == EMPTY
        ledger.trouble = None
        assert await loop.tell(first())
        assert loop.trouble is None
        tasks.cancel_scope.cancel()


async def test_a_ledger_that_is_damaged_under_way_is_trouble_and_not_the_end(ledger: TroubledLedger) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        ledger.trouble = LedgerDamaged("the ledger is damaged: malformed", "move it aside")
        with pytest.raises(NotTaken, match="damaged"):
            await loop.tell(first())
        assert loop.trouble is not None
        tasks.cancel_scope.cancel()


async def test_what_comes_when_it_stops_is_told_so(ledger: TroubledLedger) -> None:
    loop = Loop(ledger, EMPTY)
    async with anyio.create_task_group() as tasks:
        await start(tasks, loop)
        tasks.cancel_scope.cancel()
    with pytest.raises(Closed, match="stopping"):
        await loop.tell(first())
    with pytest.raises(Closed):
        await loop.tell_all([first()])
    loop.poke()
