"""runexp from asynchronous Python: the calls of `runexp.library`, each in a thread, which a cancellation ends.

from runexp import aio

client = await aio.connect()
experiment = await client.run("della:/scratch/me/exp7")
async for happened in experiment.follow():
    print(happened.kind)
"""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import anyio
import anyio.to_thread

from runexp import library, tables
from runexp.library import AS_REMEMBERED, Happened
from runexp.talk import HungUp, Receiver
from runexp.waiting import Goal, Reached
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.requests import Choices
from runexp.wire.views import ExperimentLine, ExperimentView, Plan, Report

T = TypeVar("T")


class Client:
    """As library.Client."""

    def __init__(self, client: library.Client) -> None:
        self._client = client

    async def experiments(self) -> tuple[ExperimentLine, ...]:
        return await _threaded(self._client.experiments)

    async def experiment(self, name: str) -> "Experiment":
        return Experiment(await _threaded(lambda: self._client.experiment(name)))

    async def plan(self, directory: str, choices: Choices = AS_REMEMBERED) -> Plan:
        return await _threaded(lambda: self._client.plan(directory, choices))

    async def run(self, directory: str, choices: Choices = AS_REMEMBERED) -> "Experiment":
        return Experiment(await _threaded(lambda: self._client.run(directory, choices)))


class Experiment:
    """As library.Experiment."""

    def __init__(self, experiment: library.Experiment) -> None:
        self._experiment = experiment
        self.id, self.name = experiment.id, experiment.name

    def __repr__(self) -> str:
        return repr(self._experiment)

    async def status(self) -> ExperimentView:
        return await _threaded(self._experiment.status)

    async def report(self) -> Report:
        return await _threaded(self._experiment.report)

    async def scores(self) -> tables.Rows[tables.ScoreRow]:
        return await _threaded(self._experiment.scores)

    async def metrics(
        self, *names: str, jobs: Sequence[str] = (), points: int = 300
    ) -> tables.Rows[tables.PointRow]:
        return await _threaded(lambda: self._experiment.metrics(*names, jobs=jobs, points=points))

    async def recipe(self, job: str, attempt: int | None = None) -> WithTexts:
        return await _threaded(lambda: self._experiment.recipe(job, attempt))

    async def recipes(self, jobs: Sequence[str]) -> dict[str, Recipe]:
        return await _threaded(lambda: self._experiment.recipes(jobs))

    async def wait(self, until: Goal | str = Goal.END) -> Reached:
        """As library.Experiment.wait; a cancel scope says how long."""
        receiver = Receiver()
        return await _threaded(lambda: self._experiment.wait(until, receiver=receiver), receiver)

    async def follow(self, after: int | None = None) -> AsyncIterator[Happened]:
        receiver = Receiver()
        happened = self._experiment.follow(after, receiver)
        while (news := await _threaded(lambda: next(happened, None), receiver)) is not None:
            yield news

    async def cancel(self, *jobs: str) -> tuple[str, ...]:
        return await _threaded(lambda: self._experiment.cancel(*jobs))

    async def retry(self, *jobs: str) -> tuple[str, ...]:
        return await _threaded(lambda: self._experiment.retry(*jobs))

    async def log(self, job: str | None = None, tail_bytes: int | None = None) -> str:
        return await _threaded(lambda: self._experiment.log(job, tail_bytes))


async def connect() -> Client:
    """As library.connect."""
    return Client(await _threaded(library.connect))


async def _threaded(work: Callable[[], T], receiver: Receiver | None = None) -> T:
    """Whoever is cancelled doesn't wait; what listens is hung up."""
    try:
        return await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
    except (anyio.get_cancelled_exc_class(), HungUp):
        if receiver is not None:
            receiver.hang_up()
        raise
