"""What distance costs: the promises of `make bench`, with a delaying proxy between the daemon and the cluster.

    python tests/bench/far.py [--rtt MS ...] [--row NAME ...] [--tries N] [--transport asyncssh|openssh]

The connection is there when the clock starts. Times of jobs are slurmctld's own, from its log, to the millisecond.
"""

import argparse
import shlex
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median

import configs
import slurm_log
import submission
from bench_site import Counted, check, running, slurm
from phases import RUNS

from cluster import Cluster
from fakes.distance import distance
from fakes.experiments import Run
from fakes.home import wait_for

RTTS = (0, 50, 200, 600)
#: 80 trainings, and four evaluations of each.
MANY = tuple(Run(f"r{number}", epochs=4, directives="#SBATCH --hold\n") for number in range(80))
SHARDED = (Run("sharded", seconds=2, shards=64),)
Figures = dict[str, str]


class Far(Counted):
    """A daemon that is `rtt_seconds` away from its cluster."""

    def __init__(self, up: Cluster, port: int, rtt_seconds: float, transport: str | None) -> None:
        given = {"transport": transport} if transport else {}
        super().__init__(up, stagger_seconds=0, max_submit=1000, **given)
        self.rtt_seconds = rtt_seconds
        self.ssh_config = self.dir / "user" / ".ssh" / "config"
        self._lead_through(port)

    def _lead_through(self, port: int) -> None:
        """By the proxy, whose port the known host has, too."""
        own, known = str(self.slurm.ports["sshd"]), self.ssh_config.parent / "known_hosts"
        there = self.slurm.path / "etc" / "known_hosts"
        known.write_text(there.read_text().replace(f":{own} ", f":{port} "))
        config = configs.ssh_config(self.slurm.path, self.slurm.user, {"sshd": port})
        self.ssh_config.write_text(config.replace(str(there), str(known)))
        self._lead_ssh()

    def _lead_ssh(self) -> None:
        """OpenSSH looks for its configuration where the password file says, whatever HOME is."""
        bin = self.dir / "bin"
        bin.mkdir()
        (bin / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {self.ssh_config} "$@"\n')
        (bin / "ssh").chmod(0o755)
        self.environment["PATH"] = f"{bin}:{self.environment['PATH']}"

    def commands(self) -> int:
        """How many commands and subsystems our sshd was asked for."""
        return (self.slurm.path / "log" / "sshd.out").read_text().count("Starting session: ")

    def entered(self, dir: Path) -> float:
        """How long `run` takes to enter an experiment."""
        began = time.monotonic()
        check(self.run(dir, "--detach"))
        return time.monotonic() - began

    def cancel(self) -> None:
        check(self.runexp("cancel", "--yes", str(self.json("ls")[0]["id"])))
        self.over()

    def at(self, type: str) -> float | None:
        """When the training of `shards` had this event, in seconds since 1970."""
        query = "SELECT at FROM events WHERE type = ? AND body ->> 'job' = 'sharded'"
        with closing(sqlite3.connect(self.dir / "state" / "ledger.sqlite")) as ledger, ledger:
            return next((at for (at,) in ledger.execute(query, (type,))), None)

    def over(self) -> None:
        wait_for(lambda: self.json("ls")[0]["outcome"] is not None, "it has ended", 300)


def experiment(far: Far, tries: int) -> Figures:
    """8 trainings of 2 epochs, then their 16 evaluations."""
    dir, earlier = far.experiment(*RUNS, name="experiment"), set(far.accepted().values())
    far.forget()
    entered = far.entered(dir)
    far.over()
    commands = far.counted()
    trained = {e["slurm_job_id"] for e in far.of_type("SubmitAccepted") if "/" not in e["job"]} - earlier
    jobs = slurm_log.jobs(far.slurm, set(far.accepted().values()) - earlier)
    assert (len(jobs), len(trained)) == (24, 8)
    last_end = max(job.ended for id, job in jobs.items() if id in trained)
    first = min(job.submitted for id, job in jobs.items() if id not in trained)
    whole, bare = slurm_log.seconds(jobs.values()), with_dependencies(far)
    return {
        "last end to first evaluation": f"{first - last_end:.2f} s",
        "whole experiment": f"{whole / bare:.2f} x",
        "whole experiment, seconds": f"{whole:.1f} / {bare:.1f}",
        "run of 24 jobs, entered": f"{entered:.2f} s",
        "Slurm commands": str(commands.total()),
    }


_BARE: dict[str, float] = {}


def with_dependencies(far: Far) -> float:
    """The same by Slurm's own means, next door: all is submitted at the start, evaluations wait for all trainings. Once."""
    if far.slurm.dir not in _BARE:
        dir = far.experiment(*RUNS, name="bare")
        script = f"""cd {shlex.quote(str(dir))}
for run in r*; do mkdir $run/artifacts; ids=$ids:$(cd $run && sbatch --parsable finetune.slurm); done
for cell in r*/eval/*; do (cd $cell && sbatch --parsable --dependency=afterany$ids cell.slurm); done
echo ${{ids#:}} | tr : '\\n'"""
        ids = far.slurm.run("sh", "-c", script).stdout.split()
        wait_for(lambda: not far.slurm.run("squeue", "-h").stdout, "they are over", 120)
        jobs = slurm_log.jobs(far.slurm, ids)
        assert len(jobs) == 24
        _BARE[far.slurm.dir] = slurm_log.seconds(jobs.values())
    return _BARE[far.slurm.dir]


def enter_many(far: Far, tries: int) -> Figures:
    entered = far.entered(far.experiment(*MANY, name="many"))
    far.cancel()
    return {"run of 400 jobs, entered": f"{entered:.2f} s"}


def submissions(far: Far, tries: int) -> Figures:
    """From the first intent in the ledger to the last acceptance, and a loop of `sbatch` over a connection that is there."""
    with far.uncounted():
        pairs = [(bare_loop(far), submission.through_runexp(far)) for _ in range(tries)]
    shown = " ".join(f"{ours:.1f}/{bare:.1f}" for bare, ours in pairs)
    return {
        "200 submissions": f"{median(ours / bare for bare, ours in pairs):.2f} x",
        "200 submissions, pairs in seconds": shown,
    }


def bare_loop(far: Far) -> float:
    dir = submission.scaffold(far)
    with shared_connection(far) as ssh:
        began = time.monotonic()
        loop = submission.LOOP.format(dir=dir, jobs=submission.JOBS)
        printed = subprocess.run([*ssh, loop], capture_output=True, text=True, check=True).stdout
        seconds = time.monotonic() - began
    assert len(printed.split()) == submission.JOBS
    submission.cancel_all(far.slurm)
    return seconds


@contextmanager
def shared_connection(far: Far) -> Iterator[list[str]]:
    """`ssh` over a connection that is there already."""
    with tempfile.TemporaryDirectory(prefix="runexp-bench-") as place:
        options = [
            "-o",
            "ControlMaster=auto",
            "-o",
            f"ControlPath={place}/master",
            "-o",
            "ControlPersist=yes",
        ]
        ssh = ["ssh", "-F", str(far.ssh_config), *options]
        subprocess.run([*ssh, "cluster", "true"], check=True, stderr=subprocess.DEVNULL)
        try:
            yield [*ssh, "cluster"]
        finally:
            subprocess.run([*ssh, "-O", "exit", "cluster"], check=True, stderr=subprocess.DEVNULL)


_NEXT_DOOR: dict[str, float] = {}


def shards(far: Far, tries: int) -> Figures:
    """From a training's end in the ledger to its verification. Round trips: by how much longer that takes than next door."""
    check(far.run(far.experiment(*SHARDED, name="sharded"), "--detach"))
    wait_for(lambda: far.at("JobEnded") is not None, "it has ended", 120)
    before = far.commands()
    wait_for(lambda: far.at("ResultVerified") is not None, "it is verified", 120)
    commands = far.commands() - before
    seconds = (far.at("ResultVerified") or 0.0) - (far.at("JobEnded") or 0.0)
    far.over()
    next_door = _NEXT_DOOR.setdefault(far.slurm.dir, seconds)
    trips = f"{(seconds - next_door) / far.rtt_seconds:.1f}" if far.rtt_seconds else "-"
    return {
        "64 shards verified": f"{seconds:.2f} s",
        "64 shards verified, round trips": trips,
        "64 shards verified, commands": str(commands),
    }


Row = Callable[[Far, int], Figures]
ROWS: dict[str, Row] = {
    "experiment": experiment,
    "many": enter_many,
    "submissions": submissions,
    "shards": shards,
}
#: What a figure should be at most, by round-trip time in seconds.
ASKED: dict[str, Callable[[float], str]] = {
    "last end to first evaluation": lambda rtt: f"{1 + 4 * rtt:.1f}",
    "whole experiment": lambda rtt: "1.10" if rtt == 0 else "1.25" if rtt <= 0.2 else "",
    "run of 24 jobs, entered": lambda rtt: f"{1 + 6 * rtt:.1f}",
    "Slurm commands": lambda rtt: "33",
    "run of 400 jobs, entered": lambda rtt: f"{4 + 8 * rtt:.1f}",
    "200 submissions": lambda rtt: "1.25",
    "64 shards verified, round trips": lambda rtt: "2" if rtt else "",
}


def main() -> None:
    args = parsed()
    table: dict[int, Figures] = {}
    with slurm() as up:
        for rtt in args.rtt:
            table[rtt] = measure(up, rtt, args)
    show(table)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rtt", type=int, nargs="+", default=RTTS, metavar="MS", help="round-trip times")
    parser.add_argument("--row", nargs="+", default=list(ROWS), choices=ROWS, help="what is measured")
    parser.add_argument("--tries", type=int, default=3, help="pairs of 200 submissions")
    parser.add_argument("--transport", choices=["asyncssh", "openssh"])
    return parser.parse_args()


def measure(up: Cluster, rtt: int, args: argparse.Namespace) -> Figures:
    figures: Figures = {}
    with distance(up.ports["sshd"], rtt / 1000) as port:
        far = Far(up, port, rtt / 1000, args.transport)
        with running(far):
            check(far.runexp("doctor", "test"))
            for name in args.row:
                found = attempted(ROWS[name], far, args.tries)
                figures |= found
                print(f"RTT {rtt} ms, {name}: {found}", file=sys.stderr, flush=True)
    return figures


def attempted(row: Row, far: Far, tries: int) -> Figures:
    """What fails is a figure too, and stops no other."""
    try:
        return row(far, tries)
    except (SystemExit, AssertionError) as error:
        print(error, file=sys.stderr, flush=True)
        return {f"{row.__name__}: failed": "yes"}


def show(table: dict[int, Figures]) -> None:
    """A line a figure, a column a distance, with what is asked in brackets."""
    titles = list(dict.fromkeys(title for figures in table.values() for title in figures))
    print("| | " + " | ".join(f"RTT {rtt} ms" for rtt in table) + " |")
    print("| --- |" + " --- |" * len(table))
    for title in titles:
        cells = [cell(title, rtt, figures) for rtt, figures in table.items()]
        print(f"| {title} | " + " | ".join(cells) + " |")


def cell(title: str, rtt: int, figures: Figures) -> str:
    asked = ASKED[title](rtt / 1000) if title in ASKED else ""
    return figures.get(title, "") + (f" ({asked})" if asked else "")


if __name__ == "__main__":
    main()
