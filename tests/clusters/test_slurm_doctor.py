"""What doctor makes of a cluster: a verdict each, and a hint where something is to be done."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cluster import Cluster
from fakes.slurm import FakeSlurm
from fakes.slurm.sites import real_site
from runexp.wire.views import Check, Verdict
from runexpd.clusters.slurm import doctor, environment, parse
from runexpd.clusters.slurm.cluster import SlurmCluster
from runexpd.hosts.local import LocalHost

DF = "fs:/home 10000000 1000000 %s %s%% /home"
GOOD_HOME = f"{DF % ('9000000', '20')}\n{DF % ('500000', '5')}"
GOOD = {
    "sbatch": (0, "slurm 22.05.8"),
    "squeue": (0, "slurm 22.05.8"),
    "sacct": (0, "slurm 22.05.8"),
    "scancel": (0, "slurm 22.05.8"),
    "ping": (0, "Slurmctld(primary) at vm is UP"),
    "config": (0, "AccountingStorageType   = accounting_storage/slurmdbd\nMinJobAge               = 300 sec"),
    "accounting": (0, "1\n2"),
    "fields": (0, "JobID  State SubmitLine"),
    "assoc": (0, "main||100|normal"),
    "qos": (0, "normal|\nother|3"),
    "partitions": (0, "main*\ngpu"),
    "spool": (0, ""),
    "home": (0, GOOD_HOME),
}


def look(
    changed: Mapping[str, tuple[int, str]] = {},
    clock: float | None = 0.2,
    partition: str = "",
    prepend: Sequence[str] = (),
) -> dict[str, Check]:
    text = "".join(
        f"=={name}\n{said}\n==end {code}\n" for name, (code, said) in ({**GOOD, **changed}).items()
    )
    sections = parse.sections(text)
    found = doctor.checks(
        sections, max_submit=25, clock_difference=clock, partition=partition, prepend=prepend
    )
    return {check.name: check for check in found}


def test_a_good_cluster_is_ok_in_everything() -> None:
    assert {check.verdict for check in look().values()} == {Verdict.OK}
    assert not any(check.hint for check in look().values())


@pytest.mark.parametrize(
    ("changed", "name", "verdict", "words"),
    [
        ({"sbatch": (127, "sh: sbatch: not found")}, "sbatch", Verdict.BAD, "module load slurm"),
        ({"ping": (1, "Slurmctld(primary) at vm is DOWN")}, "slurmctld", Verdict.BAD, "until it is back"),
        (
            {"accounting": (1, "Slurm accounting storage is disabled")},
            "accounting",
            Verdict.WARNING,
            "squeue",
        ),
        ({"accounting": (1, "Connection refused")}, "accounting", Verdict.BAD, "until sacct answers"),
        ({"fields": (0, "JobID State")}, "SubmitLine", Verdict.WARNING, "21.08"),
        ({"assoc": (0, "main||10|normal")}, "limits", Verdict.WARNING, "max_submit: 10"),
        ({"assoc": (0, "main||100|normal,other")}, "limits", Verdict.WARNING, "max_submit: 3"),
        ({"assoc": (0, "")}, "limits", Verdict.WARNING, "account"),
        ({"partitions": (0, "gpu")}, "partitions", Verdict.WARNING, "`partition`"),
        ({"spool": (1, "Permission denied")}, "write access", Verdict.BAD, "quota"),
        ({"home": (0, f"{DF % ('900', '99')}\n{DF % ('500000', '5')}")}, "home", Verdict.WARNING, "quota"),
        ({"home": (0, f"{DF % ('9000000', '20')}\n{DF % ('3', '99')}")}, "home", Verdict.WARNING, "a file"),
        ({"home": (0, f"{GOOD_HOME}\n/dev/x 120* 100 150 6days 5 0 0")}, "home", Verdict.BAD, "more quota"),
    ],
)
def test_what_is_amiss_has_a_hint(
    changed: dict[str, tuple[int, str]], name: str, verdict: Verdict, words: str
) -> None:
    check = look(changed)[name]
    assert check.verdict is verdict
    assert words in check.hint


MODULES = ("if true; then", "  export A=1; fi", "module load nope")
SAID = "The following module(s) are unknown: nope"


@pytest.mark.parametrize(
    ("said", "code", "verdict", "found"),
    [
        (SAID, 1, Verdict.BAD, f"`module load nope` fails: {SAID}"),
        ("", 1, Verdict.WARNING, "`module load nope` ends with exit code 1"),
        ("ERROR:105: Unable to locate", 0, Verdict.WARNING, "`module load nope` says: ERROR:105"),
        ("Loading nope/2", 0, Verdict.OK, "ends well: if true; then, export A=1; fi, module load nope"),
    ],
)
def test_a_line_before_every_command_that_fails(said: str, code: int, verdict: Verdict, found: str) -> None:
    lines = {"prepend 1 2": (0, ""), "prepend 3 3": (code, said)}
    check = look(lines, prepend=MODULES)["prepend"]
    assert check.verdict is verdict
    assert found in check.found
    assert ("`prepend`" in check.hint) == (verdict is not Verdict.OK)


async def examined(tmp_path: Path, *lines: str) -> list[Check]:
    """By a real shell."""
    fake = FakeSlurm(tmp_path / "slurm")
    prepend = (f"export PATH={fake.bin}:$PATH HOME={tmp_path}", *lines)
    cluster = SlurmCluster("test", LocalHost(environment.before(prepend)), prepend=prepend)
    return list(await cluster.examine(25))


async def test_each_of_its_lines_is_tried_and_what_is_one_command_together(tmp_path: Path) -> None:
    odd = [
        check
        for check in await examined(tmp_path, "if true", "then echo 'ERROR x'; fi", "nope", "true")
        if check.name == "prepend"
    ]
    assert [check.verdict for check in odd] == [Verdict.WARNING, Verdict.BAD]
    assert odd[0].found == "`if true; then echo 'ERROR x'; fi` says: ERROR x"
    assert odd[1].found.startswith("`nope` fails: ")
    assert "nope: not found" in odd[1].found.replace("command not found", "not found")


@pytest.mark.parametrize("line", ["if true; then", "exit 3", "set -e; false"])
async def test_behind_some_lines_no_command_begins(tmp_path: Path, line: str) -> None:
    (check,) = await examined(tmp_path, line)
    assert check.verdict is Verdict.BAD
    assert check.found.startswith("no command begins behind these lines: ")


def test_a_clock_that_is_off() -> None:
    assert look(clock=-90)["clock"].verdict is Verdict.WARNING
    assert look(clock=-90)["clock"].found == "90.0 s behind this machine"
    assert look(clock=None)["clock"].verdict is Verdict.WARNING


@pytest.mark.real
async def test_the_real_one_is_well(slurm: Cluster) -> None:
    async with real_site(slurm) as site:
        checks = await site.cluster.examine(25)
    expected = dict.fromkeys(look(), Verdict.OK)
    if slurm.version < "21.08":
        expected["SubmitLine"] = Verdict.WARNING
    assert {check.name: check.verdict for check in checks} == expected


@pytest.mark.parametrize("said", ["", "sh: df: not found", "a b c d e f\ng h i j k l"])
def test_a_home_of_which_nothing_is_known(said: str) -> None:
    assert look({"home": (0, said)})["home"].verdict is Verdict.WARNING


def test_a_file_system_that_counts_no_files() -> None:
    said = f"{DF % ('9000000', '20')}\nfs:/home 0 0 0 - /home"
    assert look({"home": (0, said)})["home"].verdict is Verdict.OK


def test_a_partition_that_the_configuration_names_is_looked_for() -> None:
    assert look(partition="gpu")["partitions"].verdict is Verdict.OK
    assert look(partition="main,gpu")["partitions"].verdict is Verdict.OK
    assert look({"partitions": (0, "gpu")}, partition="gpu")["partitions"].verdict is Verdict.OK
    amiss = look(partition="main,gpus")["partitions"]
    assert amiss.verdict is Verdict.WARNING
    assert amiss.found == "no gpus among main* gpu"
    assert "`partition`" in amiss.hint
