"""What an event costs as things grow: the core, the ledger, a start. No Slurm needed; ratios and CPU time in one run.

make bench-scale
"""

import statistics
import time
from collections.abc import Callable

from fakes.builders import GOOD, ID, World, scaffold
from runexpd.core.due import due
from runexpd.core.observations import Accepted, Judged, Listed, Observation, Report
from runexpd.runtime.admission import admit


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


def tell(world: World, observation: Observation) -> float:
    def taken() -> None:
        after = admit(world.state, observation, world.now, len(world.ledger))
        due(after.state, after.touched, world.now)

    return timed(taken)


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
    world = World(max_submit=10**6)
    runs = [f"r{n}" for n in range(5000)]
    world.see(scaffold(runs, verdicts={run: GOOD for run in runs[1:]}))
    accept(world, "r0")
    world.show("r0", "COMPLETED", final=True)
    last = Judged(experiment=ID, job="r0", token=world.token("r0"), verdict=GOOD)
    taken = timed(
        lambda: due((after := admit(world.state, last, world.now, 1)).state, after.touched, world.now), 3
    )
    print(f"the one that clears a barrier of 10,000 jobs, all submitted at once: {taken:.3f} s")
    world = World(max_submit=25)
    world.see(scaffold(runs, verdicts={run: GOOD for run in runs[1:]}))
    accept(world, "r0")
    world.show("r0", "COMPLETED", final=True)
    last = Judged(experiment=ID, job="r0", token=world.token("r0"), verdict=GOOD)
    taken = timed(
        lambda: due((after := admit(world.state, last, world.now, 1)).state, after.touched, world.now), 3
    )
    print(f"the same, 25 at a time: {taken:.3f} s")


if __name__ == "__main__":
    one_observation()
    the_barrier()
