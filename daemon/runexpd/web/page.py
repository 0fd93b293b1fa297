"""When the page is there: from the start where the configuration says so, else from when somebody asks for it.

Starlette, uvicorn and jinja2 are imported then, and not before. Whatever befalls the page is told, and is its own affair.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup, TaskStatus
from loguru import logger

from runexp import installing
from runexp.wire import requests
from runexp.wire.refusals import Code
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.settings import Web

if TYPE_CHECKING:
    from runexpd.web.server import Server


#: In our own environment, where we begin again: the port of the page that somebody had asked for.
_ASKED_FOR = "RUNEXPD_PAGE"


class Page:
    def __init__(self, settings: Web | bool, kept: Path) -> None:
        """`kept`: the file of the browsers that are logged in."""
        self._port_before = int(os.environ.pop(_ASKED_FOR, "0"))
        self._is_asked_for = self._port_before != 0
        self._is_wanted = settings is not False or self._is_asked_for
        self._settings = settings if isinstance(settings, Web) else Web()
        self._kept = kept
        self._begun = anyio.Event()
        self._turn = anyio.Lock()
        self._tasks: TaskGroup | None = None
        self._context: Context | None = None
        self._server: Server | None = None

    async def run(self, context: Context) -> None:
        """Until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            self._context = context
            self._begun.set()
            if self._is_wanted:
                try:
                    await self._up()
                except Refusal as refusal:
                    logger.warning("there is no page: {}; {}", refusal.refused.what, refusal.refused.hint)
            await anyio.sleep_forever()

    async def open(self) -> requests.PageOpened:
        """An address that logs a browser in. Raises Refusal."""
        await self._begun.wait()
        server = await self._up()
        self._is_asked_for = True
        return server.opened()

    def outlive(self) -> None:
        """Call before we begin again in the same process: whoever looks at the page goes on looking."""
        if self._is_asked_for and self._server is not None:
            os.environ[_ASKED_FOR] = str(self._server.port)

    async def _up(self) -> "Server":
        async with self._turn:
            if self._server is None:
                assert self._tasks is not None
                self._server = await self._tasks.start(self._serve)
            return self._server

    async def _serve(self, *, task_status: TaskStatus["Server"]) -> None:
        """Raises Refusal before it has started, and nothing after that."""
        assert self._context is not None
        try:
            make = await to_thread.run_sync(_imported)
            server = await make(self._settings, self._context, self._kept, self._port_before)
        except ImportError as error:
            what, hint = f"the page lacks a package: {error.name}", installing.extra("web")
            raise Refusal(Code.BAD_REQUEST, what, hint=hint) from None
        try:
            await server.run(task_status)
        except Exception:
            logger.exception("the page is gone; `runexp web` brings it back")
        finally:
            self._server = None


def _imported():  # type: ignore[no-untyped-def]  # of a module that may be missing
    """Takes a quarter of a second."""
    from runexpd.web import server

    return server.make
