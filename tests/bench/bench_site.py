"""What benchmarks share: a Slurm of their own that counts its commands, a daemon of their own, experiments to run."""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cluster
from fakes.remote import Remote

COUNTED = ("sbatch", "squeue", "sacct", "scancel", "scontrol")


class Counted(Remote):
    """A daemon whose cluster counts every Slurm command that it is asked to run."""

    def __init__(self, slurm: cluster.Cluster, **limits: object) -> None:
        self.calls, self._bin = slurm.path / "calls", slurm.path / "bin"
        self._bin.mkdir(exist_ok=True)
        settings = {"prepend": [f"PATH={self._bin}:$PATH"], **limits}
        super().__init__(Path(tempfile.mkdtemp(prefix="runexp-bench-")), slurm, settings)
        self._count()

    def _count(self) -> None:
        for name in COUNTED:
            program = self._bin / name
            program.write_text(
                f'#!/bin/sh\necho "{name} $(date +%s)" >>{self.calls}\nexec {shutil.which(name)} "$@"\n'
            )
            program.chmod(0o755)
        self.give(self._bin)

    @contextmanager
    def uncounted(self) -> Iterator[None]:
        """Without what counting costs: two processes a command, which is as much as half of an sbatch."""
        for name in COUNTED:
            (self._bin / name).unlink()
        yield
        self._count()

    def counted(self) -> Counter[str]:
        """How often each command was run since `forget`."""
        return Counter(line.split()[0] for line in self.lines())

    def lines(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []

    def forget(self) -> None:
        self.calls.unlink(missing_ok=True)

    def logins(self) -> int:
        return (self.slurm.path / "log" / "sshd.out").read_text().count("Accepted publickey")

    def jobs(self) -> list[dict[str, int | str]]:
        """Every Slurm job of our ledger, with accounting's times in whole seconds since 1970."""
        ids = ",".join(self.accepted().values())
        fields = "--format=JobID,Submit,Start,End,State"
        listed = self.slurm.run(
            "env", "SLURM_TIME_FORMAT=%s", "sacct", "-n", "-X", "-P", "-j", ids, fields
        ).stdout
        rows = [line.split("|") for line in listed.splitlines()]
        return [
            {"id": id, "submit": int(submit), "start": int(start), "end": int(end), "state": state}
            for id, submit, start, end, state in rows
        ]


@contextmanager
def slurm() -> Iterator[cluster.Cluster]:
    """A cluster for this benchmark alone."""
    dir = Path(tempfile.mkdtemp(prefix="runexp-slurm-"))
    cluster.prepare()
    try:
        yield cluster.up(dir)
    finally:
        cluster.down(dir)
        shutil.rmtree(dir, ignore_errors=True)


@contextmanager
def daemon(up: cluster.Cluster, **limits: object) -> Iterator[Counted]:
    counted = Counted(up, **limits)
    with running(counted):
        yield counted


@contextmanager
def running(home: Remote) -> Iterator[None]:
    home.start()
    try:
        yield
    finally:
        home.stop()
        shutil.rmtree(home.dir, ignore_errors=True)


def check(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode != 0:
        sys.exit(f"{done.args} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
