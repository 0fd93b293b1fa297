"""The daemon's side of the local backend: a runexpd.clusters.base.Cluster. It keeps nothing in memory that matters."""

import getpass
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio.to_thread
import msgspec

from runexp.wire.jobs import JobSpec
from runexp.wire.views import Check, Verdict
from runexpd.clusters.base import Accepted, Answer, Deferred, Found, JobReport, Known, Refused, Submission
from runexpd.clusters.local import directives, processes, spool
from runexpd.experiments import sbatch
from runexpd.hosts.base import Host


class LocalCluster:
    name = "local"
    queries = 0

    def __init__(self, root: Path, host: Host, max_running: int = 2, kill_wait_seconds: float = 5.0) -> None:
        """`root`: the spool's directory; made if it isn't there."""
        self.host = host
        self._root = root
        self._kill_wait_seconds = kill_wait_seconds
        spool.make(root)
        (root / "max_running").write_text(str(max_running))

    async def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        for submission in batch:
            yield {submission.token: await anyio.to_thread.run_sync(self._submit, submission)}

    async def resolve(self, batch: Sequence[Submission]) -> Mapping[str, Answer]:
        """Nothing is ever unclear here: the link is there or it is not, and only this daemon makes it."""
        return {
            each.token: await anyio.to_thread.run_sync(self._what_became_of, each.token) for each in batch
        }

    async def find(self, jobs: Sequence[JobSpec], ours: Collection[str]) -> Mapping[str, Found]:
        """None: nobody but the daemon submits here."""
        return {}

    async def query(self, jobs: Sequence[Known]) -> Sequence[JobReport]:
        return await anyio.to_thread.run_sync(self._query, jobs)

    async def cancel(self, jobs: Sequence[Known]) -> None:
        await anyio.to_thread.run_sync(self._cancel, jobs)

    async def examine(self, max_submit: int) -> Sequence[Check]:
        gpus = len(processes.gpu_numbers())
        turns = (self._root / "max_running").read_text()
        found = f"{os.cpu_count()} CPUs, {gpus} GPUs, {turns} jobs at a time"
        return [Check(name="this machine", verdict=Verdict.OK, found=found)]

    def _submit(self, submission: Submission) -> Answer:
        if (known := spool.find(self._root, submission.token)) is None:
            try:
                job, script = self._prepare(submission)
            except _Refusal as refusal:
                return Refused(str(refusal))
            known = spool.new_job(self._root, submission.token, job, script)
        _start_keeper(known)
        return Accepted(known.name)

    def _what_became_of(self, token: str) -> Answer:
        known = spool.find(self._root, token)
        if known is None:
            return Deferred("it never arrived", at_once=True)
        _start_keeper(known)
        return Accepted(known.name)

    def _query(self, jobs: Sequence[Known]) -> list[JobReport]:
        head = spool.head(self._root)
        return [report for job in jobs if (report := self._report(job, head)) is not None]

    def _report(self, job: Known, head: str | None) -> JobReport | None:
        directory = spool.find(self._root, job.token)
        if directory is None or directory.name != job.slurm_job_id:
            return None
        # The lock before the records: a keeper that ends in between has written its end by the time it lets go.
        kept = spool.is_held(directory / "keeper.lock")
        if end := spool.read(directory / "end.json"):
            return msgspec.convert({"token": job.token, "final": True, **end}, JobReport)
        if not kept:
            _start_keeper(directory)
        if start := spool.read(directory / "start.json"):
            return JobReport(token=job.token, state="RUNNING", final=False, started_at=start["at"])
        reason = "Resources" if directory.name == head else "Priority"
        return JobReport(token=job.token, state="PENDING", final=False, reason=reason)

    def _cancel(self, jobs: Sequence[Known]) -> None:
        for job in jobs:
            directory = spool.find(self._root, job.token)
            if directory is not None and not (directory / "end.json").exists():
                (directory / "cancel").touch()
                _start_keeper(directory)

    def _prepare(self, submission: Submission) -> tuple[Callable[[str], dict[str, Any]], bytes]:
        """What the keeper will need, given the id, and the script. Raises _Refusal, in sbatch's words where it has some."""
        _make_dirs(submission.output_dirs)
        script = _read_script(submission.script)
        try:
            asked = sbatch.read(script.decode(errors="replace"))
        except sbatch.BadDirective as bad:
            raise _Refusal(f"line {bad.line}: {bad.what}") from None
        cpus, gpus = os.cpu_count() or 1, len(processes.gpu_numbers())
        if why := directives.refusal(asked, cpus, gpus):
            raise _Refusal(why)
        workdir = os.path.join(submission.workdir, asked.chdir or "")
        if not os.path.isdir(workdir):
            raise _Refusal(f"--chdir={workdir}: no such directory; Slurm would run the job in /tmp")
        return lambda id: self._job(submission, asked, workdir, id), script

    def _job(self, submission: Submission, asked: sbatch.Directives, workdir: str, id: str) -> dict[str, Any]:
        options = {name: value for name, value, _ in asked.options}
        name, user = asked.job_name or Path(submission.script).name, getpass.getuser()

        def path(pattern: str) -> str:
            return sbatch.output_path(
                pattern, workdir=workdir, job_id=id, job_name=name, user=user, node=os.uname().nodename
            )

        return {
            "name": name,
            "script": submission.script,
            "workdir": workdir,
            "submit_dir": submission.workdir,
            "output": path(asked.output or sbatch.DEFAULT_OUTPUT),
            "error": path(asked.error) if asked.error else None,
            "open_mode": asked.open_mode,
            "limit_seconds": asked.time_limit_seconds,
            "kill_wait_seconds": self._kill_wait_seconds,
            "user": user,
            "cpus": directives.cpus_asked(asked),
            "cpus_per_task": options.get("cpus-per-task"),
            "tasks": int(options.get("ntasks") or 1),
            "gpus": directives.gpus_asked(asked),
        }


class _Refusal(Exception):
    """Raised when a script isn't taken."""


def _make_dirs(paths: Sequence[str]) -> None:
    try:
        for path in paths:
            os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise _Refusal(f"no directory for its output: {error.filename}: {error.strerror}") from None


def _read_script(path: str) -> bytes:
    try:
        script = Path(path).read_bytes()
    except OSError as error:
        raise _Refusal(f"Unable to open file {path}: {error.strerror}") from None
    if not script:
        raise _Refusal("Batch script is empty!")
    if not script.startswith(b"#!"):
        raise _Refusal(
            "This does not look like a batch script. The first line must start with #! and an interpreter"
        )
    if b"\r\n" in script:
        raise _Refusal(
            r"Batch script contains DOS line breaks (\r\n) instead of expected UNIX line breaks (\n)"
        )
    return script


def _start_keeper(directory: Path) -> None:
    """Safe to repeat: a job has one keeper at a time, and starts once."""
    with suppress(FileNotFoundError):
        if (directory / "end.json").exists() or spool.is_held(directory / "keeper.lock"):
            return
    keeper = [sys.executable, "-P", "-m", "runexpd.clusters.local.keeper", str(directory)]
    # It forks and is in the background when this returns; its own session, so no signal to ours reaches it.
    subprocess.run(
        keeper,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        check=False,
    )
