"""A job that Slurm accepted and then forgot, as it may when slurmctld is killed or its state is lost."""

import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import cluster
from clusters.wrappers import WRAPPERS, wrapped
from fakes.slurm.sites import Site, fake_site, real_site
from runexp.wire.states import LOST
from runexpd.clusters.slurm import cluster as slurm_cluster
from runexpd.clusters.slurm import commands
from runexpd.clusters.slurm.cluster import SlurmCluster

Place = tuple[Site, Callable[[], None]]


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A site, and what makes it lose all its jobs."""
    if request.param == "fake":
        site, fake = fake_site(tmp_path)
        yield site, fake.forget
    else:
        request.getfixturevalue("slurm")  # which is the other tests': this one takes a cluster of its own
        async with _of_its_own() as own:
            yield own


@asynccontextmanager
async def _of_its_own() -> AsyncIterator[Place]:
    dir = Path(tempfile.mkdtemp(prefix="runexp-slurm-"))
    real = cluster.up(dir)

    def lose() -> None:
        real.stop("slurmctld", signal.SIGKILL)
        real.start_without_state()

    try:
        async with real_site(real) as site:
            yield site, lose
    finally:
        cluster.down(dir)
        shutil.rmtree(dir, ignore_errors=True)


async def test_it_is_called_lost_after_a_while_and_never_over_unless_slurm_says_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, lose = place
    submission = site.submission("one", "true", "#SBATCH --hold")
    await site.send(submission)
    await site.until(submission.token, ["PENDING"])
    lose()
    found = await site.reports()
    if said := found.get(submission.token):
        assert site.user is not None, "the fake doesn't say so"
        # A slurmctld of 24.11 that starts without its state ends in accounting what it doesn't know: Slurm's own word.
        assert (said.state, said.final, said.ended_at is not None) == ("CANCELLED", True, True)
        return
    assert found == {}, "for moments that is nothing unusual"
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    report = (await site.reports())[submission.token]
    assert (report.state, report.final) == (LOST, False)
    assert "gives it up" in str(report.reason)


@pytest.mark.parametrize("habit", ["", "a copy", "an old sacct"])
async def test_whoever_is_given_its_id_is_not_taken_for_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, habit: str
) -> None:
    site, lose = place
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    if habit == "a copy":
        wrapped(site, WRAPPERS[habit])
    if habit == "an old sacct":
        monkeypatch.setattr(commands, "FIELDS", commands.FIELDS[:-1])
        site.cluster = SlurmCluster("test", site.host)
    lost, next = site.submission("lost", "true", "#SBATCH --hold"), site.submission("next", "true")
    await site.send(lost)
    lose()
    await site.send(next)
    assert site.known[next.token].slurm_job_id == site.known[lost.token].slurm_job_id
    assert (await site.ended(next.token)).state == "COMPLETED"
    assert (await site.reports())[lost.token].state == LOST
