"""20 experiments of 25 jobs at once on one cluster, with the default budget of 4 Slurm queries a minute.

python tests/bench/many.py
"""

import time
from itertools import pairwise

from bench_site import Counted, check, daemon, slurm

from fakes.experiments import Run
from fakes.home import wait_for

EXPERIMENTS, BUDGET = 20, 4
#: 8 trainings, 16 evaluations of them, and the base model's: 25 jobs.
RUNS = (
    Run("base", epochs=0, eval_seconds=5),
    *(Run(f"r{number}", epochs=2, seconds=20, eval_seconds=5) for number in range(8)),
)


def main() -> None:
    with slurm() as up, daemon(up, stagger_seconds=0, max_submit=500, queries_per_minute=BUDGET) as counted:
        logins = counted.logins()
        measure(counted)
        print(f"  SSH logins: {counted.logins() - logins}  (1)")


def measure(counted: Counted) -> None:
    dirs = [counted.experiment(*RUNS, name=f"e{number}") for number in range(EXPERIMENTS)]
    counted.forget()
    began = time.time()
    for dir in dirs:
        check(counted.run(dir, "--detach"))
    wait_for(lambda: all(row["outcome"] for row in counted.json("ls")), "all have ended", 900)
    minutes = (time.time() - began) / 60
    assert {row["outcome"] for row in counted.json("ls")} == {"succeeded"}
    times = [int(line.split()[1]) for line in counted.lines() if line.split()[0] in ("squeue", "sacct")]
    busiest = max((sum(at <= other < at + 600 for other in times) for at in times), default=0)
    gaps = [later - earlier for earlier, later in pairwise(sorted(set(times)))]
    print(f"{EXPERIMENTS} experiments of 25 jobs, all at once: {minutes:.1f} minutes")
    print(f"  Slurm queries: {len(times)}, {len(times) / minutes:.1f} a minute on average over the run")
    print(
        f"  a full bucket of {5 * BUDGET} and {BUDGET} a minute: at most {5 * BUDGET + BUDGET * minutes:.0f}"
    )
    print(f"  in the busiest ten minutes: {busiest}; between rounds {min(gaps)} to {max(gaps)} s")
    print(f"  jobs in Slurm: {sum(counted.slurm_jobs().values())}  ({25 * EXPERIMENTS})")


if __name__ == "__main__":
    main()
