"""A place to submit to: the fake Slurm on this machine, or the real one over SSH. The same tests run on both."""

import os
import random
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import anyio

import cluster
from fakes.slurm import FakeSlurm
from runexpd.clusters.base import Accepted, Answer, JobReport, Known, Submission
from runexpd.clusters.slurm import environment
from runexpd.clusters.slurm.cluster import SlurmCluster
from runexpd.hosts.base import Host, Ran
from runexpd.hosts.local import LocalHost
from runexpd.hosts.ssh import open_ssh
from runexpd.hosts.ssh_target import SshTarget


class Behind:
    """A host whose commands come after lines of shell."""

    def __init__(self, host: Host, lines: Sequence[str]) -> None:
        self._host = host
        self._lines = lines

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        script = "\n".join(["{", *self._lines, "} >&2 </dev/null", 'exec "$@"'])
        return await self._host.run(["sh", "-c", script, "sh", *argv], stdin, timeout_seconds)


class Site:
    """A directory on a cluster, scripts in it, and what was submitted from it."""

    def __init__(self, dir: Path, host: Host, home: Path, user: str | None) -> None:
        self.dir = dir
        self.host = host
        self.spool = home / ".runexp"
        self.user = user
        self.cluster = SlurmCluster("test", host)
        self.known: dict[str, Known] = {}
        self.mark = uuid.uuid4().hex[:8]
        dir.mkdir()
        self.give(dir)

    def give(self, path: Path) -> None:
        if self.user is not None and os.getuid() == 0:
            shutil.chown(path, self.user, self.user)

    def token(self, name: str) -> str:
        """Unlike any other of the whole run of tests."""
        plain = "".join(letter for letter in name if letter.isalnum())
        return f"{self.mark}-{plain}"

    def submission(
        self, name: str, body: str, directives: str = "", workdir: Path | None = None
    ) -> Submission:
        workdir = workdir or self.dir
        if not workdir.exists():
            workdir.mkdir()
            self.give(workdir)
        script = workdir / f"{name}.slurm"
        script.write_text(f"#!/bin/bash\n{directives}\n{body}\n")
        self.give(script)
        return Submission(token=self.token(name), script=str(script), workdir=str(workdir), name=script.name)

    def behind(self, account: Sequence[str] = (), prepend: Sequence[str] = ()) -> None:
        """From now on with lines of shell that the account's own start-up files hold, and with those of the configuration."""
        host = cast(Host, Behind(self.host, (*account, *environment.before(prepend))))
        self.cluster = SlurmCluster("test", host, prepend=prepend)

    def lose_receipt(self, submission: Submission) -> None:
        """And what sbatch printed: as if whoever was at it had been killed before either."""
        lock = self.spool / submission.token / "lock"
        lock.write_text("".join(f"{line}\n" for line in lock.read_text().split("\n")[:3]))

    def leave_a_lock(self, submission: Submission) -> None:
        """As of a submission whose process is gone, without a receipt."""
        room = self.spool / submission.token
        for made in (self.spool, room):
            if not made.exists():
                made.mkdir()
                self.give(made)
        (room / "lock").write_text(f"999999 1 {os.uname().nodename}\n")
        self.give(room / "lock")

    async def send(self, *batch: Submission) -> list[Answer]:
        answers = {t: a async for part in self.cluster.submit(batch) for t, a in part.items()}
        for token, answer in answers.items():
            if isinstance(answer, Accepted):
                self.known[token] = Known(answer.slurm_job_id, token)
        return [answers[submission.token] for submission in batch]

    async def resolve(self, *batch: Submission) -> list[Answer]:
        answers = await self.cluster.resolve(batch)
        return [answers[submission.token] for submission in batch]

    async def reports(self, *tokens: str) -> dict[str, JobReport]:
        found = await self.cluster.query([self.known[token] for token in tokens or self.known])
        return {report.token: report for report in found}

    async def until(self, token: str, states: Sequence[str], seconds: float = 30) -> JobReport:
        with anyio.fail_after(seconds):
            while (report := (await self.reports(token)).get(token)) is None or report.state not in states:
                await anyio.sleep(0.1)
        return report

    async def ended(self, token: str, seconds: float = 30) -> JobReport:
        with anyio.fail_after(seconds):
            while not (report := (await self.reports(token)).get(token)) or not report.final:
                await anyio.sleep(0.1)
        return report


def target(real: cluster.Cluster) -> SshTarget:
    return SshTarget(name="test", host="cluster", config_files=(f"{real.dir}/ssh_config",))


@asynccontextmanager
async def real_site(real: cluster.Cluster) -> AsyncIterator[Site]:
    async with open_ssh(
        target(real), now=time.time, jitter=random.random, prepend=environment.before(())
    ) as host:
        yield Site(real.home / f"site-{uuid.uuid4().hex[:8]}", host, real.home, real.user)


def fake_site(dir: Path) -> tuple[Site, FakeSlurm]:
    fake = FakeSlurm(dir / "slurm")
    host = LocalHost(environment.before([f"export PATH={fake.bin}:$PATH HOME={dir}"]))
    return Site(dir / "site", host, dir, None), fake
