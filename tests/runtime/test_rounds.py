"""Questions are put in rounds: together as far as they go, each by itself where one takes too much."""

import pytest
from msgspec.structs import replace

from fakes.world import MemoryHost
from runexpd.hosts.base import HostUnreachable
from runexpd.runtime import rounds
from runexpd.runtime.digest import Indigestible
from runexpd.runtime.rounds import Fault, Pace
from runtime import odd_tools

PACE = Pace(most_rounds=4, together=50, seconds=20.0, alone_seconds=20.0)


async def test_each_comes_to_its_own_end_and_faults_are_their_own() -> None:
    host = MemoryHost({"/a": b"ab"})
    fine, faulty, late = await rounds.put(odd_tools.by_name, ["a", "raising", "b"], host.fetch, PACE)
    assert not isinstance(fine, Fault)
    assert not isinstance(late, Fault)
    assert (fine.detail, late.detail) == ("Found ab", "Missing ??")
    assert isinstance(faulty, Fault)
    assert faulty.what == r"ZeroDivisionError: in the tool\ud800"
    assert "odd_tools.py" in faulty.trace
    assert faulty.lasting
    assert [len(asks) for asks in host.rounds] == [2, 2, 2]


async def test_more_than_are_put_together_are_put_in_turn() -> None:
    host = MemoryHost()
    await rounds.put(odd_tools.reading, ["a", "b", "c"], host.fetch, replace(PACE, together=2))
    assert [len(asks) for asks in host.rounds] == [2, 2, 2, 1, 1, 1]


async def test_what_asks_too_often_or_ends_its_child_is_a_fault() -> None:
    names = ["a", "asking_for_ever", "leaving"]
    host = MemoryHost()
    fine, endless, gone = await rounds.put(odd_tools.by_name, names, host.fetch, PACE)
    assert not isinstance(fine, Fault)
    assert endless == Fault("it asked 4 times and came to no end")
    assert isinstance(gone, Fault)
    assert not gone.lasting


async def test_a_single_one_that_fails_raises() -> None:
    with pytest.raises(Indigestible, match="ZeroDivisionError") as caught:
        await rounds.put_one(odd_tools.raising, "a", MemoryHost().fetch, PACE)
    assert caught.value.trace
    with pytest.raises(Indigestible, match="it asked 4 times") as caught:
        await rounds.put_one(odd_tools.asking_for_ever, "a", MemoryHost().fetch, PACE)
    assert not caught.value.trace, "another try may fare better"


async def test_a_host_out_of_reach_is_the_callers_affair() -> None:
    host = MemoryHost()
    host.unreachable = "no link"
    with pytest.raises(HostUnreachable):
        await rounds.put(odd_tools.reading, ["a"], host.fetch, PACE)


async def test_nothing_is_asked_for_nothing() -> None:
    host = MemoryHost()
    assert await rounds.put(odd_tools.reading, [], host.fetch, PACE) == []
    assert host.rounds == []


async def test_what_many_ask_for_is_fetched_once() -> None:
    host = MemoryHost({"/a": b"ab"})
    found = await rounds.put(odd_tools.reading, ["a", "a", "b"], rounds.once(host), PACE)
    assert [each.detail for each in found if not isinstance(each, Fault)] == ["Found ab"] * 2 + ["Missing ??"]
    assert [len(asks) for asks in host.rounds] == [2, 2, 2]
