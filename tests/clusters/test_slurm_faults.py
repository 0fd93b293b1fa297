"""What Slurm answers on a bad day, shown by the fake: nothing is ever called ended, or submitted twice, because of it."""

import os
from pathlib import Path

import anyio
import pytest

from fakes.slurm import FakeSlurm
from fakes.slurm.sites import Site, fake_site
from runexpd.clusters.base import Accepted, ClusterUnreachable, Deferred, Unclear
from runexpd.clusters.slurm import cluster as slurm_cluster
from runexpd.hosts.base import HostUnreachable


@pytest.fixture
def place(tmp_path: Path) -> tuple[Site, FakeSlurm]:
    return fake_site(tmp_path)


async def test_a_time_out_that_submitted_is_found_again(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    fake.fail(sbatch="lost")
    submission = site.submission("one", "sleep 5")
    (answer,) = await site.send(submission)
    assert isinstance(answer, Unclear)
    assert await site.resolve(submission) == [Accepted("1")]
    fake.fail()
    assert [type(again) for again in await site.send(submission)] == [Unclear]
    assert len(fake.jobs()) == 1


async def test_an_sbatch_that_says_nothing_is_found_out(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    fake.fail(sbatch="wordless")
    submission = site.submission("one", "sleep 5")
    (answer,) = await site.send(submission)
    assert isinstance(answer, Unclear)
    assert await site.resolve(submission) == [Accepted("1")]


@pytest.mark.parametrize(("fault", "jobs"), [("killed", 1), ("early", 0)])
async def test_whoever_dies_in_the_middle(place: tuple[Site, FakeSlurm], fault: str, jobs: int) -> None:
    site, fake = place
    fake.fail(sbatch=fault)
    submission = site.submission("one", "sleep 5")
    assert [type(answer) for answer in await site.send(submission)] == [Unclear]
    fake.fail()
    (resolved,) = await site.resolve(submission)
    assert isinstance(resolved, Accepted if jobs else Unclear)
    assert [type(again) for again in await site.send(submission)] == [Unclear]
    assert len(fake.jobs()) == jobs


@pytest.mark.parametrize("fault", ["limit", "down", "drain"])
async def test_put_off_is_not_refused(place: tuple[Site, FakeSlurm], fault: str) -> None:
    site, fake = place
    fake.fail(sbatch=fault)
    (answer,) = await site.send(site.submission("one", "true"))
    assert isinstance(answer, Deferred)
    assert "Batch job submission failed" not in answer.reason


async def test_a_time_out_that_did_not_submit_is_sure_once_all_have_been_asked_for_a_while(
    place: tuple[Site, FakeSlurm], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, fake = place
    submission = site.submission("one", "true")

    async def resolved() -> type:
        return type((await site.resolve(submission))[0])

    fake.fail(sbatch="timeout")
    assert [type(answer) for answer in await site.send(submission)] == [Unclear]
    assert await resolved() is Unclear
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    fake.fail(sacct="down")
    assert await resolved() is Unclear
    fake.fail(squeue="down")
    assert await resolved() is Unclear
    fake.fail()
    assert await resolved() is Deferred


async def test_without_accounting_the_queue_is_sure_while_it_remembers(
    place: tuple[Site, FakeSlurm], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, fake = place
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    submission, old = site.submission("one", "true"), site.submission("old", "true")
    fake.fail(sbatch="timeout", sacct="disabled")
    await site.send(submission)
    await site.send(old)
    os.utime(site.spool / old.token, (1e9, 1e9))
    assert [type(answer) for answer in await site.resolve(submission, old)] == [Deferred, Unclear]


async def test_no_answer_in_between_begins_the_wait_anew(
    place: tuple[Site, FakeSlurm], monkeypatch: pytest.MonkeyPatch
) -> None:
    site, fake = place
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 1.0)
    submission = site.submission("one", "true")
    fake.fail(sbatch="timeout")
    await site.send(submission)
    await site.resolve(submission)
    await anyio.sleep(1.1)
    fake.fail(sacct="down")
    await site.resolve(submission)
    fake.fail()
    assert [type(answer) for answer in await site.resolve(submission)] == [Unclear]


@pytest.mark.parametrize("fault", ["stub", "no-end", "down"])
async def test_accounting_that_does_not_know_yet_ends_no_job(
    place: tuple[Site, FakeSlurm], fault: str
) -> None:
    site, fake = place
    submission = site.submission("one", "while [ ! -e go ]; do sleep 0.05; done")
    await site.send(submission)
    await site.until(submission.token, ["RUNNING"])
    fake.fail(sacct=fault)
    reports = await site.reports()
    assert reports[submission.token].state == "RUNNING"
    (site.dir / "go").touch()
    await anyio.sleep(1.5)
    assert not any(report.final for report in (await site.reports()).values())
    fake.fail()
    assert (await site.ended(submission.token)).state == "COMPLETED"


async def test_an_end_counts_only_once_the_queue_has_been_asked(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    submission = site.submission("one", "true")
    await site.send(submission)
    await site.ended(submission.token)
    fake.fail(squeue="down")
    assert not any(report.final for report in (await site.reports()).values())
    fake.fail(squeue="empty")
    assert (await site.ended(submission.token)).final


async def test_no_answer_at_all_says_so(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    submission = site.submission("one", "true")
    await site.send(submission)
    fake.fail(squeue="down", sacct="down")
    with pytest.raises(ClusterUnreachable, match="neither sacct nor squeue answers"):
        await site.reports()


async def test_an_answer_of_no_words_is_told_by_its_exit_code(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    fake.fail(squeue="mute")
    with pytest.raises(ClusterUnreachable, match="squeue gives no answer: it ended with exit code 7, and"):
        await site.cluster.find([], ())


async def test_a_site_without_accounting(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    fake.fail(sacct="disabled")
    submission = site.submission("one", "sleep 0.5; exit 3")
    await site.send(submission)
    assert (await site.until(submission.token, ["RUNNING"])).final is False
    report = await site.ended(submission.token)
    assert (report.state, report.exit_code) == ("FAILED", "3:0")
    assert report.ended_at is not None


async def test_a_site_whose_sacct_has_no_submit_line(place: tuple[Site, FakeSlurm]) -> None:
    site, fake = place
    fake.fail(sacct="no-submit-line")
    submission = site.submission("one", "exit 3")
    await site.send(submission)
    report = await site.ended(submission.token)
    assert (report.state, report.exit_code) == ("FAILED", "3:0")


async def test_a_host_that_is_away(place: tuple[Site, FakeSlurm], monkeypatch: pytest.MonkeyPatch) -> None:
    site, _ = place

    async def away(*args: object, **options: object) -> None:
        raise HostUnreachable("no connection")

    submission = site.submission("one", "true")
    await site.send(submission)
    monkeypatch.setattr(site.host, "run", away)
    assert await site.send(submission) == [Unclear("no connection")]
    with pytest.raises(ClusterUnreachable, match="no connection"):
        await site.resolve(submission)
    with pytest.raises(ClusterUnreachable, match="no connection"):
        await site.reports()
    with pytest.raises(ClusterUnreachable, match="no connection"):
        await site.cluster.cancel(list(site.known.values()))
