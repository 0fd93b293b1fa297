"""Estimates as a client gets them: of what jobs of the same kind took in experiments before."""

from fakes.builders import World, scaffold
from runexp.wire.states import Phase
from runexpd.api.forecasts import MOST_AT_ONCE, Forecasts, Site
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
