"""A loop with its carriers, a ledger on disk and a cluster in memory; and time that passes when a test says so."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest
from anyio.abc import TaskGroup

from fakes.builders import scaffold
from fakes.world import FakeCluster
from runexp.wire.jobs import JobSpec
from runexp.wire.states import Stage
from runexpd.clusters.base import Cluster
from runexpd.core.commands import Command, Record
from runexpd.core.due import Due
from runexpd.core.job import Job
from runexpd.core.observations import Accepted, Observation, Report, ScaffoldSeen
from runexpd.core.state import Limits, State
from runexpd.hosts.base import Host
from runexpd.ledger.store import Ledger
from runexpd.runtime import clock
from runexpd.runtime.carriers import Carriers
from runexpd.runtime.errands import Errands
from runexpd.runtime.loop import Loop
from runexpd.runtime.pantry import Pantry
from runexpd.runtime.recipes import Made
from runexpd.tools.base import Tool

#: How long a test waits for what must happen.
LONGEST_SECONDS = 20.0
ONE, TWO = "e1", "e2"
EMPTY = State(limits={"local": Limits(stagger_seconds=0.0)})


def first() -> ScaffoldSeen:
    return scaffold(experiment=ONE, dir="/one")


def second() -> ScaffoldSeen:
    return scaffold(experiment=TWO, dir="/two")


def report(state: State, experiment: str, job: str, word: str, *, final: bool = False) -> Report:
    """What a cluster says of a job's newest attempt."""
    return Report(
        experiment=experiment, job=job, token=token_of(state, experiment, job), state=word, final=final
    )


def job_of(state: State, experiment: str, job: str) -> Job:
    return state.experiments[experiment].jobs[job]


def stage_of(state: State, experiment: str, job: str) -> Stage:
    return job_of(state, experiment, job).stage


def token_of(state: State, experiment: str, job: str) -> str:
    attempt = job_of(state, experiment, job).attempt
    assert attempt is not None
    return attempt.token


async def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact."""
    with anyio.fail_after(LONGEST_SECONDS):
        while not fact():
            await anyio.sleep(0.002)


async def settled() -> None:
    """All tasks that can run have run, many times over: what has not happened by now waits for something."""
    for _ in range(200):
        await anyio.lowlevel.checkpoint()


class Time:
    """Stands for `anyio.sleep` and the steady clock of some modules: pauses are over at once, and the clock is on by as much.

    The last of `most` pauses has no end.
    """

    def __init__(self, most: int = 1000) -> None:
        self.most = most
        self.pauses: list[float] = []
        self.now = 1000.0

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        if len(self.pauses) >= self.most:
            await anyio.sleep_forever()
        self.now += seconds
        await anyio.lowlevel.checkpoint()

    def passes_in(self, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        for module in modules:
            monkeypatch.setattr(module, "anyio", _Anyio(self.sleep))
        monkeypatch.setattr(clock, "steady", lambda: self.now)


class _Anyio:
    """The library, with another sleep. What it holds it may not have loaded yet."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.sleep = sleep

    def __getattr__(self, name: str) -> Any:
        return getattr(anyio, name)


@dataclass(frozen=True)
class Rig:
    loop: Loop
    carriers: Carriers
    cluster: FakeCluster

    @property
    def state(self) -> State:
        return self.loop.state

    async def tell(self, observation: Observation) -> None:
        await self.loop.tell(observation)


class _Slow(Pantry):
    """What is kept of an attempt is a task of its own: here it takes for ever, and is nobody's trouble."""

    async def read(self, host: Host, dir: str, jobs: Sequence[JobSpec]) -> list[Made]:
        await anyio.sleep_forever()
        return []


@asynccontextmanager
async def running(
    ledger: Ledger,
    cluster: FakeCluster,
    *,
    tools: Mapping[str, Tool] | None = None,
    results_seconds: float = 0.0,
    state: State = EMPTY,
) -> AsyncIterator[Rig]:
    """Until the block's end. A fault that ends the loop ends the test."""
    loop = Loop(ledger, state)
    async with anyio.create_task_group() as tasks:
        waits = {cluster.name: results_seconds}
        errands = Errands(loop, tools or {}, waits, _Slow(ledger, tools or {}))
        carriers = Carriers(loop, {cluster.name: cast(Cluster, cluster)}, {}, errands, tasks)
        await tasks.start(loop.run, carriers.carry)
        yield Rig(loop, carriers, cluster)
        tasks.cancel_scope.cancel()


class Carrier:
    """Carries nothing out, and remembers what it was to."""

    def __init__(self) -> None:
        self.owed: dict[tuple[str, str], tuple[Command, ...]] = {}
        self.times = 0

    def carry(self, due: Due) -> None:
        self.owed |= due.jobs
        self.times += 1

    def commands(self) -> list[Command]:
        """Without the reading of recipes, which goes on beside."""
        every = (command for commands in self.owed.values() for command in commands)
        return [command for command in every if not isinstance(command, Record)]

    def experiments(self) -> set[str]:
        return {experiment for (experiment, _), commands in self.owed.items() if commands}


async def start(tasks: TaskGroup, loop: Loop) -> Carrier:
    carrier = Carrier()
    await tasks.start(loop.run, carrier.carry)
    return carrier


def accepted(state: State, experiment: str, job: str) -> Accepted:
    token = token_of(state, experiment, job)
    return Accepted(experiment=experiment, job=job, token=token, slurm_job_id="7", output="/o")
