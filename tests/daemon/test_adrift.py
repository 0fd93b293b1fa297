"""An experiment whose cluster has left the configuration while it ran: nobody can tell what becomes of its jobs, and it can be put away."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace

from fakes.builders import ID, World, scaffold
from runexp.wire.requests import Cancel
from runexp.wire.states import Outcome
from runexp.wire.upkeep import Archive, Remove
from runexpd.api import asking, find, upkeep
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.core.observations import Observation
from runexpd.core.state import Parked
from runexpd.ledger.store import Ledger


class Loop:
    def __init__(self, world: World) -> None:
        self.world = world

    @property
    def state(self) -> Any:
        return self.world.state

    async def tell(self, observation: Observation) -> Any:
        seen = len(self.world.ledger)
        self.world.see(observation)
        self.world.state = self.world.happened.state
        return self.world.ledger[seen:]


@pytest.fixture
def world() -> World:
    world = World(max_submit=1)
    world.see(replace(scaffold(), cluster="della"))
    world.accept("rank4")
    return world


@pytest.fixture
def context(world: World, tmp_path: Path) -> Iterator[Context]:
    async def at_hand(id: str) -> Any:
        return world.state.experiments[id]

    def gone(*_: object) -> str:
        return "gone"

    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        parts = {
            "loop": Loop(world),
            "clusters": {},
            "at_hand": at_hand,
            "ledger": ledger,
            "config_path": "/c",
        }
        parts["still"] = lambda id: world.state.experiments[id]
        said = {"typed": lambda e: e.name, "to_put_back": lambda c: f"put {c} back", "hindrance": gone}
        yield cast(Context, SimpleNamespace(**parts, **said))


async def test_it_goes_out_of_sight_and_says_what_may_still_run(context: Context, world: World) -> None:
    reply = await upkeep.archive(context, Archive(experiment="words"))
    assert world.experiment.archived
    assert reply.left == "rank4 (job 104) may still run on della"


async def test_it_leaves_the_ledger_only_where_its_jobs_are_left_alone_knowingly(context: Context) -> None:
    with pytest.raises(Refusal) as refused:
        await upkeep.remove(context, Remove(experiment="words"))
    said = refused.value.refused
    assert "rank4 (job 104) may still run on della" in said.what
    assert said.hint == "put della back; or leave them alone for good: runexp rm words --abandon"
    assert ID in context.loop.state.experiments
    reply = await upkeep.remove(context, Remove(experiment="words", abandon=True))
    assert reply.left == "rank4 (job 104) may still run on della"
    assert ID not in context.loop.state.experiments


async def test_where_nothing_runs_there_is_nothing_to_leave_alone(context: Context, world: World) -> None:
    world.show("rank4", "COMPLETED", final=True)
    assert (await upkeep.remove(context, Remove(experiment="words"))).left == ""


async def test_one_whose_cluster_is_there_is_under_way_whatever_is_said(
    context: Context, world: World
) -> None:
    world.state = replace(world.state, limits={"della": world.state.limits["local"]})
    for ask in (
        upkeep.archive(context, Archive(experiment="words")),
        upkeep.remove(context, Remove(experiment="words", abandon=True)),
    ):
        with pytest.raises(Refusal, match="is not over"):
            await ask


async def test_one_whose_past_cannot_be_read_can_be_begun_anew(context: Context, world: World) -> None:
    limits = {"della": world.state.limits["local"]}
    world.state = replace(world.state, limits=limits, parked={ID: Parked("it is odd", for_good=True)})
    with pytest.raises(Refusal, match="jobs of its may still run on della") as refused:
        await upkeep.remove(context, Remove(experiment="words"))
    assert refused.value.refused.hint.endswith("runexp rm words --abandon")
    await upkeep.remove(context, Remove(experiment="words", abandon=True))
    assert (world.state.experiments, world.state.parked) == ({}, {})


async def test_cancel_says_why_what_runs_goes_on(context: Context) -> None:
    assert (await asking.cancel(context, Cancel(experiment="words", jobs=()))).trouble == "gone"


async def test_its_cluster_is_said_to_have_been_there(context: Context) -> None:
    with pytest.raises(Refusal, match="della is no longer in the configuration") as refused:
        find.cluster(context, "della")
    assert refused.value.refused.hint == "put della back"
    with pytest.raises(Refusal, match="no cluster is called dela"):
        find.cluster(context, "dela")


def test_a_list_says_what_is_wrong_with_the_cluster_of_what_runs(world: World) -> None:
    parts = {"loop": Loop(world), "hindrance": lambda cluster: f"{cluster}: gone", "as_of": lambda e: None}
    forecast = SimpleNamespace(whole=SimpleNamespace(end=None))
    fake = cast(Context, SimpleNamespace(**parts, _forecast=lambda e: forecast))
    assert Context.line(fake, world.experiment).trouble == "della: gone"
    over = replace(world.experiment, outcome=Outcome.SUCCEEDED)
    assert Context.line(fake, over).trouble == ""
