"""Habits of sites: a wrapper in place of sbatch, one that submits a copy, an old sacct, limits that pass and limits that don't."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cluster import Cluster
from clusters.wrappers import OPTIONS, WRAPPERS, wrapped
from fakes.slurm.sites import Site, fake_site, real_site
from runexpd.clusters.base import Accepted, Deferred, Known, Refused, Unclear
from runexpd.clusters.slurm import cluster as slurm_cluster
from runexpd.clusters.slurm import commands
from runexpd.clusters.slurm.cluster import SlurmCluster


@pytest.mark.parametrize("wrapper", WRAPPERS)
async def test_a_wrapper_in_place_of_sbatch(site: Site, wrapper: str) -> None:
    wrapped(site, WRAPPERS[wrapper])
    long, short = site.submission("long", "sleep 60"), site.submission("short", "exit 3")
    answers = await site.send(long, short)
    assert {type(answer) for answer in answers} == {Accepted}, answers
    assert (await site.until(long.token, ["RUNNING"])).final is False
    report = await site.ended(short.token)
    assert (report.state, report.exit_code) == ("FAILED", "3:0")
    for submission in (long, short):
        site.lose_receipt(submission)
    assert await site.resolve(long, short) == answers
    stranger = Known(site.known[long.token].slurm_job_id, site.token("stranger"))
    await site.cluster.cancel([stranger])
    assert (await site.until(long.token, ["RUNNING"])).final is False
    await site.cluster.cancel([site.known[long.token]])
    assert (await site.ended(long.token)).state == "CANCELLED"


async def test_a_copy_from_a_linked_directory_and_in_another_one(site: Site) -> None:
    wrapped(site, WRAPPERS["a copy"])
    one, two = site.submission("one", "true"), site.submission("two", "true", "#SBATCH --chdir=bin")
    (site.dir / "link").symlink_to(site.dir)
    linked = f"{site.dir}/link"
    one = msgspec.structs.replace(one, workdir=linked, script=f"{linked}/one.slurm")
    two = msgspec.structs.replace(two, workdir=linked, script=f"{linked}/two.slurm", chdir=f"{linked}/bin")
    await site.send(one, two)
    for submission in (one, two):
        assert (await site.ended(submission.token)).state == "COMPLETED"


async def test_a_copy_without_accounting(tmp_path: Path) -> None:
    site, fake = fake_site(tmp_path)
    fake.fail(sacct="disabled")
    wrapped(site, WRAPPERS["a copy"])
    one = site.submission("one", "exit 3")
    await site.send(one)
    assert (await site.ended(one.token)).exit_code == "3:0"


async def test_a_word_that_nobody_knows_is_shown_until_it_is_over(tmp_path: Path) -> None:
    site, fake = fake_site(tmp_path)
    one = site.submission("one", "while [ ! -e go ]; do sleep 0.05; done")
    await site.send(one)
    await site.until(one.token, ["RUNNING"])
    fake.call("1", "EXPEDITING")
    assert (await site.until(one.token, ["EXPEDITING"])).final is False
    (site.dir / "go").touch()
    assert (await site.ended(one.token)).state == "COMPLETED"


async def test_two_of_one_name_in_one_place_are_told_apart_by_their_ids(site: Site) -> None:
    wrapped(site, WRAPPERS["a copy"])
    one = site.submission("one", "sleep 60")
    twin = msgspec.structs.replace(one, token=site.token("twin"))
    answers = await site.send(one, twin)
    for submission in (one, twin):
        await site.until(submission.token, ["RUNNING"])
    site.lose_receipt(one)
    assert await site.resolve(one, twin) == answers
    site.lose_receipt(twin)
    unsure, _ = await site.resolve(one, twin)
    assert isinstance(unsure, Unclear)
    assert "it may be any of the jobs" in unsure.reason
    await site.cluster.cancel([site.known[one.token]])
    assert (await site.ended(one.token)).state == "CANCELLED"
    assert (await site.until(twin.token, ["RUNNING"])).final is False
    await site.cluster.cancel([site.known[twin.token]])


async def test_the_daemon_may_have_been_started_anew(site: Site) -> None:
    wrapped(site, WRAPPERS["a copy"])
    one = site.submission("one", "exit 3")
    await site.send(one)
    site.behind()
    assert (await site.ended(one.token)).exit_code == "3:0"


async def test_an_sbatch_that_submits_and_says_nothing_makes_no_second_job(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_cluster, "GRACE_SECONDS", 0.0)
    wrapped(
        site,
        f'{OPTIONS}shift\ncopy=$(mktemp -d)/other\ncp "$script" "$copy"\nexec "$REAL" "$copy" >/dev/null',
    )
    one = site.submission("one", "true")
    (answer,) = await site.send(one)
    assert isinstance(answer, Unclear)
    (resolved,) = await site.resolve(one)
    assert isinstance(resolved, Refused)
    assert "printed no job id" in resolved.error


async def test_an_old_sacct_knows_a_job_by_its_place(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "FIELDS", commands.FIELDS[:-1])
    site.cluster = SlurmCluster("test", site.host)
    one = site.submission("one", "exit 3")
    other = site.submission("other", "true", workdir=site.dir / "elsewhere")
    await site.send(one, other)
    assert (await site.ended(one.token)).exit_code == "3:0"
    site.known[one.token] = Known(site.known[other.token].slurm_job_id, one.token)
    assert one.token not in await site.reports(), "an id that was given to another is no news"


DENIED = "#SBATCH --qos=deny\n#SBATCH --ntasks=4"


@pytest.fixture
def qoses(site: Site, request: pytest.FixtureRequest) -> Iterator[None]:
    """`deny` takes no job of more than two tasks, `one` takes one job at a time. The fake has them."""
    if site.user is None:
        yield
        return
    slurm: Cluster = request.getfixturevalue("slurm")
    for words in (
        ["add", "qos", "deny", "set", "Flags=DenyOnLimit", "MaxTRESPerJob=cpu=2"],
        ["add", "qos", "one", "set", "MaxSubmitJobsPerUser=1"],
        ["modify", "user", slurm.user, "set", "QOS=normal,deny,one"],
    ):
        slurm.run("sacctmgr", "-i", *words, check=False)
    yield
    slurm.run("sacctmgr", "-i", "modify", "user", slurm.user, "set", "QOS=normal")


@pytest.mark.usefixtures("qoses")
async def test_a_limit_on_size_refuses_at_once_and_its_siblings_go_on(site: Site) -> None:
    large, good = site.submission("large", "true", DENIED), site.submission("good", "true")
    refused, accepted = await site.send(large, good)
    assert isinstance(refused, Refused)
    assert refused.error.startswith("QOSMaxCpuPerJobLimit Job violates accounting/QOS policy")
    assert isinstance(accepted, Accepted)
    assert await site.resolve(large) == [refused]


@pytest.mark.usefixtures("qoses")
async def test_a_limit_on_how_many_are_queued_means_wait(site: Site) -> None:
    qos = "#SBATCH --qos=one"
    first, second = site.submission("first", "sleep 60", qos), site.submission("second", "true", qos)
    third = site.submission("third", "true", qos)
    accepted, deferred, later = await site.send(first, second, third)
    assert isinstance(accepted, Accepted)
    assert isinstance(deferred, Deferred)
    assert deferred.reason.startswith("QOSMaxSubmitJobPerUserLimit")
    assert isinstance(later, Deferred)
    await site.cluster.cancel([site.known[first.token]])
    await site.ended(first.token)
    again = msgspec.structs.replace(second, token=site.token("again"))
    (accepted,) = await site.send(again)
    assert isinstance(accepted, Accepted)


async def test_a_limit_without_a_name_waits_while_a_job_could_make_room(tmp_path: Path) -> None:
    site, _ = fake_site(tmp_path)
    unnamed = site.submission("unnamed", "true", "#SBATCH --qos=unnamed")
    good = site.submission("good", "sleep 60")
    deferred, accepted = await site.send(unnamed, good)
    assert isinstance(deferred, Deferred)
    assert isinstance(accepted, Accepted)
    await site.cluster.cancel([site.known[good.token]])
    await site.ended(good.token)
    again = msgspec.structs.replace(unnamed, token=site.token("again"))
    (refused,) = await site.send(again)
    assert isinstance(refused, Refused)
    assert "ask for less" in refused.error
    assert await site.resolve(again) == [refused]


@pytest.mark.real
async def test_a_partition_that_is_drained_is_waited_for_and_stops_no_other(slurm: Cluster) -> None:
    slurm.run("scontrol", "create", "partitionname=drained", "nodes=sn1", "state=drain")
    try:
        async with real_site(slurm) as site:
            drained = site.submission("drained", "true", "#SBATCH --partition=drained")
            deferred, accepted = await site.send(drained, site.submission("good", "true"))
    finally:
        slurm.run("scontrol", "delete", "partitionname=drained")
    assert isinstance(deferred, Deferred)
    assert "Required partition not available" in deferred.reason
    assert isinstance(accepted, Accepted)


async def test_an_id_counts_though_sbatch_ends_as_badly_as_its_job(tmp_path: Path) -> None:
    site, fake = fake_site(tmp_path)
    fake.fail(sbatch="wait")
    assert await site.send(site.submission("one", "exit 7")) == [Accepted("1")]


async def test_an_sbatch_that_waits_for_its_job_has_said_the_id(tmp_path: Path) -> None:
    site, _ = fake_site(tmp_path)
    one = site.submission("one", "true")
    site.leave_a_lock(one)
    (site.spool / one.token / "out").write_text("7\n")
    with subprocess.Popen(["sh", "-c", "read line", f"x/{one.token}/y"], stdin=subprocess.PIPE):
        assert await site.resolve(one) == [Accepted("7")]


@pytest.mark.real
async def test_an_id_counts_though_sbatch_waited_for_its_job(slurm: Cluster) -> None:
    async with real_site(slurm) as site:
        one = site.submission("one", "exit 7", "#SBATCH --wait")
        (answer,) = await site.send(one)
        assert isinstance(answer, Accepted)
        assert (await site.ended(one.token)).exit_code == "7:0"
