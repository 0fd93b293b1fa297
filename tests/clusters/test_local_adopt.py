"""A ledger that was moved aside: what it submitted to this machine is known again, and is not started a second time."""

import os
import signal
from pathlib import Path

import pytest

from clusters.machine import Machine, keepers, spec
from runexpd.clusters.base import Found, Known

WAITING = "echo ran >>ran; while [ ! -e go ]; do sleep 0.02; done"


async def test_what_runs_is_found_watched_and_ended_by_the_token_it_was_submitted_with(
    machine: Machine,
) -> None:
    await machine.submit("old", WAITING)
    await machine.until("old", ["RUNNING"])
    found = await machine.cluster.find([spec(machine.dir / "old.slurm")], [])
    assert found == {"run1": Found("1", "old")}
    machine.known["new"] = Known("1", "new", mark="old")
    assert (await machine.report("new")).state == "RUNNING"
    await machine.cluster.cancel([machine.known["new"]])
    report = await machine.ended("new")
    assert (report.token, report.state) == ("new", "CANCELLED")
    assert (machine.dir / "ran").read_text() == "ran\n"


async def test_what_waits_is_found_too_and_what_runs_before_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=1)
    await machine.submit("first", WAITING)
    waiting = machine.submission("second", WAITING)
    await machine.send(waiting)
    await machine.until("first", ["RUNNING"])
    jobs = [spec(machine.dir / "second.slurm", id="b"), spec(machine.dir / "first.slurm", id="a")]
    assert await machine.cluster.find(jobs, []) == {"a": Found("1", "first"), "b": Found("2", "second")}
    (tmp_path / "go").touch()
    await machine.ended("first")
    await machine.ended("second")


@pytest.mark.parametrize("by_place", [True, False])
async def test_a_directory_is_known_by_whatever_path_leads_to_it(machine: Machine, by_place: bool) -> None:
    real, link = machine.dir / "real", machine.dir / "link"
    real.mkdir()
    link.symlink_to(real)
    submission = machine.submission("old", WAITING)
    (machine.dir / "old.slurm").rename(real / "finetune.slurm")
    by_link = {"script": f"{link}/finetune.slurm", "workdir": str(link)}
    by_real = {"script": f"{real}/finetune.slurm", "workdir": str(real)}
    await machine.send_as(submission, **(by_link if by_place else by_real))
    job = spec(real / "finetune.slurm", str(real)) if by_place else spec(link / "finetune.slurm")
    assert await machine.cluster.find([job], []) == {"run1": Found("1", "old")}
    (real / "go").touch()
    await machine.ended("old")


async def test_what_is_over_is_our_own_or_is_another_script_is_no_stranger(machine: Machine) -> None:
    await machine.submit("over", "true")
    await machine.ended("over")
    await machine.submit("ours", WAITING)
    jobs = [spec(machine.dir / f"{name}.slurm", id=name) for name in ("over", "ours", "other")]
    assert await machine.cluster.find(jobs, ["ours"]) == {}
    (machine.dir / "go").touch()
    await machine.ended("ours")


async def test_one_whose_keeper_is_gone_is_found_and_leaves_nothing_behind(machine: Machine) -> None:
    await machine.submit("old", WAITING)
    await machine.until("old", ["RUNNING"])
    for pid in keepers(machine, "1"):
        os.kill(pid, signal.SIGKILL)
    (found,) = (await machine.cluster.find([spec(machine.dir / "old.slurm")], [])).values()
    machine.known["new"] = Known(found.slurm_job_id, "new", found.mark)
    assert (await machine.ended("new")).state == "NODE_FAIL"


async def test_a_waiting_job_that_nobody_knows_holds_up_no_other(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=1)
    for token in ("first", "forgotten", "last"):
        await machine.submit(token, WAITING)
    await machine.until("first", ["RUNNING"])
    (tmp_path / "go").touch()
    assert (await machine.ended("last")).state == "COMPLETED"
    assert (tmp_path / "ran").read_text() == "ran\n" * 3


@pytest.mark.parametrize("workdir", ["/a\0b", "/\ud800", "relative", ""])
async def test_a_path_that_no_system_call_takes_is_nobodys(machine: Machine, workdir: str) -> None:
    await machine.submit("old", "true")
    assert await machine.cluster.find([spec(Path(f"{workdir}/old.slurm"))], []) == {}
    await machine.ended("old")
