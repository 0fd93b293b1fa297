"""This machine as a cluster: a spool of its own, and scripts to submit to it."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import msgspec

from runexp.wire.jobs import JobSpec
from runexp.wire.states import Phase
from runexpd.clusters.base import Accepted, Answer, JobReport, Known, Submission
from runexpd.clusters.local import processes
from runexpd.clusters.local.cluster import LocalCluster
from runexpd.hosts.local import LocalHost


class Machine:
    """A spool of its own, and scripts to submit to it."""

    def __init__(self, dir: Path, max_running: int = 2) -> None:
        dir.mkdir(exist_ok=True)
        self.dir = dir
        self.cluster = LocalCluster(dir / "spool", LocalHost(), max_running, kill_wait_seconds=0.5)
        self.known: dict[str, Known] = {}

    def submission(self, token: str, body: str, directives: str = "") -> Submission:
        script = self.dir / f"{token}.slurm"
        script.write_text(f"#!/bin/bash\n{directives}\n{body}\n")
        return Submission(token=token, script=str(script), workdir=str(self.dir), name=token)

    async def submit(self, token: str, body: str, directives: str = "") -> Answer:
        return await self.send(self.submission(token, body, directives))

    async def send(self, submission: Submission) -> Answer:
        answers = [answer async for part in self.cluster.submit([submission]) for answer in part.values()]
        self.learn(submission.token, answers[0])
        return answers[0]

    def learn(self, token: str, answer: Answer) -> None:
        if isinstance(answer, Accepted):
            self.known[token] = Known(answer.slurm_job_id, token)

    async def send_as(self, submission: Submission, **changes: Any) -> Answer:
        return await self.send(msgspec.structs.replace(submission, **changes))

    async def report(self, token: str) -> JobReport:
        (report,) = await self.cluster.query([self.known[token]])
        return report

    async def until(self, token: str, states: Sequence[str], seconds: float = 15) -> JobReport:
        with anyio.fail_after(seconds):
            while (report := await self.report(token)).state not in states:
                await anyio.sleep(0.02)
        return report

    async def ended(self, token: str) -> JobReport:
        with anyio.fail_after(15):
            while not (report := await self.report(token)).final:
                await anyio.sleep(0.02)
        return report

    def processes(self, token: str) -> set[int]:
        return processes.marked(self.dir / "spool" / "jobs" / self.known[token].slurm_job_id)

    def output(self, token: str) -> str:
        path = self.dir / f"slurm-{self.known[token].slurm_job_id}.out"
        return path.read_text() if path.exists() else ""


def keepers(machine: Machine, id: str) -> list[int]:
    """The processes that keep a job; one that it has forked, and that is about to be a script, is none."""
    directory = str(machine.dir / "spool" / "jobs" / id)
    parents = {}
    for entry in Path("/proc").iterdir():
        with suppress(OSError):  # it may end at any moment
            if entry.name.isdigit() and directory in _words(entry / "cmdline"):
                parents[int(entry.name)] = _parent(entry)
    return [pid for pid, parent in parents.items() if parent not in parents]


def _words(cmdline: Path) -> list[str]:
    return cmdline.read_text(errors="replace").split("\0")


def _parent(process: Path) -> int:
    return int((process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1])


def spec(script: Path, place: str = "", id: str = "run1") -> JobSpec:
    """A job as a scaffold tells of it."""
    return JobSpec(
        id=id,
        phase=Phase.OPTIMIZATION,
        tool="torchtune",
        run=id,
        script=str(script),
        workdir=str(script.parent),
        place=place,
        name=script.name,
        output="slurm-%j.out",
    )
