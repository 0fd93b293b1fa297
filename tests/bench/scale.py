"""What an event costs as things grow: the core, the ledger, a start. No Slurm needed; ratios and CPU time in one run.

make bench-scale
"""

import statistics
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar, cast

import anyio
from process import megabytes, processor_seconds_of_children, spent

from clusters.machine import Machine, keepers
from fakes.builders import GOOD, ID, World, scaffold
from fakes.evidence import scaffold as evidence_scaffold
from fakes.experiments import Run, build
from fakes.home import Home
from runexpd.clusters.base import Cluster, JobReport, Known
from runexpd.core.due import due
from runexpd.core.observations import Accepted, Judged, Listed, Observation, Report
from runexpd.hosts.local import LocalHost
from runexpd.ledger import codec
from runexpd.ledger.store import Ledger, Row
from runexpd.runtime import clock
from runexpd.runtime.admission import admit
from runexpd.runtime.carriers import Carriers
from runexpd.runtime.errands import Errands
from runexpd.runtime.loop import Loop
from runexpd.runtime.pantry import Pantry
from runexpd.runtime.schedule import Budget
from runexpd.runtime.watcher import Watcher
from runexpd.tools import registry

T = TypeVar("T")


def timed(work: Callable[[], object], times: int = 30) -> float:
    """The median of so many, in seconds of CPU time."""
    taken = []
    for _ in range(times):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def begun(runs: int) -> World:
    """All trainings in the queue."""
    world = World(max_submit=10**6)
    world.see(scaffold([f"r{n}" for n in range(runs)]))
    for n in range(runs):
        accept(world, f"r{n}")
    return world


def accept(world: World, job: str) -> None:
    world.see(Accepted(experiment=ID, job=job, token=world.token(job), slurm_job_id="7", output="/o"))


def tell(world: World, observation: Observation, times: int = 30) -> float:
    def taken() -> None:
        after = admit(world.state, observation, world.now, len(world.ledger))
        due(after.state, after.touched, world.now)

    return timed(taken, times)


def report(world: World, job: str, state: str, final: bool) -> Listed:
    token = world.token(job)
    return Listed(
        reports=(Report(experiment=ID, job=job, token=token, state=state, final=final, started_at=1.0),)
    )


def one_observation() -> None:
    small, large = (begun(runs) for runs in (50, 5000))  # as many evaluations, too
    for name, final, state in (("RUNNING", False, "RUNNING"), ("COMPLETED", True, "COMPLETED")):
        few, many = (tell(world, report(world, "r7", state, final)) for world in (small, large))
        print(
            f"{name:<10} of 100 jobs {few * 1e6:8.0f} us, of 10,000 {many * 1e6:8.0f} us: {many / few:.1f} x"
        )


def the_barrier() -> None:
    runs = [f"r{n}" for n in range(5000)]
    for at_a_time in (10**6, 25):
        world = World(max_submit=at_a_time)
        world.see(scaffold(runs, verdicts={run: GOOD for run in runs[1:]}))
        accept(world, "r0")
        world.show("r0", "COMPLETED", final=True)
        taken = tell(world, Judged(experiment=ID, job="r0", token=world.token("r0"), verdict=GOOD), 3)
        print(
            f"the one that clears a barrier of 10,000 jobs, {min(at_a_time, 5000)} submitted at once: {taken:.3f} s"
        )


def ended(runs: int) -> World:
    world = World(max_submit=10**6)
    world.see(scaffold([f"r{n}" for n in range(runs)]))
    world.drain()
    return world


def years(path: Path, count: int, dirs: Path = Path("/exp")) -> int:
    """A ledger of so many experiments that are over, of 24 runs each; how many events it holds.

    Their directories are below `dirs`, where that exists.
    """
    past = [(r.at, type(r.event).__name__, codec.encode(r.event)) for r in ended(24).ledger]
    with Ledger(path) as ledger:
        for number in range(count):
            told = (
                (b"e1-", b"x%d-" % number),
                (b'"/exp', b'"%s/%d' % (bytes(dirs), number)),
                (b'"words"', b'"words%d"' % number),
            )
            rows = [
                Row(ledger.last_seq + n, at, f"x{number}", kind, _told(body, told))
                for n, (at, kind, body) in enumerate(past, 1)
            ]
            ledger.append(rows)
            if dirs.exists():
                (dirs / str(number)).mkdir()
        return ledger.last_seq


def _told(body: bytes, changes: Iterable[tuple[bytes, bytes]]) -> bytes:
    for before, after in changes:
        body = body.replace(before, after)
    return body


def a_start(count: int) -> None:
    with TemporaryDirectory() as dir:
        home = Home(Path(dir) / "home")
        (home.dir / "state").mkdir(mode=0o700)
        events = years(home.dir / "state" / "ledger.sqlite", count)
        for which in ("first", "next"):
            began = time.monotonic()
            home.start()
            ready = time.monotonic() - began
            assert len(home.json("ls")) == count
            answered = time.monotonic() - began
            print(
                f"{count} experiments that are over, {events} events; the {which} start: socket {ready:.2f} s, "
                f"`ls` answered {answered:.2f} s, {spent(home):.2f} s of CPU by then, {megabytes(home, 'VmHWM'):.0f} MB"
            )
            home.stop()


async def local_jobs(count: int) -> None:
    """Of which two run."""
    with TemporaryDirectory() as dir:
        machine = Machine(Path(dir), max_running=2)
        jobs = [machine.submission(f"t{n}", "sleep 600") for n in range(count)]
        began = time.monotonic()
        async for answers in machine.cluster.submit(jobs):
            for token, answer in answers.items():
                machine.learn(token, answer)
        took = time.monotonic() - began
        for id in ("1", "2"):
            await machine.until(f"t{int(id) - 1}", ["RUNNING"])
        held = [_own_kilobytes(pid) for id in range(1, count + 1) for pid in keepers(machine, str(id))]
        print(
            f"{count} local jobs submitted, 2 running: {took:.1f} s, {len(held)} processes, {sum(held) // 1024} MB"
        )
        await machine.cluster.cancel(list(machine.known.values()))
        for token in machine.known:
            await machine.ended(token)


def _own_kilobytes(pid: int) -> int:
    """With its share of what it has in common with others."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


async def what_is_read_for_recipes(runs: int) -> None:
    """Of as many trainings and evaluations; what `run` of a large experiment does first, whether it is done or not."""
    with TemporaryDirectory() as name, Ledger(Path(name) / "ledger.sqlite") as ledger:
        dir = build(Path(name) / "exp", *(Run(f"r{n}") for n in range(runs)))
        tools = registry.load()
        pantry, found = Pantry(ledger, tools), evidence_scaffold(dir)
        jobs = [job for tool in tools.values() for job in tool.discover(found).jobs]
        made = await _told_of("read", len(jobs), pantry.read(LocalHost(), str(dir), jobs))
        names = await _told_of("kept", len(jobs), pantry.keep(made))
        made_of = {job.id: name for job, name in zip(jobs, names, strict=True)}
        now = {job.id: each for job, each in zip(jobs, made, strict=True)}
        assert await _told_of("compared", len(jobs), pantry.changes(made_of, now)) == {}
        print(f"the ledger holds {ledger.path.stat().st_size / 1e6:.1f} MB of them")


async def _told_of(what: str, count: int, work: Awaitable[T]) -> T:
    began, own, of_children = time.monotonic(), time.process_time(), processor_seconds_of_children()
    answer = await work
    own, of_children = time.process_time() - own, processor_seconds_of_children() - of_children
    print(
        f"recipes of {count} jobs {what} in {time.monotonic() - began:.1f} s: {own:.1f} s of CPU, {of_children:.1f} s in children"
    )
    return answer


class Quiet:
    """A cluster on which everything waits."""

    name, queries = "local", 0

    async def query(self, jobs: Sequence[Known]) -> list[JobReport]:
        self.queries += 1
        return [JobReport(token=job.token, state="PENDING", final=False, reason="Priority") for job in jobs]


async def a_quiet_minute(jobs: int) -> None:
    world, quiet = begun(jobs), Quiet()
    with TemporaryDirectory() as dir, Ledger(Path(dir) / "ledger.sqlite") as ledger:
        loop = Loop(ledger, world.state)
        budget = Budget(6.0, lambda: quiet.queries, clock.steady(), lambda: clock.now() - clock.steady())
        watcher = Watcher(cast(Cluster, quiet), {}, budget)
        async with anyio.create_task_group() as tasks:
            carriers = Carriers(
                loop, {}, {"local": watcher}, Errands(loop, {}, {}, Pantry(ledger, {})), tasks
            )
            await tasks.start(loop.run, carriers.carry)
            tasks.start_soon(watcher.run, loop)
            await anyio.sleep(75)
            used, asked = time.process_time(), quiet.queries
            await anyio.sleep(60)
            used, asked = time.process_time() - used, quiet.queries - asked
            print(
                f"{jobs} jobs that wait, a quiet minute: {used:.2f} s of CPU ({used / 0.6:.1f} %), {asked} rounds"
            )
            tasks.cancel_scope.cancel()


if __name__ == "__main__":
    one_observation()
    the_barrier()
    for count in (1000, 4000):
        a_start(count)
    anyio.run(local_jobs, 200)
    anyio.run(what_is_read_for_recipes, 5_000)
    anyio.run(a_quiet_minute, 10_000)
