"""Carries commands out: each as a task, at most one at a time for a key.

A command is owed until the ledger shows it done, so nothing is lost by letting go of one: what the outside would not answer is
begun anew after a pause. One that keeps failing is tried ever more seldom, and shown.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup
from loguru import logger

from runexp.text import printable
from runexp.wire.jobs import BEFORE
from runexpd.clusters.base import Cluster
from runexpd.core.commands import (
    Cancel,
    Command,
    EndPreparation,
    Judge,
    Mend,
    Prepare,
    Record,
    Resolve,
    SetAside,
    Submit,
    Watch,
)
from runexpd.core.due import Due
from runexpd.runtime import clock
from runexpd.runtime.errands import RETRY_SECONDS, Errands, Keyed, NotNow
from runexpd.runtime.loop import Closed, Loop
from runexpd.runtime.patience import pauses
from runexpd.runtime.watcher import Watcher

#: Between two tries of a command that fails, at most.
LONGEST_PAUSE_SECONDS = 300.0
#: An alarm is looked at again after so long: the clock that it goes by may have been set.
LONGEST_SLEEP_SECONDS = 60.0

Work = Callable[[Cluster, Sequence[Keyed]], Awaitable[None]]
C = TypeVar("C", bound=Command)


class Trouble(msgspec.Struct, frozen=True):
    """A command that keeps failing."""

    experiment: str
    #: Since when, in seconds since 1970; how often; what is the matter, in a line.
    since: float
    tries: int
    what: str


class Carriers:
    def __init__(
        self,
        loop: Loop,
        clusters: Mapping[str, Cluster],
        watchers: Mapping[str, Watcher],
        errands: Errands,
        tasks: TaskGroup,
    ) -> None:
        self._loop = loop
        self._clusters = clusters
        self._watchers = watchers
        self._errands = errands
        self._tasks = tasks
        #: By experiment and job, and by key.
        self._owed: dict[tuple[str, str], tuple[Command, ...]] = {}
        self._keyed: dict[str, Keyed] = {}
        self._in_hand: set[str] = set()
        self._pauses: dict[str, Iterator[float]] = {}
        #: By key: what fails again and again.
        self.troubles: dict[str, Trouble] = {}
        self._alarm = anyio.CancelScope()
        self._alarm_at: float | None = None

    def carry(self, due: Due) -> None:
        """Begin what is new, and forget what is no longer owed. What is for a cluster that isn't configured waits for it."""
        self._set_alarm(due.wake_at)
        for job, commands in due.jobs.items():
            self._replace(job, commands)
        for watcher in self._watchers.values():
            watcher.open_gates = due.gates
        self._begin([c for commands in due.jobs.values() for c in commands if isinstance(c, Keyed)])

    def _replace(self, job: tuple[str, str], commands: Sequence[Command]) -> None:
        """What a job owes, in place of what it owed before."""
        before, keys = self._owed.pop(job, ()), {command.key for command in commands}
        for command in before:
            if command.key not in keys:
                self._forget(command)
        for command in commands:
            if isinstance(command, Keyed):
                self._keyed[command.key] = command
            elif isinstance(command, Watch) and command.cluster in self._watchers:
                self._watchers[command.cluster].watch(command)
        if commands:
            self._owed[job] = tuple(commands)

    def _forget(self, command: Command) -> None:
        """What is no longer owed is no longer in trouble."""
        if isinstance(command, Keyed):
            for known in (self._keyed, self._pauses, self.troubles):
                known.pop(command.key, None)
        elif isinstance(command, Watch) and command.cluster in self._watchers:
            self._watchers[command.cluster].forget(command)

    def _begin(self, commands: Sequence[Keyed]) -> None:
        errands, fresh = self._errands, [c for c in commands if self._is_fresh(c)]
        together: dict[type[Keyed], Work] = {
            Submit: errands.submit,
            Resolve: errands.resolve,
            Cancel: errands.cancel,
            Record: errands.record,
        }
        alone: dict[type[Keyed], Work] = {
            Judge: errands.judge,
            Mend: errands.mend,
            SetAside: errands.set_aside,
            Prepare: errands.prepare,
            EndPreparation: errands.end_preparation,
        }
        for kind, work in together.items():
            for name, batch in _by_cluster(fresh, kind).items():
                self._start(self._clusters[name], batch, work)
        for command in fresh:
            if (lone := alone.get(type(command))) is not None:
                self._start(self._clusters[command.cluster], [command], lone)

    def _is_fresh(self, command: Keyed) -> bool:
        return command.key not in self._in_hand and command.cluster in self._clusters

    def _start(self, cluster: Cluster, held: Sequence[Keyed], work: Work) -> None:
        self._in_hand.update(command.key for command in held)
        self._tasks.start_soon(self._hold, cluster, held, work)

    async def _hold(self, cluster: Cluster, held: Sequence[Keyed], work: Work) -> None:
        try:
            await work(cluster, held)
        except NotNow as error:
            logger.debug("{} and {} more wait: {}", held[0].key, len(held) - 1, error)
            await anyio.sleep(RETRY_SECONDS)
        except Closed:
            return
        except Exception as error:  # a fault with one command is not the end of the others: it comes again
            if len(held) > 1:  # each alone, so that it is that one; none is let go of in between
                for command in held:
                    self._start(cluster, [command], work)
                return
            await self._failed(held[0], error)
        else:
            self._worked(held)
        keys = [command.key for command in held]
        self._in_hand.difference_update(keys)
        self._begin([self._keyed[key] for key in keys if key in self._keyed])

    def _worked(self, held: Sequence[Keyed]) -> None:
        keys = {command.key for command in held}
        if keys & self.troubles.keys():
            self._loop.bell.ring()
        for key in keys:
            self._pauses.pop(key, None)

    async def _failed(self, command: Keyed, error: Exception) -> None:
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:  # of a task group of ours
            (error,) = error.exceptions
        before = self.troubles.get(command.key)
        what = printable(f"{command.key.split()[0]} {_job(command)}: {type(error).__name__}: {error}")[:500]
        if before is None or before.what != what:
            logger.opt(exception=error).error("{} failed, and is tried again", command.key)
        since, tries = (before.since, before.tries + 1) if before else (clock.now(), 1)
        self.troubles[command.key] = Trouble(command.experiment, since, tries, what)
        self._loop.bell.ring()
        waits = self._pauses.setdefault(command.key, pauses(RETRY_SECONDS, LONGEST_PAUSE_SECONDS))
        await anyio.sleep(next(waits))

    def _set_alarm(self, at: float | None) -> None:
        if at == self._alarm_at:
            return
        self._alarm.cancel()
        self._alarm, self._alarm_at = anyio.CancelScope(), at
        if at is not None:
            self._tasks.start_soon(self._ring_at, self._alarm, at)

    async def _ring_at(self, scope: anyio.CancelScope, at: float) -> None:
        with scope:
            await anyio.sleep(min(max(0.0, at - clock.now()), LONGEST_SLEEP_SECONDS))
            self._alarm_at = None
            self._loop.poke()


def _job(command: Keyed) -> str:
    match command:
        case Mend():
            return command.job
        case Prepare() | EndPreparation():
            return BEFORE
        case _:
            return command.job.id


def _by_cluster(commands: Iterable[Command], kind: type[C]) -> defaultdict[str, list[C]]:
    found: defaultdict[str, list[C]] = defaultdict(list)
    for command in commands:
        if isinstance(command, kind):
            found[command.cluster].append(command)
    return found
