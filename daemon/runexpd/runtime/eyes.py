"""What a look into a running job's files brings: how far it is, for the watcher; what it did, for the metrics."""

from collections.abc import Mapping, Sequence

from loguru import logger

from runexp.wire.jobs import Progress
from runexpd.core.commands import Watch
from runexpd.hosts.base import Files
from runexpd.metrics.store import Owner
from runexpd.runtime import inspector, onlooker
from runexpd.runtime.digest import Indigestible
from runexpd.runtime.recorder import Recorder
from runexpd.runtime.vitals import Vitals
from runexpd.tools import gpu_metrics
from runexpd.tools.base import Attempt, Tool
from runexpd.tools.curves import Mark, Read


class Eyes:
    """A runexpd.runtime.watcher.Seen."""

    def __init__(self, recorder: Recorder, vitals: Vitals) -> None:
        self._recorder = recorder
        self._vitals = vitals
        #: Tokens of jobs of which no curves can be told.
        self._faulty: set[str] = set()
        #: Those of which it was said that they can't be judged.
        self._unjudged: set[str] = set()

    async def look(self, tool: Tool, files: Files, watch: Watch, attempt: Attempt) -> Progress | None:
        if watch.token in self._faulty:
            return await inspector.progress(tool, files, watch.job, attempt)
        marks = await self._recorder.marks(watch.token)
        if not self._vitals.knows(watch.token):
            self._vitals.begin(watch, await self._recorder.pace(watch.token))
        try:
            found = await onlooker.watch(tool, files, watch.job, attempt, marks)
        except Indigestible as error:
            if not error.trace:  # a busy machine, it may be
                raise
            made = await inspector.progress(tool, files, watch.job, attempt)
            logger.warning(
                "tool {}: no curves of {}: {}\n{}", tool.name, watch.job.id, error.what, error.trace
            )
            self._faulty.add(watch.token)
            return made
        brought = await self._recorder.note(_owner(watch), found.reads)
        try:
            printed = _has_printed(found.reads, marks)
            await self._vitals.note(watch, found.progress, brought, has_printed=printed)
        except Exception:  # a fault of ours: how far it is was seen all the same
            if watch.token not in self._unjudged:
                logger.exception("how {} is doing could not be judged", watch.job.id)
                self._unjudged.add(watch.token)
        return found.progress

    def forget(self, token: str) -> None:
        self._recorder.forget(token)
        self._faulty.discard(token)
        self._unjudged.discard(token)


def _has_printed(reads: Sequence[Read], marks: Mapping[str, Mark]) -> bool:
    """Whether any of its files has grown, but for what is measured of its GPUs whatever it does."""
    return any(
        read.mark.offset > marks.get(read.mark.path, Mark(read.mark.path)).offset
        for read in reads
        if not read.mark.path.endswith(f"/{gpu_metrics.FILE}")
    )


def _owner(watch: Watch) -> Owner:
    return Owner(watch.token, watch.experiment, watch.job.id, watch.number, watch.started_at)
