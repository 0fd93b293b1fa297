"""A submission that is cut off at any moment, by any hand: one Slurm job an attempt, none lost.

RUNEXP_CHAOS_ROUNDS=300 pytest tests/clusters/test_slurm_chaos.py     as often as you like; a few in every run of the tests
"""

import os
import random
import time
import uuid
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import processes
import pytest

from cluster import Cluster
from fakes.remote import token_of
from fakes.slurm.sites import target
from runexpd.clusters.base import Accepted, Answer, Deferred, Submission, Unclear
from runexpd.clusters.slurm import cluster as slurm_cluster
from runexpd.clusters.slurm.cluster import SlurmCluster
from runexpd.hosts.base import HostError
from runexpd.hosts.ssh import open_ssh
from runexpd.hosts.ssh_link import Pace

ROUNDS = int(os.environ.get("RUNEXP_CHAOS_ROUNDS", "10"))
JOBS = 6
QUICK = Pace(floor_seconds=0.0, ceiling_seconds=0.1, steady_seconds=0.0)

pytestmark = [pytest.mark.real, pytest.mark.timeout(60 + 20 * ROUNDS)]


class Round:
    """A batch that is to become one Slurm job each, over links that die."""

    def __init__(self, slurm: Cluster, dir: Path, number: int) -> None:
        self.slurm = slurm
        self.mark = f"{uuid.uuid4().hex[:8]}r{number}"
        self.script = dir / "true.slurm"
        self.dir = dir
        #: The newest answer to each attempt, by token.
        self.answers: dict[str, Answer] = {}
        #: Answers that were lost at first.
        self.doubtful = 0

    def submission(self, token: str) -> Submission:
        dir = str(self.dir)
        return Submission(token=token, script=str(self.script), workdir=dir, name="true", results=dir)

    async def with_link(self, work: Callable[[SlurmCluster], object]) -> None:
        """`work` on a link of its own, as a daemon that was started anew has."""
        async with open_ssh(target(self.slurm), now=time.time, jitter=random.random, pace=QUICK) as host:
            await work(SlurmCluster("test", host))  # type: ignore[misc]

    async def send(self, cluster: SlurmCluster, tokens: list[str]) -> None:
        async for answers in cluster.submit([self.submission(token) for token in tokens]):
            self.answers |= answers

    async def find_out(self, cluster: SlurmCluster, tokens: list[str]) -> None:
        """Until nothing is in doubt any more."""
        while tokens:
            self.answers |= await cluster.resolve([self.submission(token) for token in tokens])
            tokens = [token for token in tokens if isinstance(self.answers[token], Unclear)]
            await anyio.sleep(0.2)


async def cut_off(round: Round, tokens: list[str], after_seconds: float, how: str) -> None:
    """Send the batch, and break it off in the middle."""

    async def work(cluster: SlurmCluster) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(round.send, cluster, tokens)
            await anyio.sleep(after_seconds)
            match how:
                case "daemon":
                    tasks.cancel_scope.cancel()
                case "sshd":
                    round.slurm.cut_ssh()
                case "shell":
                    kill_submitters(round.mark)
                case "tcp":
                    if connection := cluster.host.link._connection:  # type: ignore[attr-defined]
                        connection.abort()

    try:
        await round.with_link(work)
    except* HostError:
        pass


def kill_submitters(mark: str) -> None:
    """Every remote process with a token of ours on its command line, sbatch included."""
    processes.kill_called(mark.encode())


async def test_one_job_an_attempt_whatever_is_cut(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 2)
    dir = slurm.home / f"chaos-{uuid.uuid4().hex[:6]}"
    dir.mkdir()
    (dir / "true.slurm").write_text("#!/bin/sh\n#SBATCH --output=/dev/null\ntrue\n")
    seen: Counter[str] = Counter()
    for number in range(ROUNDS):
        how, after = random.choice(["daemon", "sshd", "shell", "tcp"]), random.uniform(0.02, 0.13)
        round = Round(slurm, dir, number)
        await one_round(round, how, after)
        jobs = jobs_of(slurm, round.mark)
        accepted = {t: a.slurm_job_id for t, a in round.answers.items() if isinstance(a, Accepted)}
        assert jobs == {(id, token) for token, id in accepted.items()}, f"{how} after {after:.3f} s"
        assert len(accepted) == JOBS, f"{how} after {after:.3f} s"
        seen[how if round.doubtful else f"{how}, too late"] += 1
    print(f"\n{ROUNDS} rounds of {JOBS} submissions: {dict(sorted(seen.items()))}")


async def one_round(round: Round, how: str, after: float) -> None:
    """Until each of the jobs has an attempt that was accepted."""
    owed = {n: f"{round.mark}-{n}-1" for n in range(JOBS)}
    await cut_off(round, list(owed.values()), after, how)
    with anyio.fail_after(30):
        while owed:
            doubtful = [t for t in owed.values() if isinstance(round.answers.get(t, Unclear("")), Unclear)]
            if doubtful:
                round.doubtful += len(doubtful)
                await round.with_link(lambda cluster, d=doubtful: round.find_out(cluster, d))  # type: ignore[misc]
            for n, token in list(owed.items()):
                if isinstance(round.answers[token], Accepted):
                    del owed[n]
                elif isinstance(round.answers[token], Deferred):
                    owed[n] = f"{round.mark}-{n}-{int(token.rpartition('-')[2]) + 1}"
            fresh = [token for token in owed.values() if token not in round.answers]
            if fresh:
                await round.with_link(lambda cluster, f=fresh: round.send(cluster, f))  # type: ignore[misc]


def jobs_of(slurm: Cluster, mark: str) -> set[tuple[str, str]]:
    """(id, token) of every job that Slurm knows."""
    listed = slurm.run("squeue", "-h", "-t", "all", "-o", "%A|%o").stdout.splitlines()
    rows = [line.partition("|") for line in listed]
    return {(id, token) for id, _, command in rows if (token := token_of(command)).startswith(mark)}
