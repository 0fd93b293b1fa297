"""What an account's environment wishes of Slurm's commands reaches none of ours, unless the configuration says so."""

import pytest

from cluster import Cluster
from fakes.slurm.sites import Site, real_site
from runexp.wire.views import Verdict
from runexpd.clusters.base import Accepted
from runexpd.clusters.slurm import environment

#: Each hides a job, makes several of one, sends it elsewhere, or changes what is printed.
WISHES = {
    **{f"SQUEUE_{name}": "nope" for name in ("PARTITION", "NAMES", "ACCOUNT", "QOS", "USERS", "LICENSES", "CLUSTERS")},
    **{f"SQUEUE_{name}": "FAILED" for name in ("STATES", "SORT")},
    **{f"SQUEUE_{name}": "%T" for name in ("FORMAT", "FORMAT2")},
    **{f"SQUEUE_{name}": "1" for name in ("ARRAY", "FEDERATION", "PRIORITY", "SIBLING")},
    **{f"SCANCEL_{name}": "nope" for name in ("PARTITION", "NAME", "ACCOUNT", "QOS", "USER", "WCKEY")},
    **{"SCANCEL_STATE": "SUSPENDED", "SCANCEL_INTERACTIVE": "1", "SCANCEL_BATCH": "1", "SCANCEL_CTLD": "1"},
    **{"SACCT_FORMAT": "JobName", "SACCT_FEDERATION": "1", "SACCT_LOCAL": "1"},
    **{f"SBATCH_{name}": "nope" for name in ("PARTITION", "ACCOUNT", "QOS", "TIMELIMIT", "CONSTRAINT", "RESERVATION")},
    **{f"SBATCH_{name}": "1" for name in ("WAIT", "EXCLUSIVE", "WAIT_ALL_NODES", "DEBUG", "REQUEUE")},
    **{"SBATCH_ARRAY_INX": "0-1", "SBATCH_OUTPUT": "elsewhere.txt", "SBATCH_CLUSTERS": "other"},
    **{"SBATCH_JOB_NAME": "forged", "SBATCH_EXPORT": "NONE", "SBATCH_OF_A_NEWER_ONE": "x"},
    **{"SLURM_CLUSTERS": "other", "SLURM_TIME_FORMAT": "relative", "SLURM_BITSTR_LEN": "1", "SLURM_EXIT_ERROR": "0"},
    **{"SLURM_JOB_ID": "77", "SLURM_JOBID": "77", "SLURM_NTASKS": "9999", "SLURM_HINT": "nope", "SLURM_OF_A_NEWER_ONE": "x", "SLURM_JWT": "x"},
    **{"SINFO_FORMAT": "x", "SINFO_PARTITION": "nope", "SCONTROL_ALL": "1", "SCONTROL_FEDERATION": "1"},
}  # fmt: skip
LINES = [f"export {name}='{value}'" for name, value in WISHES.items()]
#: A value that reads like one; a function in place of a program, which a shell exports; and what must stay.
LINES += [
    "export OTHER='x\nSBATCH_WAIT=1'",
    "squeue() { :; }",
    "sbatch() { echo 9; }",
    "export SLURM_ROOT=/opt/slurm",
]


async def test_what_the_account_sets_reaches_no_command(site: Site) -> None:
    site.behind(account=LINES)
    long = site.submission("long", "sleep 60")
    short = site.submission("short", "echo ran >>ran.txt; exit 3")
    answers = await site.send(long, short)
    assert {type(answer) for answer in answers} == {Accepted}
    assert (await site.until(long.token, ["RUNNING"])).final is False
    assert (await site.ended(short.token)).exit_code == "3:0"
    assert (site.dir / "ran.txt").read_text() == "ran\n"
    assert not (site.dir / "elsewhere.txt").exists()
    site.lose_receipt(long)
    assert await site.resolve(long, short) == answers
    await site.cluster.cancel([site.known[long.token]])
    assert (await site.ended(long.token)).state == "CANCELLED"


async def test_nor_does_it_go_on_to_the_jobs(site: Site) -> None:
    site.behind(account=LINES)
    one = site.submission("one", "env -0 >env.txt")
    await site.send(one)
    await site.ended(one.token)
    names = {entry.partition("=")[0] for entry in (site.dir / "env.txt").read_text().split("\0")}
    found = {name for name in names if name in WISHES and not name.startswith("SLURM_")}
    assert found == set()
    assert not names & {environment.LEFT_OUT, "SLURM_CLUSTERS", "SLURM_TIME_FORMAT", "SLURM_OF_A_NEWER_ONE"}
    assert {"OTHER", "SLURM_ROOT"} <= names


async def test_what_the_configuration_sets_does(site: Site) -> None:
    site.behind(account=LINES, prepend=["export SBATCH_TIMELIMIT=3"])
    one = site.submission("one", "true")
    (answer,) = await site.send(one)
    assert isinstance(answer, Accepted)
    usage = (await site.ended(one.token)).usage
    assert usage is not None
    assert usage.time_limit_seconds == 180


@pytest.mark.real
@pytest.mark.parametrize("variable", ["SLURM_CLUSTERS", "SBATCH_CLUSTERS"])
async def test_a_cluster_that_the_configuration_names_is_the_one_that_all_ask(
    slurm: Cluster, variable: str
) -> None:
    async with real_site(slurm) as site:
        site.behind(account=LINES, prepend=[f"export {variable}=test"])
        long, short = site.submission("long", "sleep 60"), site.submission("short", "exit 3")
        answers = await site.send(long, short)
        assert {type(answer) for answer in answers} == {Accepted}
        assert (await site.until(long.token, ["RUNNING"])).final is False
        assert (await site.ended(short.token)).exit_code == "3:0"
        site.lose_receipt(long)
        assert await site.resolve(long, short) == answers
        await site.cluster.cancel([site.known[long.token]])
        assert (await site.ended(long.token)).state == "CANCELLED"


async def test_doctor_names_what_is_left_out(site: Site) -> None:
    site.behind(account=LINES)
    checks = {check.name: check for check in await site.cluster.examine(25)}
    found = checks["variables"]
    assert found.verdict is Verdict.OK
    assert "SACCT_FEDERATION" in found.found
    assert "prepend" in found.hint
    site.behind()
    checks = {check.name: check for check in await site.cluster.examine(25)}
    assert "none" in checks["variables"].found
