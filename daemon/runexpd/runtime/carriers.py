"""Carries commands out: each as a task, at most one at a time for a key.

Commands come again and again until the ledger shows them done, so nothing is lost here by being dropped: what the outside
would not answer is simply let go of after a pause, and comes again. One that keeps failing is tried ever more seldom, and shown.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

import anyio
import msgspec
from anyio.abc import TaskGroup
from loguru import logger

from runexp.text import printable
from runexp.wire.jobs import Finding, Verdict
from runexpd.clusters.base import Cluster, ClusterUnreachable, Known
from runexpd.core.commands import Cancel, Command, Judge, Mend, Resolve, Submit, Wake, Watch
from runexpd.core.observations import Answer, Judged, MendDone, Observation, Unclear
from runexpd.experiments.amend import CantAmend, set_values
from runexpd.hosts.base import FileMissing, FileRefused, HostUnreachable
from runexpd.runtime import clock, inspector, submitter
from runexpd.runtime.loop import Loop, NotTaken
from runexpd.runtime.patience import pauses
from runexpd.runtime.watcher import Watcher
from runexpd.tools.base import Tool

#: Between two tries at something that the outside did not answer.
RETRY_SECONDS = 5.0
#: Between two tries of a command that fails, at most.
LONGEST_PAUSE_SECONDS = 300.0
#: Between two looks for a submission that stays unclear, at most.
SELDOM_SECONDS = 30.0
#: Between two looks for results that aren't to be seen yet, at first and at most.
LOOK_AGAIN_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 30.0
#: A cancelled job takes a while to end; it is asked to again after this long.
CANCEL_SECONDS = 15.0
#: An alarm is looked at again after so long: the clock that it goes by may have been set.
LONGEST_SLEEP_SECONDS = 60.0

Keyed = Submit | Resolve | Judge | Mend | Cancel
Work = Callable[[Cluster, Sequence[Keyed]], Awaitable[None]]
C = TypeVar("C", bound=Command)


class Trouble(msgspec.Struct, frozen=True):
    """A command that keeps failing."""

    experiment: str
    #: Since when, in seconds since 1970; how often; what is the matter, in a line.
    since: float
    tries: int
    what: str


class _NotNow(Exception):
    """Raised when the outside gave no answer: nothing is wrong with the command."""


class Carriers:
    def __init__(
        self,
        loop: Loop,
        clusters: Mapping[str, Cluster],
        tools: Mapping[str, Tool],
        watchers: Mapping[str, Watcher],
        tasks: TaskGroup,
        results_seconds: Mapping[str, float],
    ) -> None:
        """`results_seconds`: by cluster, how long results that aren't to be seen are looked for."""
        self._loop = loop
        self._clusters = clusters
        self._tools = tools
        self._watchers = watchers
        self._tasks = tasks
        self._results_seconds = results_seconds
        self._in_hand: set[str] = set()
        self._pauses: dict[str, Iterator[float]] = {}
        #: By key: what fails again and again.
        self.troubles: dict[str, Trouble] = {}
        self._alarm = anyio.CancelScope()
        self._alarm_at: float | None = None

    def carry(self, commands: Sequence[Command]) -> None:
        """Begin what isn't in hand yet. Commands for a cluster that is no longer configured wait for its return."""
        self._set_alarm(min((c.at for c in commands if isinstance(c, Wake)), default=None))
        watches = _by_cluster(commands, Watch)
        for name, watcher in self._watchers.items():
            watcher.watch(watches[name])
        self._forget({c.key for c in commands if isinstance(c, Keyed)})
        fresh = [c for c in commands if isinstance(c, Keyed) and self._is_fresh(c)]
        together: dict[type[Keyed], Work] = {
            Submit: self._submit,
            Resolve: self._resolve,
            Cancel: self._cancel,
        }
        for kind, work in together.items():
            for name, batch in _by_cluster(fresh, kind).items():
                self._start(self._clusters[name], batch, work)
        for command in fresh:
            if isinstance(command, Judge | Mend):
                work = self._judge if isinstance(command, Judge) else self._mend
                self._start(self._clusters[command.cluster], [command], work)

    def _is_fresh(self, command: Keyed) -> bool:
        return command.key not in self._in_hand and command.cluster in self._clusters

    def _forget(self, due: set[str]) -> None:
        """What is no longer due is no longer in trouble."""
        self.troubles = {key: trouble for key, trouble in self.troubles.items() if key in due}
        self._pauses = {key: left for key, left in self._pauses.items() if key in due}

    def _start(self, cluster: Cluster, held: Sequence[Keyed], work: Work) -> None:
        self._in_hand.update(command.key for command in held)
        self._tasks.start_soon(self._hold, cluster, held, work)

    async def _hold(self, cluster: Cluster, held: Sequence[Keyed], work: Work) -> None:
        try:
            await work(cluster, held)
        except _NotNow as error:
            logger.debug("{} and {} more wait: {}", held[0].key, len(held) - 1, error)
            await anyio.sleep(RETRY_SECONDS)
        except Exception as error:  # a fault with one command is not the end of the others: it comes again
            if len(held) > 1:  # each alone, so that it is that one; none is let go of in between
                for command in held:
                    self._start(cluster, [command], work)
                return
            await self._failed(held[0], error)
        else:
            self._worked(held)
        self._in_hand.difference_update(command.key for command in held)
        self._loop.poke()

    def _worked(self, held: Sequence[Keyed]) -> None:
        keys = {command.key for command in held}
        if keys & self.troubles.keys():
            self._loop.bell.ring()
        self._forget(self._pauses.keys() - keys)

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

    async def _submit(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        lost: list[NotTaken] = []
        silent = {command.key for command in batch}

        async def tell(answers: Sequence[Answer]) -> None:
            lost.extend(error for error in await self._loop.tell_all(answers) if error)

        async with anyio.create_task_group() as telling:  # while the next part is on its way
            async for answers in submitter.submit(cluster, [c for c in batch if isinstance(c, Submit)]):
                _log(answers)
                silent -= {f"send {answer.token}" for answer in answers}
                telling.start_soon(tell, answers)
        _stop_if(lost)
        if silent:
            raise RuntimeError(f"the cluster says nothing of {len(silent)} of {len(batch)} submissions")

    async def _resolve(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        """Until it is known; ever more seldom, since each time costs Slurm two queries."""
        doubtful = [c for c in batch if isinstance(c, Resolve)]
        for pause in pauses(RETRY_SECONDS, SELDOM_SECONDS):
            try:
                answers = await submitter.resolve(cluster, doubtful)
            except ClusterUnreachable as error:
                raise _NotNow(error.what) from error
            _log(answers)
            _stop_if([error for error in await self._loop.tell_all(answers) if error])
            clear = {answer.token for answer in answers if not isinstance(answer, Unclear)}
            doubtful = [command for command in doubtful if command.token not in clear]
            if not doubtful:
                return
            await anyio.sleep(pause)

    async def _judge(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        """What isn't to be seen is looked for again: a network file system may show it late."""
        (command,) = (c for c in commands if isinstance(c, Judge))
        since, patience = clock.steady(), self._results_seconds.get(cluster.name, 0.0)
        for pause in pauses(LOOK_AGAIN_SECONDS, LONGEST_LOOK_SECONDS):
            try:
                (seen,) = await inspector.look_at(self._tools, cluster.host, [inspector.of_judge(command)])
            except HostUnreachable as error:
                raise _NotNow(error.what) from error
            unclear = seen.verdict.finding is Finding.UNCLEAR and not seen.in_vain
            left = since + patience - clock.steady()
            if not unclear or left <= 0:
                return await self._tell_verdict(command, seen.verdict)
            if refusal := await self._told(_judged(command, seen.verdict, final=False)):
                return await self._tell_unclear(command, refusal)
            await anyio.sleep(min(pause, left))

    async def _tell_verdict(self, command: Judge, verdict: Verdict) -> None:
        """One that the ledger can't hold leaves its job to a person."""
        if refusal := await self._told(_judged(command, verdict)):
            await self._tell_unclear(command, refusal)

    async def _tell_unclear(self, command: Judge, why: NotTaken) -> None:
        what = f"its verdict can't be taken: {why.what}"
        if refusal := await self._told(_judged(command, Verdict(finding=Finding.UNCLEAR, detail=what))):
            raise refusal

    async def _told(self, observation: Observation) -> NotTaken | None:
        """Why it can't be taken, ever. While nothing can be, it waits: raises _NotNow."""
        (error,) = await self._loop.tell_all([observation])
        _stop_if([error] if error is not None and error.hint else [])
        return error

    async def _mend(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        (command,) = (c for c in commands if isinstance(c, Mend))
        host, remedy, refused = cluster.host, command.remedy, ""
        try:
            text = (await host.read(remedy.file)).decode()
            await host.replace(remedy.file, set_values(text, remedy.values).encode())
        except HostUnreachable as error:
            raise _NotNow(error.what) from error
        except (FileMissing, FileRefused, CantAmend, UnicodeDecodeError) as error:
            refused = printable(f"{remedy.file} can't be changed: {error}")
        mended = MendDone(
            experiment=command.experiment, job=command.job, number=command.number, refused=refused
        )
        if refusal := await self._told(mended):
            raise refusal

    async def _cancel(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        try:
            await cluster.cancel(
                [Known(c.slurm_job_id, c.token, c.mark) for c in batch if isinstance(c, Cancel)]
            )
        except ClusterUnreachable as error:
            raise _NotNow(error.what) from error
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
            await anyio.sleep(min(max(0.0, at - clock.now()), LONGEST_SLEEP_SECONDS))
            self._alarm_at = None
            self._loop.poke()


def _stop_if(lost: Sequence[NotTaken]) -> None:
    """What the ledger would not take comes again, after a pause."""
    if lost:
        raise _NotNow(lost[0].what)


def _judged(command: Judge, verdict: Verdict, final: bool = True) -> Judged:
    return Judged(
        experiment=command.experiment,
        job=command.job.id,
        token=command.token,
        verdict=verdict,
        final=final,
    )


def _job(command: Keyed) -> str:
    return command.job if isinstance(command, Mend) else command.job.id


def _log(answers: Iterable[Answer]) -> None:
    for answer in answers:
        word = type(answer).__name__.lower()
        logger.info("submission {} of {}: {}", answer.token, printable(answer.job), word)


def _by_cluster(commands: Iterable[Command], kind: type[C]) -> defaultdict[str, list[C]]:
    found: defaultdict[str, list[C]] = defaultdict(list)
    for command in commands:
        if isinstance(command, kind) and not isinstance(command, Wake):
            found[command.cluster].append(command)
    return found
