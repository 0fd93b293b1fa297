"""Watches one cluster: every queued job of every experiment on it in one query a round, and how far each has come.

Rounds and looks into outputs are two tasks: what is only shown never holds up what counts.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

import anyio
from loguru import logger

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexpd.clusters.base import Cluster, ClusterUnreachable, JobReport, Known
from runexpd.core.commands import Watch
from runexpd.core.observations import Listed, Report
from runexpd.experiments import outputs
from runexpd.hosts.base import Files, HostError
from runexpd.runtime import clock, digest, inspector
from runexpd.runtime.bell import Bell
from runexpd.runtime.looks import Looks
from runexpd.runtime.loop import Loop, NotTaken
from runexpd.runtime.printing import NOWHERE, Places, Printing
from runexpd.runtime.schedule import Schedule
from runexpd.tools.base import Attempt, Tool

#: Outputs looked into at a time; each is a round trip or two.
CONCURRENT_READS = 16
#: After a fault of our own.
FAULT_SECONDS = 10.0
#: Of how long an answer took so much may be the way's: the next round waits no longer for it.
FAR_SECONDS = 1.0
#: So much too soon an output may be looked into with others.
LONGEST_AHEAD_SECONDS = 1.0


class Seen(Protocol):
    """Who keeps what looks bring."""

    async def look(self, tool: Tool, files: Files, watch: Watch, attempt: Attempt) -> Progress | None:
        """How far a running job is; what it did since the last look is kept. Raises HostUnreachable, Indigestible."""
        ...

    def forget(self, token: str) -> None:
        """It no longer runs, for all we know."""
        ...


class Watcher:
    def __init__(
        self,
        cluster: Cluster,
        tools: Mapping[str, Tool],
        schedule: Schedule,
        seen: Seen | None = None,
    ) -> None:
        """`seen` is told what looks bring of what jobs do; None: nobody wants to know."""
        self._cluster = cluster
        self._tools = tools
        self._schedule = schedule
        self._seen = seen
        self._printing = Printing(cluster)
        #: By token; and of them those that run.
        self._watches: dict[str, Watch] = {}
        self._running: dict[str, Watch] = {}
        #: Tokens of those of which only the start tells where they print, and the cluster where they have started.
        self._open: set[str] = set()
        #: As the core has it: see core.due.
        self.open_gates: frozenset[str] = frozenset()
        #: Rings when there is more to watch, or more known of it, and when a round is wanted at once.
        self._more = Bell()
        self._hurried = False
        self._looks = Looks()
        #: How long the last ones took.
        self._look_seconds = 0.0
        #: Tokens of jobs whose tool failed to read their progress, which is said once.
        self._faulty: set[str] = set()
        #: By token; of running jobs only. Shown, and forgotten with the daemon.
        self.progress: dict[str, Progress] = {}
        #: By token: when the scheduler expects to start what is pending. Shown, and forgotten, too.
        self.starts: dict[str, float] = {}
        #: Rings when progress was made.
        self.bell = Bell()
        #: Since when (in seconds since 1970) the cluster gives no answer, and why; None while all is well.
        self.trouble: tuple[float, str] | None = None
        #: When it last gave one; None: not since we began.
        self.answered_at: float | None = None
        #: How many answers there were since we began, each with its news in the ledger.
        self.rounds = 0

    def watch(self, watch: Watch) -> None:
        """Ask about a job from now on, or about one that has changed."""
        runs = watch.state == states.RUNNING
        if watch.token not in self._watches or (runs and watch.token not in self._running):
            self._more.ring()
        self._watches[watch.token] = watch
        self._schedule.watch(watch, clock.steady())
        if outputs.is_open(watch.job):
            self._open.add(watch.token)
        self._running.pop(watch.token, None)
        if runs:
            self._running[watch.token] = watch
            self._looks.begin(watch.token, clock.steady())
        else:
            self._looks.forget(watch.token)

    def forget(self, watch: Watch) -> None:
        for known in (self._watches, self._running, self.starts):
            known.pop(watch.token, None)
        self._open.discard(watch.token)
        self._looks.forget(watch.token)
        self._schedule.forget(watch.token)
        if self._seen is not None:
            self._seen.forget(watch.token)

    async def run(self, loop: Loop) -> None:
        """Ask when the schedule says so, tell the loop, read progress beside it; until cancelled."""

        async def asking() -> float:
            if self._hurried or self._next_at() <= clock.steady():
                self._hurried = False
                await self._round(loop)
            return self._next_at()

        async def looking() -> float:
            await self._look()
            return self._looks.next_at()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._repeat, asking)
            tasks.start_soon(self._repeat, looking)

    async def _repeat(self, turn: Callable[[], Awaitable[float]]) -> None:
        """Again when the turn before says so, or when there is more; with nothing to watch, then."""
        while True:
            more = self._more.take()
            if not self._watches:
                self.progress.clear()
                await more.wait()
                continue
            try:
                pause = await turn() - clock.steady()
            except Exception:  # a fault of ours with one cluster is not the end of the others
                logger.exception("the watcher of {} failed, and goes on", self._cluster.name)
                pause = FAULT_SECONDS
            with anyio.move_on_after(max(0.0, pause)):
                await more.wait()

    def hurry(self) -> None:
        """Ask as soon as may be: the cluster can be reached again."""
        self._hurried = True
        self._more.ring()

    def _next_at(self) -> float:
        return self._schedule.next_at(self.open_gates, clock.steady())

    async def _round(self, loop: Loop) -> None:
        watches, asked_at = dict(self._watches), clock.steady()
        try:
            answer = await self._cluster.query([self._known(watch) for watch in watches.values()])
        except ClusterUnreachable as error:
            self._note_trouble(error)
            return
        self.trouble, self.answered_at = None, clock.now()
        reports = [report for report in answer if report.token in watches]
        self._schedule.note(reports, max(asked_at, clock.steady() - FAR_SECONDS))
        told = {r.token: r.expected_start_at for r in reports if r.expected_start_at is not None}
        if told.items() - self.starts.items():
            self.starts = self.starts | told
        if news := await self._news([(watches[r.token], r) for r in reports]):
            try:
                await loop.tell(Listed(reports=news))
            except NotTaken as error:  # the same news comes with the next round
                logger.debug("the news of {} isn't in the ledger yet: {}", self._cluster.name, error.what)
                return
        self.rounds += 1

    def _known(self, watch: Watch) -> Known:
        if watch.token in self._open:
            return Known(watch.slurm_job_id, watch.token, watch.mark)
        seen = watch.state, watch.reason, watch.started_at
        return Known(watch.slurm_job_id, watch.token, watch.mark, *seen)

    async def _news(self, answer: Sequence[tuple[Watch, JobReport]]) -> tuple[Report, ...]:
        """What isn't in the ledger already, as far as we know."""
        places = await self._printing.places([each for each in answer if each[0].token in self._open])
        return tuple(
            _report(watch, report, there)
            for watch, report in answer
            if _is_news(watch, report, there := places.get(report.token, NOWHERE))
        )

    def _note_trouble(self, error: ClusterUnreachable) -> None:
        if self.trouble is None:
            logger.warning("cluster {}: {}", self._cluster.name, error.what)
        self.trouble = (self.trouble[0] if self.trouble else clock.now(), error.what)
        self._schedule.note((), clock.steady())

    async def _look(self) -> None:
        """Into the outputs that it is time for, or will be before these are answered: they needn't wait for another trip."""
        limit = anyio.CapacityLimiter(CONCURRENT_READS)
        found: dict[str, Progress] = {}
        began = clock.steady()

        async def look(watch: Watch) -> None:
            async with limit:
                asked_at, progress = clock.steady(), await self._progress_of(watch)
            if progress is not None and watch.token in self._running:
                found[watch.token] = progress
                self._schedule.progressed(watch.token, progress, asked_at)
                if progress.finishing:
                    self._more.ring()  # its end needn't wait for the other looks
            now = clock.steady()
            self._looks.again(watch.token, self._schedule.look_pause_seconds(watch, now), now)

        async with anyio.create_task_group() as beside:
            beside.start_soon(digest.spare)
            async with anyio.create_task_group() as tasks:
                for token in self._looks.due(began + self._look_seconds):
                    tasks.start_soon(look, self._running[token])
            beside.cancel_scope.cancel()
        self._look_seconds = min(clock.steady() - began, LONGEST_AHEAD_SECONDS)
        self._note_progress(found)

    def _note_progress(self, found: Mapping[str, Progress]) -> None:
        kept = {token: seen for token, seen in self.progress.items() if token in self._running}
        progress = kept | {token: seen for token, seen in found.items() if token in self._running}
        if progress != self.progress:
            self.progress = progress
            self.bell.ring()
            self._more.ring()  # what it makes likely to end is to be asked about then

    async def _progress_of(self, watch: Watch) -> Progress | None:
        tool = self._tools.get(watch.job.tool)
        if tool is None:
            return None
        attempt = Attempt(
            slurm_job_id=watch.slurm_job_id,
            state=watch.state,
            started_at=watch.started_at,
            output=watch.output,
            error=watch.error,
        )
        try:
            if self._seen is None:
                return await inspector.progress(tool, self._cluster.host, watch.job, attempt)
            return await self._seen.look(tool, self._cluster.host, watch, attempt)
        except HostError:
            return self.progress.get(watch.token)
        except Exception as error:  # a tool module is other people's code: progress is only shown
            if watch.token not in self._faulty:
                logger.opt(exception=error).error("tool {}: no progress of {}", tool.name, watch.job.id)
                self._faulty.add(watch.token)
            return None


def _is_news(watch: Watch, report: JobReport, places: Places) -> bool:
    """What ends a job, or is no word of the cluster's, is the core's to judge each time it is said."""
    seen = (watch.state, watch.reason, watch.started_at, watch.output, watch.error)
    there = (places[0] or watch.output, places[1] or watch.error)
    said = (report.state, report.reason, report.started_at, *there)
    return report.final or report.state == states.LOST or seen != said


def _report(watch: Watch, report: JobReport, places: Places) -> Report:
    return Report(
        experiment=watch.experiment,
        job=watch.job.id,
        token=watch.token,
        state=report.state,
        final=report.final,
        exit_code=report.exit_code,
        reason=report.reason,
        started_at=report.started_at,
        ended_at=report.ended_at,
        usage=report.usage,
        output=places[0],
        error=places[1],
    )
