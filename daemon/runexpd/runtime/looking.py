"""Looks at results that are due at one moment go together: one question to the host, one step in the child, for all of them."""

from collections.abc import Mapping

import anyio
import anyio.lowlevel

from runexpd.hosts.base import Files, HostUnreachable
from runexpd.runtime import inspector
from runexpd.runtime.inspector import Look, Seen
from runexpd.tools.base import Tool


class _Asked:
    def __init__(self, look: Look) -> None:
        self.look = look
        self.is_over = anyio.Event()
        #: None: to be looked at by itself.
        self.seen: Seen | None = None


class Looking:
    def __init__(self, tools: Mapping[str, Tool], files: Files) -> None:
        self._tools = tools
        self._files = files
        self._waiting: list[_Asked] = []

    async def look(self, look: Look) -> Seen:
        """As inspector.look_at. What can't be seen together is looked at one by one. Raises HostUnreachable."""
        mine = _Asked(look)
        self._waiting.append(mine)
        await anyio.lowlevel.checkpoint()  # what comes at this moment comes along
        if self._waiting[:1] == [mine]:
            together, self._waiting = self._waiting, []
            await self._look_for_all(together)
        await mine.is_over.wait()
        return mine.seen or (await inspector.look_at(self._tools, self._files, [look]))[0]

    async def _look_for_all(self, together: list[_Asked]) -> None:
        try:
            seen = await inspector.look_at(self._tools, self._files, [asked.look for asked in together])
            for asked, each in zip(together, seen, strict=True):
                asked.seen = each
        except HostUnreachable:
            if len(together) == 1:
                raise
        finally:
            for asked in together:
                asked.is_over.set()
