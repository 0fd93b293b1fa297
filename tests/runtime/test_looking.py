"""Looks that are due at one moment go together, and none pays for another's."""

from collections.abc import Sequence

import anyio
import pytest

from fakes.world import MemoryHost
from runexp.wire.jobs import Finding
from runexpd.hosts.base import Answer, Ask, HostUnreachable
from runexpd.runtime.inspector import Look
from runexpd.runtime.looking import Looking
from runtime import odd_tools
from runtime.test_inspector import look, tools

TOOLS = tools(reading=odd_tools.reading, raising=odd_tools.raising)


class Host(MemoryHost):
    """Where whatever is asked of `hung` gives no answer."""

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        if any(ask.path == "/hung" for ask in asks):
            raise HostUnreachable("no answer in time")
        return await super().fetch(asks)


async def seen_together(host: Host, looks: Sequence[Look]) -> dict[str, str]:
    looking, found = Looking(TOOLS, host), dict[str, str]()

    async def one(each: Look) -> None:
        try:
            found[each.job.id] = (await looking.look(each)).verdict.finding
        except HostUnreachable as error:
            found[each.job.id] = error.what

    async with anyio.create_task_group() as tasks:
        for each in looks:
            tasks.start_soon(one, each)
    return found


async def test_all_that_is_due_is_asked_at_once() -> None:
    host = Host({f"/{name}": b"12" for name in "abcd"})
    found = await seen_together(host, [look(name, "reading") for name in "abcd"])
    assert found == dict.fromkeys("abcd", Finding.GOOD)
    assert [len(asks) for asks in host.rounds] == [8, 4, 4]  # at first with the tables of their GPUs


async def test_one_that_hangs_or_fails_is_its_own_affair() -> None:
    host = Host({"/a": b"12", "/b": b"12"})
    looks = [look("a", "reading"), look("hung", "reading"), look("c", "raising"), look("b", "reading")]
    found = await seen_together(host, looks)
    assert found == {
        "a": Finding.GOOD,
        "b": Finding.GOOD,
        "c": Finding.UNCLEAR,
        "hung": "no answer in time",
    }


async def test_what_comes_later_is_looked_at_later() -> None:
    host = Host({"/a": b"12", "/b": b"12"})
    looking = Looking(TOOLS, host)
    for name in "ab":
        assert (await looking.look(look(name, "reading"))).verdict.finding is Finding.GOOD
    with pytest.raises(HostUnreachable):
        await looking.look(look("hung", "reading"))
