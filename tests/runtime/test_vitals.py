"""What looks bring is held against the rules, what changes is told once, and nothing is told of what nobody knows any more."""

from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from fakes.builders import ID, World, owed, scaffold
from runexp.wire.events import Event
from runexp.wire.metrics import Concern
from runexpd.core.commands import Watch
from runexpd.core.observations import Accepted, Examined, Listed, Observation, Report
from runexpd.core.state import State
from runexpd.core.when.lengths import Pace
from runexpd.metrics.store import Brought
from runexpd.metrics.thin import Placed
from runexpd.runtime import clock, vitals
from runexpd.runtime.loop import NotTaken
from runexpd.runtime.vitals import Vitals


class Site(World):
    """A loop."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Event] = []
        self.refuses = False
        self.see(scaffold(["rank4", "rank8", "rank16"]))

    def run(self, job: str, state: str = "RUNNING") -> Watch:
        attempt = self.experiment.jobs[job].attempt
        assert attempt is not None
        about: Any = {"experiment": ID, "job": job, "token": attempt.token}
        self.see(Accepted(**about, slurm_job_id="7", output="/o"))
        began = self.now if state == "RUNNING" else None
        self.see(
            Listed(reports=(Report(**about, state=state, final=False, started_at=began, reason="Held"),))
        )
        commands = owed(self.state, self.now)
        return next(c for c in commands if isinstance(c, Watch) and c.token == attempt.token)

    async def tell(self, observation: Observation) -> None:
        if self.refuses:
            raise NotTaken("disk full")
        assert isinstance(observation, Examined)
        self.told += self.see(observation)

    def concerns(self, job: str) -> list[Concern]:
        attempt = self.experiment.jobs[job].attempt
        assert attempt is not None
        return [each.concern for each in attempt.health]


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    site = Site()
    monkeypatch.setattr(clock, "steady", lambda: site.now)
    monkeypatch.setattr(clock, "now", lambda: site.now)
    return site


def brought(step: int, loss: float = 1.0, rate: float = 100.0) -> list[Brought]:
    def one(name: str, value: float) -> Brought:
        return Brought(name, "", [Placed(step, float(step), value)])

    return [one("loss", loss), one("tokens_per_second", rate)]


async def looked(site: Site, vitals: Vitals, watch: Watch, steps: range, **more: float) -> None:
    for step in steps:
        site.now += 30.0
        await vitals.note(watch, None, brought(step, **more))


async def test_a_run_that_stands_still_is_said_once_and_withdrawn_when_it_goes_on(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    await looked(site, eye, watch, range(1, 5))
    for _ in range(30):
        site.now += 30.0
        await eye.note(watch, None, [])
    assert site.concerns("rank4") == [Concern.STALLED]
    assert len(site.told) == 1
    await looked(site, eye, watch, range(5, 7))
    assert site.concerns("rank4") == []
    assert len(site.told) == 2


async def test_a_run_that_makes_no_first_step_is_said_once_and_withdrawn_with_one(site: Site) -> None:
    well, hangs, eye = site.run("rank4"), site.run("rank8"), Vitals(site)
    await looked(site, eye, well, range(1, 3))
    for _ in range(30):
        site.now += 30.0
        await eye.note(hangs, None, [])
    assert site.concerns("rank8") == [Concern.NO_STEP]
    await eye.note(hangs, None, [], has_printed=True)
    assert len(site.told) == 1
    await looked(site, eye, hangs, range(1, 2))
    assert site.concerns("rank8") == []
    assert len(site.told) == 2


async def test_one_that_prints_has_not_hung(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    for _ in range(100):
        site.now += 30.0
        await eye.note(watch, None, [], has_printed=True)
    assert site.told == []


async def test_what_an_earlier_life_saw_counts_on(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    site.now += 5000.0
    eye.begin(watch, Pace(1, 10.0, 50, 600.0))
    assert eye.knows(watch.token)
    await eye.note(watch, None, [])
    assert site.concerns("rank4") == [Concern.STALLED]


async def test_of_what_nobody_saw_nothing_is_said(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    site.now += 5000.0
    eye.begin(watch, None)
    await eye.note(watch, None, [])
    assert site.told == []


async def test_one_that_is_slow_beside_its_siblings_is_said(site: Site) -> None:
    watches, eye = [site.run(run) for run in ("rank4", "rank8", "rank16")], Vitals(site)
    for step in range(1, 20):
        site.now += 30.0
        for watch, rate in zip(watches, (100.0, 102.0, 30.0), strict=True):
            await eye.note(watch, None, brought(step, rate=rate))
    assert [site.concerns(run) for run in ("rank4", "rank8", "rank16")] == [[], [], [Concern.SLOW]]


async def test_runs_that_differ_by_design_are_no_siblings(site: Site) -> None:
    watches, eye = [site.run(run) for run in ("rank4", "rank8", "rank16")], Vitals(site)
    other = replace(watches[2], job=replace(watches[2].job, facts={"pace": "batch 1"}))
    for step in range(1, 20):
        site.now += 30.0
        for watch, rate in zip([*watches[:2], other], (100.0, 102.0, 30.0), strict=True):
            await eye.note(watch, None, brought(step, rate=rate))
    assert site.told == []


async def test_a_ledger_that_takes_nothing_is_told_again(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    site.refuses = True
    await looked(site, eye, watch, range(1, 3), loss=float("nan"))
    assert site.told == []
    site.refuses = False
    await looked(site, eye, watch, range(3, 5), loss=float("nan"))
    assert site.concerns("rank4") == [Concern.NOT_FINITE]


async def test_an_attempt_that_is_no_longer_the_newest_is_nobodys_affair(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    gone = replace(watch, token="e1-99")
    await looked(site, eye, gone, range(1, 3), loss=float("nan"))
    assert site.told == []


async def test_queues_are_looked_at_now_and_then(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.run("rank4", "PENDING")
    attempt = site.experiment.jobs["rank4"].attempt
    assert attempt is not None
    held = Report(
        experiment=ID, job="rank4", token=attempt.token, state="PENDING", final=False, reason="JobHeldUser"
    )
    site.see(Listed(reports=(held,)))
    site.now += 400.0
    monkeypatch.setattr(vitals, "QUEUE_SECONDS", 0.01)
    eye = Vitals(site)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(eye.run)
        with anyio.fail_after(20):
            while not site.told:
                await anyio.sleep(0.01)
            site.run("rank4")
            while site.concerns("rank4"):
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


async def test_what_is_over_is_forgotten(site: Site) -> None:
    watch, eye = site.run("rank4"), Vitals(site)
    await looked(site, eye, watch, range(1, 5))
    assert eye.pace(watch.token) is not None
    site.state = State()
    eye._forget()
    assert eye.pace(watch.token) is None
