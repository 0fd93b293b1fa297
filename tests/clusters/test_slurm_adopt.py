"""Jobs that somebody else submitted, known by script and directory, whatever path leads to either."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from clusters.machine import spec
from runexpd.clusters.base import Found
from runexpd.clusters.slurm import adopt
from runexpd.clusters.slurm.parse import Queued
from runexpd.hosts.local import LocalHost


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's directory with its script, and `link`, which leads there."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "finetune.slurm").touch()
    (tmp_path / "link").symlink_to(tmp_path / "run")
    return tmp_path / "run"


def row(run: Path, command: str = "finetune.slurm", id: str = "7", state: str = "RUNNING") -> Queued:
    return Queued(id, state, None, None, f"{run}/{command}", workdir=str(run))


async def found(run: Path, *rows: Queued, linked: bool = False) -> dict[str, Found]:
    script = run.parent / ("link" if linked else "run") / "finetune.slurm"
    return await adopt.find(LocalHost(), rows, [spec(script, place=str(run))], ["ours"])


@pytest.mark.parametrize("submitted_by_link", [True, False])
@pytest.mark.parametrize("linked", [True, False])
async def test_a_directory_is_known_by_whatever_path_leads_to_it(
    run: Path, submitted_by_link: bool, linked: bool
) -> None:
    theirs = row(run.parent / "link" if submitted_by_link else run)
    assert await found(run, theirs, linked=linked) == {"run1": Found("7", "finetune.slurm")}


async def test_a_copy_that_runs_in_the_directory_is_it_too(run: Path) -> None:
    copied = Queued(
        "7", "RUNNING", None, None, "/var/spool/copy/finetune.slurm", workdir=str(run.parent / "link")
    )
    assert await found(run, copied, linked=True) == {"run1": Found("7", "finetune.slurm")}


async def test_a_copy_by_the_site_s_own_sbatch_has_no_more_than_the_job_s_name(run: Path) -> None:
    copied = Queued("7", "RUNNING", None, None, "/tmp/sbatch.x7", workdir=str(run), name="finetune.slurm")
    assert await found(run, copied) == {"run1": Found("7", "sbatch.x7")}
    for changed in (
        {"workdir": "/elsewhere"},
        {"name": "other"},
        {"command": f"{run}/other.slurm"},
        {"command": "(null)"},
        {"command": "/home/me/.runexp/ours/../../../exp/x"},
        {"state": "COMPLETED"},
    ):
        assert await found(run, replace(copied, **changed)) == {}


async def test_one_that_runs_comes_before_one_that_waits_and_an_older_before_a_newer(run: Path) -> None:
    rows = [row(run, id="7", state="PENDING"), row(run, id="10"), row(run, id="9")]
    assert await found(run, *rows) == {"run1": Found("9", "finetune.slurm")}


async def test_another_script_another_directory_and_our_own_are_not_it(run: Path) -> None:
    elsewhere = run.parent / "elsewhere"
    elsewhere.mkdir()
    ours = Queued(
        "9", "RUNNING", None, None, f"/home/me/.runexp/ours/../../..{run}/finetune.slurm", workdir=str(run)
    )
    assert await found(run, row(run, "other.slurm"), row(elsewhere, id="8"), ours) == {}


@pytest.mark.parametrize("path", ["/a\0b", "/\ud800", "", "relative", "(null)"])
async def test_a_path_that_leads_nowhere_is_nobodys(run: Path, path: str) -> None:
    odd = Queued("8", "RUNNING", None, None, f"{path}/finetune.slurm", workdir=path)
    assert await found(run, odd, row(run)) == {"run1": Found("7", "finetune.slurm")}
