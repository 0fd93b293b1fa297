"""Who gets which session: what is open already, what opens next, and who has to wait."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import pytest
from anyio.abc import TaskGroup

from runexpd.hosts import ssh_room
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.ssh_link import SshLink

USUAL = 6


class Far:
    """A link, its connection, and what opens its sessions: one after the other, when it is let."""

    def __init__(self, sessions: int = USUAL) -> None:
        self.sessions = sessions
        self.is_lost = False
        #: How many more may open; and those that are being opened, which fail where there is an error.
        self.may_open = 0
        self.opening: list[anyio.Event] = []
        self.opened: list[Session] = []
        self.error: Exception | None = None

    async def connection(self) -> "Far":
        return self

    def is_closed(self) -> bool:
        return self.is_lost

    def close(self) -> None:
        self.is_lost = True

    def changed(self) -> anyio.Event:
        return anyio.Event()

    def why_down(self) -> str:
        return "not responding"

    async def begin(self, connection: "Far") -> "Session":
        if not self.may_open:
            self.opening.append(anyio.Event())
            await self.opening[-1].wait()
        else:
            self.may_open -= 1
        if self.error is not None:
            raise self.error
        self.opened.append(Session())
        return self.opened[-1]

    async def open(self, count: int) -> None:
        for _ in range(count):
            self.opening.pop(0).set()
            await anyio.wait_all_tasks_blocked()


class Session:
    def __init__(self) -> None:
        self.is_over = False
        self.said = b""
        self.may_end = anyio.Event()

    async def run(self, script: bytes, begin: bytes, most_bytes: int, what: str) -> tuple[bytes, bytes]:
        await self.may_end.wait()
        return self.said, b""

    async def end(self) -> None:
        self.is_over = True


@asynccontextmanager
async def room_of(far: Far) -> AsyncIterator[tuple["ssh_room.Room[Any]", TaskGroup]]:
    async with anyio.create_task_group() as tasks:
        yield ssh_room.Room(cast(SshLink[Any], far), tasks, cast(Any, far.begin)), tasks
        tasks.cancel_scope.cancel()


async def run(room: "ssh_room.Room[Any]", leaving: int = 0, begin: bytes = b"") -> None:
    await room.run(b"", begin, 0, "test", leaving)


async def ready(far: Far, room: "ssh_room.Room[Any]", tasks: TaskGroup) -> int:
    """After the first command, whose session ends: so many are open ahead of time."""
    far.may_open = USUAL
    tasks.start_soon(run, room)
    await anyio.wait_all_tasks_blocked()
    far.opened[0].may_end.set()
    await anyio.wait_all_tasks_blocked()
    far.may_open = 0
    return len(far.opened) - 1


async def test_whoever_finds_none_takes_the_next_that_opens() -> None:
    far = Far()
    async with room_of(far) as (room, tasks):
        for _ in range(await ready(far, room, tasks) + 1):
            tasks.start_soon(run, room)
        await anyio.wait_all_tasks_blocked()
        begun, waiting = len(far.opening), room._takers
        assert (begun >= 1, len(waiting)) == (True, 1)
        await far.open(1)
        assert not waiting  # it was begun when the first was taken, for nobody yet


async def test_who_is_in_no_hurry_leaves_what_is_open_and_is_served_last() -> None:
    far = Far()
    async with room_of(far) as (room, tasks):
        open_ahead = await ready(far, room, tasks)
        for _ in range(open_ahead - ssh_room.LEFT + 1):
            tasks.start_soon(run, room, ssh_room.LEFT)
            await anyio.wait_all_tasks_blocked()
        assert [taker.leaving for taker in room._takers] == [ssh_room.LEFT]
        for _ in range(ssh_room.LEFT):
            tasks.start_soon(run, room)
            await anyio.wait_all_tasks_blocked()
        assert len(room._takers) == 1
        tasks.start_soon(run, room)
        await anyio.wait_all_tasks_blocked()
        await far.open(1)
        assert [taker.leaving for taker in room._takers] == [ssh_room.LEFT]
        await far.open(1)
        assert not room._takers


@pytest.mark.parametrize("sessions", [1, 2])
async def test_where_there_is_no_room_for_another_it_takes_what_is_open(sessions: int) -> None:
    far = Far(sessions)
    far.may_open = sessions
    async with room_of(far) as (room, tasks):
        with anyio.fail_after(10):
            for _ in range(5):
                tasks.start_soon(run, room, ssh_room.LEFT)
                await anyio.wait_all_tasks_blocked()
                far.opened[-1].may_end.set()
                await anyio.wait_all_tasks_blocked()
                far.may_open = sessions
                assert room.held <= sessions
        assert not room._takers


async def test_none_that_opens_is_everybody_s_who_waits() -> None:
    far, said = Far(), list[str]()

    async def told(room: "ssh_room.Room[Any]") -> None:
        try:
            await run(room)
        except HostUnreachable as error:
            said.append(error.what)

    async with room_of(far) as (room, tasks):
        for _ in range(2):
            tasks.start_soon(told, room)
        await anyio.wait_all_tasks_blocked()
        far.error = HostUnreachable("gone")
        while far.opening:
            await far.open(1)
        assert said == ["gone", "gone"]


async def test_what_opens_for_somebody_who_has_given_up_is_the_next_one_s() -> None:
    far, scope = Far(), anyio.CancelScope()

    async def given_up(room: "ssh_room.Room[Any]") -> None:
        with scope:
            await run(room)

    async with room_of(far) as (room, tasks):
        tasks.start_soon(given_up, room)
        await anyio.wait_all_tasks_blocked()
        assert room._takers
        scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not room._takers
        await far.open(1)
        tasks.start_soon(run, room)
        await anyio.wait_all_tasks_blocked()
        assert not room._takers
        assert len(far.opened) == 1


async def test_a_session_that_ends_with_its_connection_tells_why() -> None:
    far = Far()
    far.may_open = USUAL
    async with room_of(far) as (room, tasks):

        async def lose() -> None:
            await anyio.wait_all_tasks_blocked()
            far.is_lost = True
            far.opened[0].may_end.set()

        tasks.start_soon(lose)
        with pytest.raises(HostUnreachable, match="test: not responding"):
            await run(room, begin=b"marks")


async def test_a_server_that_still_counts_what_was_just_closed_is_asked_again() -> None:
    far = Far(1)
    refused = iter([ssh_room.NoRoom("open failed")])
    real = far.begin

    async def begin(connection: Far) -> Session:
        for error in refused:
            raise error
        return await real(connection)

    far.begin = begin  # type: ignore[method-assign]
    far.may_open = USUAL
    async with room_of(far) as (room, tasks):
        tasks.start_soon(run, room)
        with anyio.fail_after(10):
            while not far.opened:
                await anyio.sleep(0.01)
        assert not far.is_lost


async def test_no_room_on_a_connection_that_is_no_more_says_nothing_of_the_next() -> None:
    far = Far()
    connections = [Far(), Far()]
    current = connections[0]

    async def connection() -> Far:
        return current

    far.connection = connection  # type: ignore[method-assign]
    async with room_of(far) as (room, tasks):
        tasks.start_soon(run, room)
        await anyio.wait_all_tasks_blocked()
        current, far.may_open = connections[1], 1
        tasks.start_soon(run, room)
        await anyio.wait_all_tasks_blocked()
        assert len(far.opened) == 1
        far.error = ssh_room.NoRoom("open failed")
        await far.open(1)
        assert room._places.total_tokens == USUAL
