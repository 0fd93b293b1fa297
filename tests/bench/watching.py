"""What it costs to see what runs do: a look into one's files, with curves and without; an estimate of an experiment of many jobs.

make bench-scale
"""

import resource
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
from scale import begun, timed

from fakes.builders import training
from runexp.wire.jobs import Progress
from runexpd.core.state import Limits
from runexpd.core.when import forecast
from runexpd.core.when.lengths import Known
from runexpd.hosts.local import LocalHost
from runexpd.metrics.store import Owner, Store
from runexpd.runtime import digest, inspector, onlooker
from runexpd.runtime.recorder import Recorder
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune import TOOL

LOOKS = 200
STEPS_A_LOOK = 50


def cpu_seconds() -> float:
    """Ours and our children's: those that still run by /proc."""
    own = time.process_time()
    alive = sum(_spent(child) for child in _children())
    gone = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own + alive + gone.ru_utime + gone.ru_stime


def _children() -> list[str]:
    return Path("/proc/self/task").joinpath(str(_main()), "children").read_text().split()


def _main() -> int:
    return int(Path("/proc/self").resolve().name)


def _spent(pid: str) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


async def per_look(look: Callable[[], Awaitable[object]]) -> float:
    """Milliseconds of CPU."""
    await look()
    began = cpu_seconds()
    for _ in range(LOOKS):
        await look()
    return (cpu_seconds() - began) / LOOKS * 1000


async def looks(dir: Path) -> None:
    job, host = training("rank4", str(dir)), LocalHost()
    job.facts.update({"log_dir": f"{dir}/logs", "output_dir": str(dir), "epochs": 2})
    began = time.time()
    (dir / "logs").mkdir()
    log, output = dir / "logs" / f"log_{int(began) + 1}.txt", dir / "slurm-7.out"
    output.write_text("1|5|Loss: 0.5:   2%|#| 5/620 [00:00<00:01, 57.37it/s]\n")
    log.write_text("Step 1 | loss:1.0 lr:0.1 tokens_per_second_per_gpu:99.5 grad_norm:0.5 \n")
    attempt = Attempt(slurm_job_id="7", state="RUNNING", started_at=began, output=str(output))
    owner, recorder = Owner("t", "e", "rank4", 1, began), Recorder(Store(dir / "metrics.sqlite"))
    step = 1

    def grow() -> None:
        nonlocal step
        with log.open("a") as file:
            for _ in range(STEPS_A_LOOK):
                step += 1
                file.write(f"Step {step} | loss:1.0 lr:0.1 tokens_per_second_per_gpu:99.5 grad_norm:0.5 \n")

    async def with_curves() -> None:
        found = await onlooker.watch(TOOL, host, job, attempt, await recorder.marks("t"))
        await recorder.note(owner, found.reads)

    async def with_news() -> None:
        grow()
        await with_curves()

    await digest.warm()
    rows = {
        "how far it is alone": lambda: inspector.progress(TOOL, host, job, attempt),
        "with curves, nothing new": with_curves,
        f"with curves, {STEPS_A_LOOK} new steps of 4 figures": with_news,
    }
    for name, look in rows.items():
        print(f"a look: {name:<42} {await per_look(look):6.2f} ms")


def estimates() -> None:
    for runs in (50, 500, 5000):
        world = begun(runs)
        tokens = [job.attempt.token for job in world.experiment.jobs.values() if job.attempt]
        known = Known(
            progress={token: Progress(done=5, total=10) for token in tokens},
            others={id: (60.0, 61.0) for id in world.experiment.jobs},
        )
        limits = Limits(max_submit=25)
        taken = timed(lambda w=world, k=known, x=limits: forecast.of(w.experiment, k, x, 2000.0), 3)  # type: ignore[misc]
        print(f"an estimate: {len(world.experiment.jobs):>6} jobs {taken * 1000:>8.1f} ms")


def main() -> None:
    with TemporaryDirectory() as dir:
        anyio.run(looks, Path(dir))
    estimates()


if __name__ == "__main__":
    main()
