"""The corpus as far as it is about files, over SSH: what can't be read is refused or shown, and nothing else comes of it."""

import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from fakes.sshd import run_sshd
from hostile import corpus
from runexp.wire.jobs import JobSpec
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts import ssh
from runexpd.hosts.base import Host, HostError
from runexpd.runtime.inspector import Look, look_at
from runexpd.runtime.reader import Reading, read_experiment
from runexpd.tools import registry
from runexpd.tools.base import Attempt

#: Of the corpus here: all of it is planned on the local backend.
EVERY = 6
#: It takes its time to be given up.
WITHOUT = "a file that hangs"


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    home = tmp_path / "home"
    home.mkdir()
    async with (
        run_sshd(home) as server,
        ssh.open_ssh(server.target(), now=time.time, jitter=random.random) as opened,
    ):
        yield opened


@pytest.mark.timeout(120)
async def test_every_hostile_scaffold_is_read_or_refused(host: Host, tmp_path: Path) -> None:
    cases = corpus.spoilt(tmp_path / "cases", every=EVERY, without=WITHOUT)
    before = corpus.snapshot(tmp_path / "cases")
    said: dict[str, tuple[str, ...]] = {}
    for case in cases:
        try:
            await read_experiment(host, str(case.dir), registry.load(), optimize_only=False)
        except BadExperiment as refusal:
            said[case.name] = (refusal.what, refusal.where, refusal.hint)
        except HostError as refusal:
            said[case.name] = (refusal.what,)
    assert corpus.snapshot(tmp_path / "cases") == before
    assert [name for name, texts in said.items() if not all(_is_a_line(text) for text in texts)] == []
    assert 0 < len(said) < len(cases)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("which", ["trains", "evaluates"])
async def test_every_hostile_result_gets_a_verdict(host: Host, tmp_path: Path, which: str) -> None:
    dir = tmp_path / which
    prepare = corpus.trainings if which == "trains" else corpus.evaluations
    names = prepare(dir, in_place=True, without=WITHOUT)
    tools = registry.load()
    reading = await read_experiment(host, str(dir), tools, optimize_only=False)
    jobs = [job for job in reading.jobs if job.id in names]
    assert len(jobs) == len(names)
    for attempted in (True, False):
        looks = [Look(job, _attempt(reading, job) if attempted else None) for job in jobs]
        with anyio.fail_after(60):
            seen = await look_at(tools, host, looks)
        verdicts = [each.verdict for each in seen]
        assert [v.detail for v in verdicts if not _is_a_line(v.detail)] == []
        assert [
            names[j.id] for j, v in zip(jobs, verdicts, strict=True) if "module could not judge" in v.detail
        ] == []
        assert len({v.finding for v in verdicts}) > 1


def _attempt(reading: Reading, job: JobSpec) -> Attempt:
    """One that ran a moment ago and printed what was prepared."""
    now = time.time()
    return Attempt(
        slurm_job_id="1",
        state="COMPLETED",
        exit_code="0:0",
        started_at=now - 30,
        ended_at=now,
        output=f"{job.workdir}/said",
    )


def _is_a_line(text: str) -> bool:
    """As it can be stored and shown."""
    return text.isprintable()
