"""A Slurm played by one process on this machine: what is submitted runs at once, in a fork of it, and costs a few milliseconds.

It knows the scripts of fakes.experiments, and no others. The bin/ of its directory is what a daemon's PATH is to begin with.
"""

import argparse  # noqa: F401  # the jobs' own imports: made once, before they are forked
import os
import re
import runpy
import shlex
import sys
import time
import zipfile  # noqa: F401
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import NoReturn, Self

from runexpd.clusters.slurm.commands import FIELDS

US = "\x1f"
#: Whoever makes the file that wasn't there has the number; no process but sbatch's own.
SBATCH = """for script; do :; done
read -r n <{dir}/last; n=$((n + 1)); set -C
until {{ printf '%s\\n%s\\n' "$PWD" "$script" >{dir}/submitted/$n; }} 2>/dev/null; do n=$((n + 1)); done
set +C; echo $n >{dir}/last; echo $n"""
COMMANDS = {
    "sbatch": SBATCH,
    "squeue": "cat {dir}/queue",
    "sacct": "cat {dir}/accounting",
    "scancel": "exit 0",
    "scontrol": "echo ClusterName = here",
}
#: Accounting forgets what ended so many jobs ago.
REMEMBERED = 2000
ROUND_SECONDS = 0.1


class Slurm:
    """Use as a context manager."""

    def __init__(self, dir: Path) -> None:
        self.bin = dir / "bin"
        for place in (self.bin, dir / "submitted"):
            place.mkdir(parents=True)
        (dir / "last").write_text("0\n")
        for command, body in COMMANDS.items():
            (self.bin / command).write_text(f"#!/bin/sh\n{body.format(dir=dir)}\n")
            (self.bin / command).chmod(0o755)
        self._player = get_context("fork").Process(target=_Player(dir).play, daemon=True)

    def __enter__(self) -> Self:
        self._player.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._player.kill()
        self._player.join()


@dataclass
class _Job:
    id: int
    workdir: str
    script: str
    began_at: int = field(default_factory=lambda: int(time.time()))
    ended_at: int = 0
    exit_code: int = 0

    def queued(self) -> str:
        """A row of squeue's, as shared.sh asks for it."""
        began = str(self.began_at)
        known = (str(self.id), "RUNNING", "None", began, began, "me", "here", self.workdir)
        return US.join((*known, self.script, "job"))

    def accounted(self) -> str:
        """A row of sacct's, as runexpd asks for it; nothing is known of its usage."""
        state = "FAILED" if self.exit_code else "COMPLETED"
        began, ended = str(self.began_at), str(self.ended_at)
        known = (str(self.id), state, f"{self.exit_code}:0", began, ended, "me", began, "job", self.workdir)
        return US.join((*known, *[""] * (len(FIELDS) - len(known) - 1), f"sbatch {self.script}"))


class _Player:
    def __init__(self, dir: Path) -> None:
        self._dir = dir
        self._last = 0
        #: By process.
        self._running: dict[int, _Job] = {}
        self._ended: deque[_Job] = deque(maxlen=REMEMBERED)
        self._show()

    def play(self) -> None:
        """Until killed."""
        while True:
            self._begin()
            self._end()
            self._show()
            time.sleep(ROUND_SECONDS)

    def _begin(self) -> None:
        with suppress(FileNotFoundError):
            while (text := (self._dir / "submitted" / str(self._last + 1)).read_text()).count("\n") == 2:
                self._last += 1
                workdir, script = text.splitlines()
                job = _Job(self._last, workdir, script)
                self._running[os.fork() or _run(job)] = job

    def _end(self) -> None:
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                job = self._running.pop(found[0])
                job.ended_at, job.exit_code = int(time.time()), os.waitstatus_to_exitcode(found[1])
                self._ended.append(job)

    def _show(self) -> None:
        _put(self._dir / "accounting", (job.accounted() for job in self._ended))
        _put(self._dir / "queue", (job.queued() for job in self._running.values()))


def _put(table: Path, rows: Iterable[str]) -> None:
    """Whole, for whoever reads it at any moment."""
    fresh = table.with_suffix(".new")
    fresh.write_text("".join(f"{row}\n" for row in rows))
    fresh.rename(table)


def _run(job: _Job) -> NoReturn:
    """The script's last line, which runs a program of Python's; in a process of its own."""
    code = 1
    try:
        os.chdir(job.workdir)
        text = Path(job.script).read_text()
        _write_to(re.search(r"^#SBATCH --output=(\S+)", text, re.MULTILINE), job.id)
        sys.argv = shlex.split(text.splitlines()[-1])[4:]
        runpy.run_path(sys.argv[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        sys.stdout.flush()
        os._exit(code)


def _write_to(output: re.Match[str] | None, id: int) -> None:
    file = (output[1] if output else "slurm-%j.out").replace("%j", str(id))
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
