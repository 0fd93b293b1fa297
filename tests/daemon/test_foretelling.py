"""Estimates as a client gets them: of what jobs of the same kind took in experiments before."""

import threading

import anyio
import pytest
from msgspec.structs import replace

from fakes.builders import ID, World, scaffold
from runexp.wire.states import Phase
from runexpd.api.forecasts import MOST_AT_ONCE, Forecasts, Site
from runexpd.core.observations import Accepted
from runexpd.core.state import Limits
from runexpd.runtime.rests import kind_of, tail_kind_of

SITE = Site(progress={}, starts={}, limits=Limits(max_submit=25, stagger_seconds=0.0))


def test_lengths_and_what_follows_the_last_step_are_those_of_its_kind() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    assert len(world.experiment.jobs) <= MOST_AT_ONCE
    asked: list[str] = []

    def others(kind: str) -> tuple[float, ...]:
        asked.append(kind)
        return (60.0,)

    seen = Forecasts(lambda token: None, others).of(world.experiment, SITE)
    job = next(iter(world.experiment.of(Phase.OPTIMIZATION)))
    assert {kind_of(world.experiment, job), tail_kind_of(world.experiment, job)} <= set(asked)
    assert "after its last step" in tail_kind_of(world.experiment, job)
    assert seen.ends[job.spec.id].basis == "earlier jobs of its kind"


async def test_many_jobs_are_estimated_once_for_all_who_ask_and_for_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    monkeypatch.setattr("runexpd.api.forecasts.MOST_AT_ONCE", 0)
    made, may_end = [], threading.Event()

    def others(kind: str) -> tuple[float, ...]:
        made.append(kind)
        may_end.wait()
        return (60.0,)

    forecasts = Forecasts(lambda token: None, others)
    async with anyio.create_task_group() as asking:
        for _ in range(3):
            asking.start_soon(forecasts.refresh, world.experiment, SITE)
        while not made:
            await anyio.sleep(0.01)
        asking.cancel_scope.cancel()
    assert not forecasts.of(world.experiment, SITE).ends
    may_end.set()
    await forecasts.refresh(world.experiment, SITE)
    assert forecasts.of(world.experiment, SITE).ends["rank4"].basis == "earlier jobs of its kind"
    assert made.count(made[0]) == 1


def test_what_others_have_in_the_queue_before_us_comes_first() -> None:
    first, second = World(), World()
    for world in (first, second):
        world.see(scaffold(["rank4"]))
    token = next(iter(first.experiment.jobs.values())).attempt
    assert token is not None
    first.see(Accepted(experiment=ID, job="rank4", token=token.token, slurm_job_id="7", output="/o"))
    limits = Limits(max_submit=25, stagger_seconds=0.0, max_running=1)
    forecasts = Forecasts(lambda token: None, lambda kind: (6000.0,))
    before = replace(first.experiment, id="before")
    alone = forecasts.of(replace(second.experiment, id="alone"), replace(SITE, limits=limits))
    forecasts.of(before, replace(SITE, limits=limits))
    beside = forecasts.of(second.experiment, replace(SITE, limits=limits, beside=(before, second.experiment)))
    later = beside.ends["rank4"].likely_at - alone.ends["rank4"].likely_at
    assert later == pytest.approx(6000.0, rel=0.1)
