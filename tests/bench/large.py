"""10,000 runs of one experiment, entered and submitted to a stand-in Slurm on this machine that only takes them in.

PYTHONPATH=tests:tests/cluster python tests/bench/large.py [RUNS]
"""

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from fakes.experiments import Run, build
from fakes.home import Home

#: Ids count up, and the queue keeps what it was given; a process a job, as sbatch is.
STAND_INS = {
    "sbatch": """read -r n <{dir}/last; n=$((n + 1)); echo $n >{dir}/last
for script; do :; done
printf '%s\\037PENDING\\037Priority\\037N/A\\037%s\\n' $n "$script" >>{dir}/queue; echo $n""",
    "squeue": "cat {dir}/queue",
    "sacct": "exit 0",
    "scancel": "exit 0",
}
CONFIG = """clusters:
  here: {{prepend: ["PATH={bin}:$PATH"], max_submit: 100000, stagger_seconds: 0, queries_per_minute: 20}}
"""


def main(runs: int) -> None:
    with TemporaryDirectory() as name:
        dir = Path(name)
        for place in ("bin", "slurm"):
            (dir / place).mkdir()
        (dir / "slurm" / "last").write_text("0\n")
        (dir / "slurm" / "queue").touch()
        for command, body in STAND_INS.items():
            (dir / "bin" / command).write_text(f"#!/bin/sh\n{body.format(dir=dir / 'slurm')}\n")
            (dir / "bin" / command).chmod(0o755)
        experiment = build(dir / "experiment", *(Run(f"r{n}", epochs=1) for n in range(runs)))
        home = Home(dir / "home", CONFIG.format(bin=dir / "bin"))
        with home.running():
            measure(home, experiment, runs)


def measure(home: Home, experiment: Path, runs: int) -> None:
    began = time.monotonic()
    done = home.runexp("run", "--detach", f"here:{experiment}")
    assert done.returncode == 0, done.stderr
    entered, slowest = time.monotonic() - began, 0.0
    while True:
        asked = time.monotonic()
        (line,) = home.json("ls")
        slowest = max(slowest, time.monotonic() - asked)
        if not {"PLANNED", "SUBMITTING"} & set(line["counts"]) or line["counts"].get("PENDING", 0) >= runs:
            break
        time.sleep(0.5)
    print(
        f"{runs} runs: entered in {entered:.1f} s, all submitted after {time.monotonic() - began:.1f} s; "
        f"slowest `ls` meanwhile {slowest:.2f} s; {line['counts']}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
