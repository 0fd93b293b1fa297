"""200 jobs of one experiment, from lock to receipt, against a bare remote loop of 200 `sbatch --parsable`.

python tests/bench/submission.py
"""

import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench_site import check, running, slurm

from cluster import Cluster
from fakes.experiments import Run
from fakes.home import wait_for
from fakes.remote import Remote

JOBS, TRIES = 200, 6
LOOP = "cd {dir} && for n in $(seq {jobs}); do sbatch --parsable r$n/finetune.slurm; done"


def main() -> None:
    with slurm() as up:
        home = Remote(
            Path(tempfile.mkdtemp(prefix="runexp-bench-")), up, {"stagger_seconds": 0, "max_submit": 1000}
        )
        with running(home):
            tries = [(bare_loop(home), through_runexp(home)) for _ in range(TRIES)]
    bare, ours = zip(*tries, strict=True)
    ratios = sorted(after / before for before, after in tries)
    print(f"{JOBS} jobs, {TRIES} tries each, in turns")
    print(f"  bare remote loop of sbatch --parsable: {_shown(bare)} s")
    print(f"  runexp, from the first intent to the last acceptance in the ledger: {_shown(ours)} s")
    print(f"  ratio of each pair: median {median(ratios):.2f}  (at most 1.25; {_shown(ratios)})")


def _shown(numbers: Sequence[float]) -> str:
    return " ".join(f"{number:.2f}" for number in numbers)


def scaffold(home: Remote) -> Path:
    """Held jobs are submitted like any, and take no room of those to come."""
    runs = [Run(f"r{number}", directives="#SBATCH --hold\n") for number in range(1, JOBS + 1)]
    return home.experiment(*runs, name="many")


def bare_loop(home: Remote) -> float:
    """Timed where it runs: the connection is there already."""
    dir = scaffold(home)
    loop = LOOP.format(dir=dir, jobs=JOBS)
    timed = f"s=$(date +%s.%N); {{ {loop}; }} >{dir}/ids; e=$(date +%s.%N); echo $s $e $(wc -l <{dir}/ids)"
    ssh = ["ssh", "-F", f"{home.slurm.dir}/ssh_config", "cluster", timed]
    began, ended, count = subprocess.run(ssh, capture_output=True, text=True, check=True).stdout.split()
    assert int(count) == JOBS
    cancel_all(home.slurm)
    return float(ended) - float(began)


def through_runexp(home: Remote) -> float:
    dir, before = scaffold(home), len(home.of_type("SubmitAccepted"))
    check(home.run(dir, "--detach"))
    time.sleep(5)  # not looking on: there are two cores for all
    wait_for(lambda: len(home.of_type("SubmitAccepted")) == before + JOBS, "all are submitted", 120)
    seconds = home.seconds_between("AttemptIntended", "SubmitAccepted", JOBS)
    check(home.runexp("cancel", "--yes", str(home.json("ls")[0]["id"])))
    wait_for(lambda: home.json("ls")[0]["outcome"] is not None, "it has ended", 120)
    return seconds


def cancel_all(up: Cluster) -> None:
    up.run("scancel", "-u", up.user)
    time.sleep(2)


if __name__ == "__main__":
    main()
