"""Slurm's commands as they behave on one machine, for faults that the real ones can't be made to show."""

import marshal
import stat
import sys
from pathlib import Path

#: Imported: what is run as a script is compiled anew each time.
COMMANDS = f"import sys; sys.path.append('{Path(__file__).parent}'); import commands"
NAMES = ("sbatch", "squeue", "sacct", "scancel", "scontrol", "sinfo")


class FakeSlurm:
    """Its directory: programs in bin/, `jobs`, and `faults`, which says who fails how."""

    def __init__(self, dir: Path) -> None:
        self.dir = dir
        self.bin = dir / "bin"
        self.bin.mkdir(parents=True)
        for name in NAMES:
            program = self.bin / name
            # sh would lose functions that are handed on to jobs; the real ones are no scripts.
            program.write_text(
                f'#!/bin/bash\nexec {sys.executable} -I -S -c "{COMMANDS}" {name} {dir} "$@"\n'
            )
            program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def fail(self, **faults: str) -> None:
        """From now on, by command: see commands.py. None given: all is well again."""
        (self.dir / "faults").write_bytes(marshal.dumps(faults))

    def forget(self) -> None:
        """Every job, as a slurmctld that lost its state does. What runs, runs on."""
        (self.dir / "jobs").write_bytes(marshal.dumps({}))

    def call(self, id: str, state: str) -> None:
        """A job's state, by a word of its own."""
        jobs = self._known()
        jobs[id]["state"] = state
        (self.dir / "jobs").write_bytes(marshal.dumps(jobs))

    def jobs(self) -> list[dict[str, object]]:
        return list(self._known().values())

    def _known(self) -> dict[str, dict[str, object]]:
        path = self.dir / "jobs"
        return dict(marshal.loads(path.read_bytes())) if path.exists() else {}

    def calls(self) -> list[str]:
        """The names of the commands that were run, in order."""
        path = self.dir / "calls"
        return path.read_text().split() if path.exists() else []
