"""A private daemon that reaches the real Slurm of the tests over SSH, and experiments on it."""

import json
import os
import re
import shutil
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cluster
from fakes.experiments import JOBS, Run, build
from fakes.home import Home

#: Quick, where a test is not about politeness.
SETTINGS = {"stagger_seconds": 0, "queries_per_minute": 600}


class Remote(Home):
    """Its HOME has an ssh configuration that knows `cluster`. `settings`: of the cluster `test`, in runexpd's configuration."""

    def __init__(self, dir: Path, slurm: cluster.Cluster, settings: Mapping[str, object] = SETTINGS) -> None:
        super().__init__(dir, json.dumps({"clusters": {"test": {"host": "cluster", **settings}}}))
        self.slurm = slurm
        ssh = dir / "user" / ".ssh"
        ssh.mkdir(parents=True)
        shutil.copy(slurm.path / "ssh_config", ssh / "config")
        self.environment["HOME"] = str(dir / "user")

    def experiment(self, *runs: Run, name: str = "words") -> Path:
        """Scaffolded in the cluster's home, as its user's own."""
        jobs = self.slurm.home / "jobs"
        if not jobs.exists():
            shutil.copytree(JOBS, jobs)
        dir = build(self.slurm.home / f"{name}-{uuid.uuid4().hex[:6]}", *runs, name=name, jobs=jobs)
        self.give(dir)
        return dir

    def give(self, dir: Path) -> None:
        """To the cluster's user."""
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{self.slurm.user}:", dir], check=True)

    def run(self, dir: Path, *options: str) -> subprocess.CompletedProcess[str]:
        return self.runexp("run", *options, f"test:{dir}")

    def job_id(self, job: str, number: int = -1) -> str:
        """The Slurm job id of an accepted attempt."""
        accepted = [e["slurm_job_id"] for e in self.of_type("SubmitAccepted") if e["job"] == job]
        return str(accepted[number])

    def slurm_jobs(self) -> Counter[str]:
        """How many Slurm jobs there are of each token of our ledger: as the queue, which forgets, and accounting, which
        is late, have it between them."""
        tokens = {event["token"] for event in self.of_type("AttemptIntended")}
        queue = self.slurm.run("squeue", "-h", "-t", "all", "-o", "%A|%o").stdout
        rows = (line.partition("|") for line in (queue + self._accounted()).splitlines())
        seen = {(id, token_of(command)) for id, _, command in rows}
        return Counter(token for _, token in seen if token in tokens)

    def _accounted(self) -> str:
        """Before 21.08 accounting didn't keep the command; then it is the queue's five minutes that count."""
        if self.slurm.version < "21.08":
            return ""
        fields = "--format=JobID,SubmitLine"
        return self.slurm.run("sacct", "-n", "-X", "-P", "-S", "now-1days", fields).stdout

    def accepted(self) -> dict[str, Any]:
        """Slurm job ids by token."""
        return {event["token"]: event["slurm_job_id"] for event in self.of_type("SubmitAccepted")}


def token_of(command: str) -> str:
    """The token in a command line that runexp submitted; empty in any other."""
    found = re.search(r"/\.runexp/([^/]+)/", command)
    return found[1] if found else ""
