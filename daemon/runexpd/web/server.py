"""The server itself: uvicorn on a socket of ours, among the daemon's tasks, ended in good order."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import uvicorn
from anyio import to_thread
from anyio.abc import TaskStatus
from loguru import logger

from runexp.wire import requests
from runexp.wire.refusals import Code
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.settings import Web
from runexpd.web import app, assets, keys
from runexpd.web.desk import Desk
from runexpd.web.guard import Guard
from runexpd.web.keys import Keys
from runexpd.web.patience import Patient
from runexpd.web.policy import Policy
from runexpd.web.rendering import Renderer

PORT = 8738
#: For what is being answered when the page ends; the streams are told, and end at once.
STOP_SECONDS = 2


class _Quiet(uvicorn.Server):
    """Signals are the daemon's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Server:
    def __init__(self, desk: Desk, listener: socket.socket) -> None:
        self._desk = desk
        self._listener = listener

    async def run(self, task_status: TaskStatus["Server"]) -> None:
        """Until cancelled."""
        asked = Guard(app.make(self._desk), self._desk.policy, self._desk.keys)
        server = _Quiet(
            uvicorn.Config(
                asked,
                http=Patient,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # what goes wrong is said once, by Guard
                access_log=False,  # addresses may hold names
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=15,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._shielded, server)
            task_status.started(self)
            logger.info("the page is at {}", self.address)
            try:
                await anyio.sleep_forever()
            finally:
                self._desk.closing.set()
                server.should_exit = True

    async def _shielded(self, server: uvicorn.Server) -> None:
        """It ends by being asked to: cancelled, it would leave its connections behind."""
        with anyio.CancelScope(shield=True), self._listener:
            await server.serve([self._listener])

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def address(self) -> str:
        host = self._listener.getsockname()[0]
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def opened(self) -> requests.PageOpened:
        token = self._desk.keys.mint()
        return requests.PageOpened(
            address=f"{self.address}/login#{token}",
            seconds=keys.TOKEN_SECONDS,
            actions=self._desk.policy.actions,
        )


async def make(settings: Web, context: Context, kept: Path, before: int = 0) -> Server:
    """`before`: the port that it had, if any. Raises Refusal, and ImportError where a package is missing."""
    listener = _listening(settings, [before] if before else [])
    policy = Policy(
        hosts=settings.hosts, listen=settings.listen, actions=settings.actions, instance=_instance(kept)
    )
    if settings.beyond_loopback:
        logger.warning("the page may be reached from other machines, unencrypted: {}", settings.listen)
    files = await to_thread.run_sync(assets.load)
    known = Keys(kept)
    await to_thread.run_sync(known.load)
    return Server(Desk(context, policy, known, files, Renderer(files, policy)), listener)


def _instance(kept: Path) -> str:
    """Cookies ignore ports: two daemons of one machine name theirs apart."""
    return keys.hashed(str(kept))[:8]


def _listening(settings: Web, before: list[int]) -> socket.socket:
    """Raises Refusal."""
    family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
    ports = [*before, PORT, 0] if settings.port is None else [settings.port]
    for port in ports:
        try:
            listener = socket.create_server((settings.listen, port), family=family, backlog=128)
            listener.setblocking(False)
            return listener
        except OSError as error:
            why = error.strerror or str(error)
    hint = "another `port:` under `web:` in the configuration, then `runexp daemon reload`"
    raise Refusal(Code.BAD_REQUEST, f"no page on {settings.listen}:{ports[-1]}: {why}", hint=hint)
