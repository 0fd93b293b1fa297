"""What an experiment costs the daemon beside a thousand that are over, against an empty ledger: while they still lie on disk, and
when their directories are gone.

PYTHONPATH=tests:tests/cluster python tests/bench/beside.py [EXPERIMENTS]
"""

import sqlite3
import statistics
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory

from process import spent
from scale import years
from stand_in import Slurm

from fakes.experiments import Run, build
from fakes.home import Home, wait_for

CONFIG = """clusters:
  here: {{prepend: ["PATH={bin}:$PATH"], max_submit: 1000, stagger_seconds: 0, queries_per_minute: 120, results_seconds: 2}}
"""
RUNS, ROUNDS = 100, 3


def main(count: int) -> None:
    with TemporaryDirectory() as name, Slurm(Path(name) / "slurm") as slurm, ExitStack() as stack:
        empty, kept, gone = (_home(Path(name) / which, slurm) for which in ("empty", "kept", "gone"))
        (kept.dir / "over").mkdir()
        for home in (kept, gone):
            events = years(home.dir / "state" / "ledger.sqlite", count, home.dir / "over")
        for home in (empty, kept, gone):
            stack.enter_context(home.running())
            home.json("ls")
            settled(home)
        costs = [[a_round(home) for home in (empty, kept, gone)] for _ in range(ROUNDS)]
        alone, beside, without = (statistics.median(cost) * 1e3 for cost in zip(*costs, strict=True))
        print(
            f"an event in an empty ledger: {alone:.2f} ms of the daemon's CPU; beside {count} experiments that are over "
            f"({events} events): {beside:.2f} ms, {beside / alone:.2f} x; with their directories gone: {without:.2f} ms, "
            f"{without / alone:.2f} x (medians of {ROUNDS} experiments of {2 * RUNS} jobs, in turns)"
        )


def _home(dir: Path, slurm: Slurm) -> Home:
    home = Home(dir, CONFIG.format(bin=slurm.bin))
    home.environment["HOME"] = str(dir)
    (dir / "state").mkdir(mode=0o700)
    return home


def settled(home: Home) -> None:
    """Once what was owed to those that are over is done: their snapshots, and their run logs."""

    def is_quiet() -> bool:
        before = spent(home)
        time.sleep(5)
        return spent(home) - before < 0.1

    wait_for(is_quiet, "the daemon has nothing more to do", 900)


def a_round(home: Home) -> float:
    """Seconds of the daemon's CPU an event, from `run` to the end."""
    number = len(list(home.dir.glob("e*")))
    runs = (Run(f"r{n}", seconds=2, eval_seconds=1) for n in range(RUNS))
    dir = build(home.dir / f"e{number}", *runs, name=f"new{number}")
    before, (events, ended) = spent(home), told(home)
    done = home.runexp("run", "--detach", f"here:{dir}")
    assert done.returncode == 0, done.stderr
    wait_for(lambda: told(home)[1] > ended, "it is over", 120)
    return (spent(home) - before) / (told(home)[0] - events)


def told(home: Home) -> tuple[int, int]:
    """How many events there are, and how many ends of experiments."""
    time.sleep(0.5)
    with closing(sqlite3.connect(home.dir / "state" / "ledger.sqlite")) as ledger:
        (events,) = ledger.execute("SELECT max(seq) FROM events").fetchone()
        (ended,) = ledger.execute("SELECT count(*) FROM events WHERE type = 'ExperimentEnded'").fetchone()
    return events or 0, ended


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
