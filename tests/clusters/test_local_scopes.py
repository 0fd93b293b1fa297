"""A job's own control group under systemd: asked for once, and whatever comes of it, the job runs, and once."""

from pathlib import Path

import pytest

from clusters.machine import Machine
from runexpd.clusters.local import scopes

SERVICE = "/user.slice/user-1001.slice/user@1001.service/app.slice/runexpd.service"
JOB = Path("/home/alice/.local/state/runexp/local/jobs/12")


@pytest.mark.parametrize(
    ("cgroup", "units"),
    [
        (f"0::{SERVICE}\n", {"runexpd.service"}),
        (f"9:name=systemd:{SERVICE}\n4:memory:/user.slice\n0::{SERVICE}\n", {"runexpd.service"}),
        (f"9:name=systemd:{SERVICE}\n4:memory:/elsewhere\n0::/\n", {"runexpd.service", ""}),
        ("4:memory:/runexpd.service\n0::/user.slice/session-1.scope\n", {"session-1.scope"}),
        ("0::/a:b/c:d.scope\n", {"c:d.scope"}),
        ("0::/\n", {""}),
        ("", set()),
        ("what\nis:this\n", set()),
    ],
)
def test_the_units_of_a_process_are_those_of_systemd_s_hierarchies(cgroup: str, units: set[str]) -> None:
    assert scopes.units(cgroup) == units


def test_a_scope_is_called_by_its_home_and_its_job(tmp_path: Path) -> None:
    (tmp_path / "there").symlink_to(tmp_path / "here")
    here, other = (scopes.name(tmp_path / home / "jobs" / "12") for home in ("here", "other; $(rm) \n%s"))
    assert here != other
    assert (
        here
        == scopes.name(tmp_path / "there" / "jobs" / "12")
        != scopes.name(tmp_path / "here" / "jobs" / "1")
    )
    assert all(scopes._OURS.fullmatch(name) and name.endswith("-12.scope") for name in (here, other))


def test_systemd_is_asked_for_a_scope_with_one_process_in_it() -> None:
    assert scopes.request(JOB, 4711)[8:] == [
        *("ssa(sv)a(sa(sv))", scopes.name(JOB), "fail", "5"),
        *("PIDs", "au", "1", "4711"),
        *("Description", "s", "runexp: job 12 of this machine"),
        *("CollectMode", "s", "inactive-or-failed"),
        *("Before", "as", "1", "runexpd.service"),
        *("DelegateControllers", "as", "0"),
        "0",
    ]


class Bus:
    """A busctl that notes what it was asked, and does as it is told; and where keepers find which group they are in."""

    def __init__(self, dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dir = dir
        dir.mkdir()
        self.gets(60.0)
        monkeypatch.setenv("PYTHONPATH", str(dir))
        monkeypatch.setenv("PATH", str(dir))
        monkeypatch.setenv("LD_LIBRARY_PATH", "/of/the/job")
        self.put(SERVICE)

    def gets(self, seconds: float) -> None:
        lines = f"scopes.CGROUP, scopes._MOST_SECONDS = scopes.Path({str(self.dir / 'cgroup')!r}), {seconds}"
        (self.dir / "sitecustomize.py").write_text(f"from runexpd.clusters.local import scopes\n{lines}\n")

    def put(self, group: str) -> None:
        (self.dir / "cgroup").write_text(f"0::{group}\n", errors="surrogateescape")

    def does(self, what: str) -> None:
        note = 'echo "$9 ${LD_LIBRARY_PATH-}" >>asked'
        (self.dir / "busctl").write_text(f"#!/bin/bash\ncd '{self.dir}'\n{note}\n{what}\n")
        (self.dir / "busctl").chmod(0o755)

    def asked(self) -> list[str]:
        """The scopes that it was asked for."""
        asked = self.dir / "asked"
        return asked.read_text().splitlines() if asked.exists() else []


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bus:
    return Bus(tmp_path / "bus", monkeypatch)


def scope(machine: Machine, id: str) -> str:
    return scopes.name(machine.dir / "spool" / "jobs" / id)


MOVES = 'echo "0::/app.slice/$9" >cgroup'


@pytest.mark.parametrize("does", [MOVES, "exit 1", "kill -SEGV $$"], ids=["answers", "fails", "crashes"])
async def test_a_job_of_the_service_asks_for_a_scope_and_runs_once(
    machine: Machine, bus: Bus, does: str
) -> None:
    bus.does(does)
    await ran_once(machine)
    assert bus.asked() == [f"{scope(machine, '1')} "]


@pytest.mark.parametrize(
    "does",
    [
        pytest.param("exec /bin/sleep 1000", id="hangs"),
        pytest.param("/bin/sleep 1000 & wait", id="leaves something behind"),
        pytest.param(f"{MOVES}; exec /bin/sleep 1000", id="moves it and hangs"),
        pytest.param("exit 0", id="says that it has, and has not"),
    ],
)
async def test_a_job_waits_for_its_scope_no_longer_than_so_long_and_runs_once(
    machine: Machine, bus: Bus, does: str
) -> None:
    bus.gets(0.5)
    bus.does(does)
    await ran_once(machine)
    assert len(bus.asked()) <= 1


async def ran_once(machine: Machine) -> None:
    await machine.submit("t1", "echo ran >>ran")
    assert (await machine.ended("t1")).state == "COMPLETED"
    assert (machine.dir / "ran").read_text() == "ran\n"
    assert machine.processes("t1") == set()


async def test_a_machine_without_busctl_runs_jobs_as_well(machine: Machine, bus: Bus) -> None:
    await ran_once(machine)


@pytest.mark.parametrize(
    "group", ["/user.slice/session-1.scope", "/app.slice/runexp-job-of-somebody.scope", "", "/\udcff"]
)
async def test_what_is_not_in_the_service_stays_where_it_is(machine: Machine, bus: Bus, group: str) -> None:
    bus.put(group)
    bus.does(MOVES)
    await ran_once(machine)
    assert bus.asked() == []


async def test_a_job_that_another_one_s_keeper_starts_has_a_scope_of_its_own(
    tmp_path: Path, bus: Bus
) -> None:
    machine = Machine(tmp_path / "one", max_running=1)
    bus.does(MOVES)
    for token in ("t1", "t2"):
        await machine.submit(token, "echo ran >>ran")
    for token in ("t1", "t2"):
        assert (await machine.ended(token)).state == "COMPLETED"
    assert bus.asked() == [f"{scope(machine, '1')} ", f"{scope(machine, '2')} "]
