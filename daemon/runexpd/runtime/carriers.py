"""Carries commands out: each as a task, at most one at a time for a key.

Commands come again and again until the ledger shows them done, so nothing is lost here by being dropped: what the outside
would not answer is simply let go of after a pause, and comes again.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup
from loguru import logger

from runexpd.clusters.base import Cluster, ClusterUnreachable, Known
from runexpd.core.commands import Cancel, Command, Judge, Mend, Resolve, Submit, Wake, Watch
from runexpd.core.observations import Judged, MendDone, Unclear
from runexpd.experiments.amend import CantAmend, set_values
from runexpd.hosts.base import FileMissing, FileRefused, HostUnreachable
from runexpd.runtime import clock, submitter
from runexpd.runtime.inspector import judge
from runexpd.runtime.loop import Loop
from runexpd.runtime.watcher import Watcher
from runexpd.tools.base import Tool

#: Between two tries at something that the outside did not answer.
RETRY_SECONDS = 5.0
#: Between two looks for a submission that stays unclear, at most.
SELDOM_SECONDS = 30.0
#: A cancelled job takes a while to end; it is asked to again after this long.
CANCEL_SECONDS = 15.0

Keyed = Submit | Resolve | Judge | Mend | Cancel
C = TypeVar("C", bound=Command)


class Carriers:
    def __init__(
        self,
        loop: Loop,
        clusters: Mapping[str, Cluster],
        tools: Mapping[str, Tool],
        watchers: Mapping[str, Watcher],
        tasks: TaskGroup,
    ) -> None:
        self._loop = loop
        self._clusters = clusters
        self._tools = tools
        self._watchers = watchers
        self._tasks = tasks
        self._in_hand: set[str] = set()
        self._alarm = anyio.CancelScope()
        self._alarm_at: float | None = None

    def carry(self, commands: Sequence[Command]) -> None:
        """Begin what isn't in hand yet. Commands for a cluster that is no longer configured wait for its return."""
        self._set_alarm(min((c.at for c in commands if isinstance(c, Wake)), default=None))
        watches = _by_cluster(commands, Watch)
        for name, watcher in self._watchers.items():
            watcher.watch(watches[name])
        fresh = [c for c in commands if isinstance(c, Keyed) and self._is_fresh(c)]
        for name, submits in _by_cluster(fresh, Submit).items():
            self._start(submits, self._submit, self._clusters[name], submits)
        for name, resolves in _by_cluster(fresh, Resolve).items():
            self._start(resolves, self._resolve, self._clusters[name], resolves)
        for name, cancels in _by_cluster(fresh, Cancel).items():
            self._start(cancels, self._cancel, self._clusters[name], cancels)
        for command in fresh:
            if isinstance(command, Judge):
                self._start([command], self._judge, command)
            elif isinstance(command, Mend):
                self._start([command], self._mend, command)

    def _is_fresh(self, command: Keyed) -> bool:
        return command.key not in self._in_hand and command.cluster in self._clusters

    def _start(self, held: Sequence[Keyed], work: Callable[..., Awaitable[None]], *args: object) -> None:
        self._in_hand.update(command.key for command in held)
        self._tasks.start_soon(self._hold, held, work, args)

    async def _hold(
        self, held: Sequence[Keyed], work: Callable[..., Awaitable[None]], args: Iterable[object]
    ) -> None:
        try:
            await work(*args)
        except Exception:  # a fault of ours with one command is not the end of the others: it comes again
            logger.exception("{} failed, and is tried again", ", ".join(command.key for command in held))
            await anyio.sleep(RETRY_SECONDS)
        self._in_hand.difference_update(command.key for command in held)
        self._loop.poke()

    async def _submit(self, cluster: Cluster, batch: Sequence[Submit]) -> None:
        async with anyio.create_task_group() as telling:  # while the next part is on its way
            async for answers in submitter.submit(cluster, batch):
                for answer in answers:
                    word = type(answer).__name__.lower()
                    logger.info("submission {} of {}: {}", answer.token, answer.job, word)
                telling.start_soon(self._loop.tell_all, answers)

    async def _resolve(self, cluster: Cluster, batch: Sequence[Resolve]) -> None:
        """Until it is known; ever more seldom, since each time costs Slurm two queries."""
        pause, doubtful = RETRY_SECONDS, list(batch)
        while doubtful:
            try:
                answers = await submitter.resolve(cluster, doubtful)
            except ClusterUnreachable as error:
                logger.debug("{} submissions not looked for yet: {}", len(doubtful), error.what)
                await anyio.sleep(RETRY_SECONDS)
                continue
            await self._loop.tell_all(answers)
            for answer in answers:
                word = type(answer).__name__.lower()
                logger.info("submission {} of {} is {}", answer.token, answer.job, word)
            unclear = {answer.token for answer in answers if isinstance(answer, Unclear)}
            doubtful = [command for command in doubtful if command.token in unclear]
            if doubtful:
                await anyio.sleep(pause)
                pause = min(2 * pause, SELDOM_SECONDS)

    async def _judge(self, command: Judge) -> None:
        try:
            verdict = await judge(self._tools, self._clusters[command.cluster].host, command)
        except HostUnreachable as error:
            logger.debug("results of {} not read: {}", command.job.id, error.what)
            await anyio.sleep(RETRY_SECONDS)
        else:
            await self._loop.tell(
                Judged(
                    experiment=command.experiment, job=command.job.id, token=command.token, verdict=verdict
                )
            )

    async def _mend(self, command: Mend) -> None:
        host, remedy, refused = self._clusters[command.cluster].host, command.remedy, ""
        try:
            text = (await host.read(remedy.file)).decode()
            await host.replace(remedy.file, set_values(text, remedy.values).encode())
        except HostUnreachable as error:
            logger.debug("{} not changed yet: {}", remedy.file, error.what)
            return await anyio.sleep(RETRY_SECONDS)
        except (FileMissing, FileRefused, CantAmend, UnicodeDecodeError) as error:
            refused = f"{remedy.file} can't be changed: {error}"
        await self._loop.tell(
            MendDone(experiment=command.experiment, job=command.job, number=command.number, refused=refused)
        )

    async def _cancel(self, cluster: Cluster, batch: Sequence[Cancel]) -> None:
        try:
            await cluster.cancel([Known(c.slurm_job_id, c.token, c.mark) for c in batch])
        except ClusterUnreachable as error:
            logger.debug("{} jobs not cancelled yet: {}", len(batch), error.what)
            await anyio.sleep(RETRY_SECONDS)
        else:
            await anyio.sleep(CANCEL_SECONDS)

    def _set_alarm(self, at: float | None) -> None:
        if at == self._alarm_at:
            return
        self._alarm.cancel()
        self._alarm, self._alarm_at = anyio.CancelScope(), at
        if at is not None:
            self._tasks.start_soon(self._ring_at, self._alarm, at)

    async def _ring_at(self, scope: anyio.CancelScope, at: float) -> None:
        with scope:
            await anyio.sleep(max(0.0, at - clock.now()))
            self._alarm_at = None
            self._loop.poke()


def _by_cluster(commands: Iterable[Command], kind: type[C]) -> defaultdict[str, list[C]]:
    found: defaultdict[str, list[C]] = defaultdict(list)
    for command in commands:
        if isinstance(command, kind) and not isinstance(command, Wake):
            found[command.cluster].append(command)
    return found
