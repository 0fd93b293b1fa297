"""Watches one cluster: every queued job of every experiment on it in one query a round, and how far each has come."""

from collections.abc import Mapping, Sequence

import anyio
from loguru import logger

from runexp.wire import states
from runexp.wire.jobs import Progress
from runexpd.clusters.base import Cluster, ClusterUnreachable, JobReport, Known
from runexpd.core.commands import Watch
from runexpd.core.observations import Listed, Report
from runexpd.hosts.base import HostUnreachable
from runexpd.runtime import clock
from runexpd.runtime.bell import Bell
from runexpd.runtime.loop import Loop
from runexpd.tools.base import Attempt, Tool


class Watcher:
    def __init__(self, cluster: Cluster, tools: Mapping[str, Tool], poll_seconds: float) -> None:
        self._cluster = cluster
        self._tools = tools
        self._poll_seconds = poll_seconds
        self._watches: Sequence[Watch] = ()
        self._more = Bell()
        #: By token; of running jobs only. Shown, and forgotten with the daemon.
        self.progress: dict[str, Progress] = {}
        #: Rings when progress was made.
        self.bell = Bell()
        #: Since when the cluster gives no answer, and why; None while all is well.
        self.trouble: tuple[float, str] | None = None

    def watch(self, watches: Sequence[Watch]) -> None:
        """What to ask about from now on."""
        if bool(watches) > bool(self._watches):
            self._more.ring()
        self._watches = watches

    async def run(self, loop: Loop) -> None:
        """Ask, tell the loop, wait, as long as there is anything to watch; until cancelled."""
        while True:
            more = self._more.take()
            if not self._watches:
                self.progress.clear()
                await more.wait()
            watches = {watch.token: watch for watch in self._watches}
            reports = await self._ask(list(watches.values()))
            if reports:
                await loop.tell(
                    Listed(reports=tuple(_report(watches[r.token], r) for r in reports if r.token in watches))
                )
            await self._read_progress()
            await anyio.sleep(self._poll_seconds)

    async def _ask(self, watches: Sequence[Watch]) -> Sequence[JobReport]:
        try:
            reports = await self._cluster.query([Known(w.slurm_job_id, w.token) for w in watches])
        except ClusterUnreachable as error:
            if self.trouble is None:
                logger.warning("cluster {}: {}", self._cluster.name, error.what)
            self.trouble = (self.trouble[0] if self.trouble else clock.now(), error.what)
            return ()
        self.trouble = None
        return reports

    async def _read_progress(self) -> None:
        found = {}
        for watch in self._watches:
            if watch.state == states.RUNNING:
                progress = await self._progress_of(watch)
                if progress is not None:
                    found[watch.token] = progress
        if found != self.progress:
            self.progress = found
            self.bell.ring()

    async def _progress_of(self, watch: Watch) -> Progress | None:
        tool = self._tools.get(watch.job.tool)
        if tool is None:
            return None
        attempt = Attempt(
            slurm_job_id=watch.slurm_job_id,
            state=watch.state,
            started_at=watch.started_at,
            output=watch.output,
        )
        try:
            return await tool.progress(self._cluster.host, watch.job, attempt)
        except HostUnreachable:
            return self.progress.get(watch.token)


def _report(watch: Watch, report: JobReport) -> Report:
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
    )
