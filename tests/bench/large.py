"""5,000 jobs planned; 10,000 runs of one experiment, entered and submitted to a stand-in Slurm on this machine that only takes them
in; then a minute in which all of them wait, and one in which 25 run and write.

PYTHONPATH=tests:tests/cluster python tests/bench/large.py [RUNS]
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from process import megabytes, spent, spent_by_children

from fakes.experiments import Run, build
from fakes.home import Home
from runexp import connection
from runexp.wire import requests

#: Ids count up, and the queue keeps what it was given, in the columns that shared.sh asks for; a process a job, as sbatch is.
STAND_INS = {
    "sbatch": """read -r n <{dir}/last; n=$((n + 1)); echo $n >{dir}/last
for script; do :; done
printf '%s\\037PENDING\\037Priority\\037N/A\\0371700000000\\037me\\037\\037%s\\037%s\\037job\\n' $n "$PWD" "$script" >>{dir}/queue
echo $n""",
    "squeue": "cat {dir}/queue",
    "sacct": "exit 0",
    "scancel": "exit 0",
    "scontrol": "echo ClusterName = here",
}
CONFIG = """clusters:
  here: {{prepend: ["PATH={bin}:$PATH"], max_submit: 100000, stagger_seconds: 0}}
"""


RUNNING, STEPS = 25, 2000
#: Of a training and an evaluation each.
PLANNED_RUNS = 2500


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
        home.environment["HOME"] = name
        with home.running():
            plan(home, build(dir / "planned", *(Run(f"r{n}", epochs=1) for n in range(PLANNED_RUNS))))
            measure(home, experiment, runs)
            alone = bare_loop(dir, 1000) * runs / 1000
            print(f"the stand-in's own time for so many, in a bare loop: {alone:.1f} s")
            time.sleep(30)
            print(f"{runs} jobs that wait, a quiet minute: {a_minute(home)}")
            print(f"{RUNNING} of them run: {a_minute(home, begun(dir / 'slurm' / 'queue'))}")


class Asking:
    """How long the daemon takes to answer `ls`, over and over, without the time that a client takes to start."""

    def __init__(self, home: Home) -> None:
        os.environ["RUNEXP_HOME"] = str(home.dir)
        self.slowest_seconds = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._is_over.wait(0.05):
            began = time.monotonic()
            connection.ask(requests.Ls(), requests.LsReply)
            self.slowest_seconds = max(self.slowest_seconds, time.monotonic() - began)


def plan(home: Home, experiment: Path) -> None:
    began = time.monotonic()
    with Asking(home) as asking:
        done = home.runexp("plan", f"here:{experiment}")
    assert done.returncode == 0, done.stderr
    taken, deaf = time.monotonic() - began, asking.slowest_seconds
    print(f"`plan` of {2 * PLANNED_RUNS} jobs: {taken:.1f} s; slowest answer to `ls` meanwhile {deaf:.2f} s")


def measure(home: Home, experiment: Path, runs: int) -> None:
    began = time.monotonic()
    with Asking(home) as asking:
        done = home.runexp("run", "--detach", f"here:{experiment}")
        assert done.returncode == 0, done.stderr
        entered, slowest = time.monotonic() - began, 0.0
        while True:
            asked = time.monotonic()
            (line,) = home.json("ls")
            slowest = max(slowest, time.monotonic() - asked)
            if line["counts"].get("PENDING", 0) >= runs:
                break
            time.sleep(0.5)
    print(
        f"{runs} runs: entered in {entered:.1f} s, all submitted after {time.monotonic() - began:.1f} s; "
        f"slowest `ls` meanwhile {slowest:.2f} s, its answer alone {asking.slowest_seconds:.2f} s; {line['counts']}"
    )


def bare_loop(dir: Path, times: int) -> float:
    """Seconds."""
    loop = f'for n in $(seq {times}); do "{dir}/bin/sbatch" script >/dev/null; done'
    kept, began = (dir / "slurm" / "queue").read_bytes(), time.monotonic()
    subprocess.run(["sh", "-c", loop], check=True)
    taken = time.monotonic() - began
    (dir / "slurm" / "queue").write_bytes(kept)
    return taken


def begun(queue: Path) -> list[Path]:
    """The first jobs of the queue run from now on; their outputs."""
    rows = [line.split("\037") for line in queue.read_text().splitlines()]
    for row in rows[:RUNNING]:
        row[1:4] = "RUNNING", "None", str(int(time.time()))
    fresh = queue.with_suffix(".new")
    fresh.write_text("".join("\037".join(row) + "\n" for row in rows))
    fresh.rename(queue)
    return [Path(row[8]).parent.resolve() / "artifacts" / f"slurm-{row[0]}.out" for row in rows[:RUNNING]]


def a_minute(home: Home, outputs: Sequence[Path] = ()) -> str:
    """What it costs, with these outputs growing."""
    before = spent(home), spent_by_children(home)
    for second in range(60):
        for output in outputs:
            append(
                output, f"\r1|{second}|Loss: 2.0: {second:3}%|#| {second}/{STEPS} [00:00<00:01, 57.37it/s]\n"
            )
        time.sleep(1)
    own, of_children = spent(home) - before[0], spent_by_children(home) - before[1]
    held, most = megabytes(home), megabytes(home, "VmHWM")
    return f"{own / 0.6:.1f} % of a core, and what it starts {of_children / 0.6:.1f} %; {held:.0f} MB, {most:.0f} at most so far"


def append(output: Path, line: str) -> None:
    output.parent.mkdir(exist_ok=True)
    with output.open("a") as file:
        file.write(line)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
