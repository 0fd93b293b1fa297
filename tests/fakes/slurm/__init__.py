"""Slurm's commands as they behave on one machine, for faults that the real ones can't be made to show."""

import json
import stat
import sys
from pathlib import Path

COMMANDS = Path(__file__).with_name("commands.py")
NAMES = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")


class FakeSlurm:
    """Its directory: programs in bin/, jobs in jobs.json, and faults.json, which says who fails how."""

    def __init__(self, dir: Path) -> None:
        self.dir = dir
        self.bin = dir / "bin"
        self.bin.mkdir(parents=True)
        for name in NAMES:
            program = self.bin / name
            program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {COMMANDS} {name} {dir} "$@"\n')
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def fail(self, **faults: str) -> None:
        """From now on, by command: see commands.py. None given: all is well again."""
        (self.dir / "faults.json").write_text(json.dumps(faults))

    def forget(self) -> None:
        """Every job, as a slurmctld that lost its state does. What runs, runs on."""
        (self.dir / "jobs.json").write_text("{}")

    def call(self, id: str, state: str) -> None:
        """A job's state, by a word of its own."""
        jobs = json.loads((self.dir / "jobs.json").read_text())
        jobs[id]["state"] = state
        (self.dir / "jobs.json").write_text(json.dumps(jobs))

    def jobs(self) -> list[dict[str, object]]:
        path = self.dir / "jobs.json"
        return list(json.loads(path.read_text()).values()) if path.exists() else []

    def calls(self) -> list[str]:
        """The names of the commands that were run, in order."""
        path = self.dir / "calls"
        return path.read_text().split() if path.exists() else []
