"""The daemon's side of the local backend: a runexpd.clusters.base.Cluster. It keeps nothing in memory that matters."""

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
from loguru import logger
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.jobs import JobSpec
from runexp.wire.states import LOST
from runexp.wire.views import Check, Verdict
from runexpd.clusters.base import (
    Accepted,
    Answer,
    ClusterUnreachable,
    Deferred,
    Found,
    JobReport,
    Known,
    Refused,
    Submission,
    Unclear,
)
from runexpd.clusters.local import adopt, marks, orders, processes, reports, spool, turns
from runexpd.hosts.base import Host

T = TypeVar("T")
#: Threads at a time: for the users' directories, any of which may hang, and for the spool, which is to be read all the same.
_USER_THREADS, _SPOOL_THREADS = 8, 4
#: A thread that hangs can't be ended, only left behind, for so long and in such numbers.
_LOOK_SECONDS, _MOST_LOOKS = 20.0, 2 * _USER_THREADS
#: What is said of a job whose record somebody took away.
_GONE = "has no record of it any more; `runexp cancel` gives it up"


class LocalCluster:
    name = "local"
    queries = 0

    def __init__(self, root: Path, host: Host, max_running: int = 2, kill_wait_seconds: float = 5.0) -> None:
        """`root`: the spool's directory; made if it isn't there, now or once that is possible."""
        self.host = host
        self._root = root
        self._max_running = max_running
        self._kill_wait_seconds = kill_wait_seconds
        self._user_threads = anyio.CapacityLimiter(_USER_THREADS)
        self._spool_threads = anyio.CapacityLimiter(_SPOOL_THREADS)
        #: Under way, those that were left behind too.
        self._looks: set[object] = set()
        try:
            self._make_spool()
        except OSError as problem:
            logger.warning("jobs of this machine have to wait: {}", _words(problem))

    async def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        for submission in batch:
            yield {submission.token: await self._submit(submission)}

    async def resolve(self, batch: Sequence[Submission]) -> Mapping[str, Answer]:
        """What is certain at once: the link is there or it is not, and only this daemon makes it."""
        tokens = [submission.token for submission in batch]
        return await _in_thread(
            self._spool_threads, lambda: {token: self._what_became_of(token) for token in tokens}
        )

    async def find(self, jobs: Sequence[JobSpec], ours: Collection[str]) -> Mapping[str, Found]:
        """Those that a ledger submitted which isn't there any more."""
        try:
            return await self._look(lambda: adopt.find(self._root, jobs, ours))
        except orders.NotNow as fault:
            raise ClusterUnreachable(str(fault)) from None
        except OSError as problem:
            raise ClusterUnreachable(_words(problem)) from problem

    async def taken(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        return await self._marked(batch, marks.whose)

    async def writing(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        return await self._marked(batch, marks.writing)

    async def _marked(
        self, batch: Sequence[Submission], whose: Callable[[marks.Mark], str]
    ) -> Mapping[str, str]:
        try:
            found = await self._look(lambda: [(each.token, whose(self._mark(each))) for each in batch])
        except orders.NotNow as fault:
            raise ClusterUnreachable(str(fault)) from None
        return {token: printable(words) for token, words in found if words}

    async def query(self, jobs: Sequence[Known]) -> Sequence[JobReport]:
        return await self._asked(lambda: self._query(jobs))

    async def cancel(self, jobs: Sequence[Known]) -> None:
        await self._asked(lambda: self._cancel(jobs))

    async def kept(self) -> Sequence[str]:
        return await self._asked(lambda: list(spool.tokens(self._root).values()))

    async def forget(self, tokens: Collection[str]) -> None:
        await self._asked(lambda: spool.forget(self._root, tokens))

    async def node_names(self, nodes: Sequence[str]) -> Mapping[str, Sequence[str]]:
        return {node: [node] for node in nodes}

    async def examine(self, max_submit: int) -> Sequence[Check]:
        return await _in_thread(self._spool_threads, self._examine)

    async def _asked(self, work: Callable[[], T]) -> T:
        try:
            return await _in_thread(self._spool_threads, work)
        except OSError as problem:
            raise ClusterUnreachable(_words(problem)) from problem

    def _make_spool(self) -> None:
        """Raises OSError."""
        spool.make(self._root)
        spool.set_max_running(self._root, self._max_running)

    async def _submit(self, submission: Submission) -> Answer:
        token = submission.token
        known = await _in_thread(self._spool_threads, lambda: self._what_became_of(token))
        if not isinstance(
            known, Deferred
        ):  # one that never arrived is new; of any other there is, or may be, a job
            return known
        try:
            order = await self._look(partial(self._prepare, submission))
        except orders.Refusal as refusal:
            return Refused(printable(str(refusal)))
        except orders.NotNow as fault:
            return Deferred(printable(f"{fault}; it is tried again"), alone=True)
        return await _in_thread(self._spool_threads, lambda: self._enter(token, order))

    def _prepare(self, submission: Submission) -> orders.Order:
        """Raises Refusal and NotNow."""
        order = orders.prepare(submission)
        if not order.results:
            return order
        mark = self._mark(replace(submission, results=order.results))
        try:
            made = marks.take(mark, submission.looked_at)
        except marks.Taken as taken:
            raise orders.Refusal(str(taken)) from None
        except marks.Unsure as doubt:
            raise orders.NotNow(str(doubt)) from None
        return replace(order, mark=mark.path if made else "")

    def _mark(self, submission: Submission) -> marks.Mark:
        token, path = submission.token, os.path.join(submission.results, marks.NAME)
        daemon = f"{os.uname().nodename}:{self._root.parent}"
        return marks.Mark(token, daemon, path, "local", str(self._root / "tokens" / token))

    async def _look(self, work: Callable[[], T]) -> T:
        """In a user's directory. Raises NotNow where it hangs; nothing comes of what is found there after that."""
        if len(self._looks) >= _MOST_LOOKS:
            raise orders.NotNow("file systems of this machine hang")
        look = object()

        def looking() -> T:
            self._looks.add(look)
            try:
                return work()
            finally:
                self._looks.discard(look)

        try:
            with anyio.fail_after(_LOOK_SECONDS):
                return await _in_thread(self._user_threads, looking)
        except TimeoutError:
            raise orders.NotNow(f"the file system gives no answer within {_LOOK_SECONDS:.0f} s") from None

    def _enter(self, token: str, order: orders.Order) -> Answer:
        kill_wait = {"kill_wait_seconds": self._kill_wait_seconds}
        try:
            self._make_spool()
            record = lambda id: {**order.record(id), **kill_wait}  # noqa: E731
            variable, _, value = os.fsencode(order.submission.variable).partition(b"=")
            environment = {**os.environb, variable: value} if variable else os.environb
            spool.new_job(self._root, token, record, order.script, environment)
        except OSError as problem:
            answer = self._what_became_of(token)
            why = f"no job can be entered in {self._root}: {problem.strerror or problem}; it is tried again"
            not_now = Deferred(printable(why))
            return not_now if isinstance(answer, Deferred) else answer
        return self._what_became_of(token)

    def _what_became_of(self, token: str) -> Answer:
        try:
            known = spool.find(self._root, token)
        except OSError as problem:
            return Unclear(_words(problem))
        if known is None:
            return Deferred("it never arrived", at_once=True)
        with suppress(OSError):  # it is entered at the next look otherwise
            if not any((known / name).exists() for name in ("start.json", "end.json")):
                turns.enter(known)
        self._start_next()
        return Accepted(known.name)

    def _start_next(self) -> str:
        """What can't be started now is at the next look; why that is."""
        try:
            turns.start_next(self._root)
        except OSError as problem:
            logger.warning("jobs of this machine have to wait: {}", why := _words(problem))
            return why
        return ""

    def _query(self, jobs: Sequence[Known]) -> list[JobReport]:
        why = self._start_next()
        head = next(turns.waiting(self._root), None)
        return [report for job in jobs if (report := self._report(job, head, why)) is not None]

    def _report(self, job: Known, head: Path | None, why: str) -> JobReport | None:
        try:
            directory = self._directory(job)
            if directory is None or directory.name != job.slurm_job_id:
                return JobReport(token=job.token, state=LOST, final=False, reason=f"{self._root} {_GONE}")
            if (directory / "end.json").exists():
                return reports.ended(directory, job.token)
            if (directory / "start.json").exists():
                return reports.started(directory, job.token)
            turns.enter(directory)
        except OSError as problem:
            logger.debug("no news of job {}: {}", job.slurm_job_id, _words(problem))
            return None
        reason = why or ("Resources" if directory == head else "Priority")
        return JobReport(token=job.token, state="PENDING", final=False, reason=reason)

    def _directory(self, job: Known) -> Path | None:
        """By the token that it was submitted with, by whichever ledger; None where it is gone. Raises OSError."""
        found = spool.find(self._root, job.mark or job.token)
        return found if found is not None and found.is_dir() else None

    def _cancel(self, jobs: Sequence[Known]) -> None:
        problems = []
        for job in jobs:
            try:
                directory = self._directory(job)
                if directory is not None and not (directory / "end.json").exists():
                    spool.ask_to_end(directory)
                    turns.end_waiting(directory)
            except OSError as problem:
                problems.append(problem)
        self._start_next()
        if problems:
            raise problems[0]

    def _examine(self) -> list[Check]:
        try:
            self._make_spool()
        except OSError as problem:
            hint = "jobs of this machine wait until it can be written to"
            return [Check(name="this machine", verdict=Verdict.BAD, found=_words(problem), hint=hint)]
        gpus = len(processes.gpu_numbers(os.environ))
        found = f"{os.cpu_count()} CPUs, {gpus} GPUs, {self._max_running} jobs at a time"
        return [Check(name="this machine", verdict=Verdict.OK, found=found)]


async def _in_thread(threads: anyio.CapacityLimiter, work: Callable[[], T]) -> T:
    """One that hangs is left alone when the daemon ends: what it has done counts, and what not is done again."""
    return await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=threads)


def _words(problem: OSError) -> str:
    where = os.fsdecode(problem.filename) if isinstance(problem.filename, str | bytes) else ""
    what = problem.strerror or str(problem)
    return printable(f"{where}: {what}" if where else what)
