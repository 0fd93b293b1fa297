"""Questions that come at one moment go in one command; what is only shown is never in the way."""

from collections.abc import Sequence

import anyio

from runexpd.hosts.base import Answer, Ask, HostUnreachable, Missing, StatPath
from runexpd.hosts.gather import Gathering


class Far:
    """Whose answers come when they are let."""

    def __init__(self) -> None:
        #: The paths of each command so far.
        self.commands: list[list[str]] = []
        self.open = anyio.Event()

    async def fetch(self, asks: Sequence[Ask], seconds: float) -> Sequence[Answer]:
        self.commands.append([ask.path for ask in asks])
        if any(ask.path.startswith("/shown") for ask in asks):
            await self.open.wait()
        return [Missing() for _ in asks]


async def test_what_counts_waits_for_nothing_that_is_only_shown() -> None:
    far = Far()
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            gathering = Gathering(far.fetch, far.fetch, tasks, 60.0, "far")
            for number in range(6):
                tasks.start_soon(gathering.glance, [StatPath(f"/shown{number}")])
                await anyio.wait_all_tasks_blocked()
            assert far.commands == [["/shown0"]]
            for _ in range(2):
                assert await gathering.fetch([StatPath("/counts")]) == [Missing()]
            far.open.set()
    assert far.commands[1:3] == [["/counts"], ["/counts"]]
    assert far.commands[3:] == [[f"/shown{number}" for number in range(1, 6)]]


async def test_what_hangs_among_glances_is_found_among_them() -> None:
    hung: list[str] = []

    async def fetch(asks: Sequence[Ask], seconds: float) -> Sequence[Answer]:
        if any(ask.path == "/hung" for ask in asks):
            hung.append("")
            raise HostUnreachable("no answer in time") from TimeoutError()
        return [Missing() for _ in asks]

    found: dict[str, object] = {}
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            gathering = Gathering(fetch, fetch, tasks, 60.0, "far")

            async def glance(path: str) -> None:
                try:
                    found[path] = await gathering.glance([StatPath(path)])
                except HostUnreachable as error:
                    found[path] = error.what

            for path in ("/a", "/hung", "/b", "/c"):
                tasks.start_soon(glance, path)
    assert found == {
        "/a": [Missing()],
        "/b": [Missing()],
        "/c": [Missing()],
        "/hung": "no answer in time",
    }
    assert len(hung) == 3
