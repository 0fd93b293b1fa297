"""What is over can go out of sight; a ledger that was put back does nothing until somebody has looked."""

import pytest
from msgspec.structs import replace

from fakes.builders import GOOD, ID, World, owed, scaffold
from runexp.wire import events
from runexp.wire.states import Outcome, Stage
from runexpd.core.commands import Watch
from runexpd.core.observations import (
    CancelWanted,
    Forgotten,
    Restored,
    RetryWanted,
    Shelved,
    SightWanted,
    Tick,
)
from runexpd.core.observe import observe
from runexpd.core.state import Parked
from runexpd.core.steps.report import line, view

HIDDEN, SHOWN = SightWanted(experiment=ID, archived=True), SightWanted(experiment=ID, archived=False)


def over() -> World:
    world = World()
    world.see(scaffold())
    world.drain()
    assert world.experiment.outcome is Outcome.SUCCEEDED
    return world


def test_what_is_over_goes_out_of_sight_and_comes_back() -> None:
    world = over()
    assert world.see(HIDDEN) == [events.ExperimentArchived()]
    assert world.experiment.archived
    assert world.see(HIDDEN) == []
    assert world.see(SHOWN) == [events.ExperimentUnarchived()]
    assert not world.experiment.archived


def test_what_is_asked_of_it_brings_it_back() -> None:
    world = over()
    world.see(HIDDEN)
    world.see(scaffold(("rank4", "rank8", "rank16")))
    assert not world.experiment.archived


def test_what_is_under_way_stays_in_sight_and_in_the_ledger() -> None:
    world = World()
    world.see(scaffold())
    assert world.see(HIDDEN) == []
    assert world.see(Forgotten(experiment=ID)) == []
    assert ID in world.state.experiments
    assert world.see(SightWanted(experiment="unknown", archived=True)) == []


def adrift() -> World:
    """Its cluster is none of the configuration's."""
    world = World()
    world.see(replace(scaffold(), cluster="della"))
    world.accept("rank4")
    return world


def test_what_nobody_can_watch_goes_out_of_sight_and_is_watched_on_where_its_cluster_comes_back() -> None:
    world = adrift()
    assert world.see(HIDDEN) == [events.ExperimentArchived()]
    assert world.see(HIDDEN) == []
    assert world.state.is_watched(world.experiment)
    assert world.state.is_out_of_sight(world.experiment)
    back = replace(world.state, limits={"della": world.state.limits["local"]})
    assert not back.is_out_of_sight(world.experiment)
    assert world.see(SHOWN) == [events.ExperimentUnarchived()]


def test_what_nobody_can_watch_can_be_forgotten() -> None:
    world = adrift()
    assert world.see(Forgotten(experiment=ID)) == []
    assert ID not in world.happened.state.experiments
    world = adrift()
    assert world.see(Forgotten(experiment="unknown")) == []
    assert ID in world.happened.state.experiments


def test_one_whose_past_cannot_be_read_is_forgotten_with_what_was_said_of_it() -> None:
    world = World()
    world.see(scaffold())
    world.state = replace(world.state, parked={ID: Parked("a fault of ours")})
    world.see(Forgotten(experiment=ID))
    assert world.happened.state == world.state
    world.state = replace(world.state, parked={ID: Parked("its past can't be read", for_good=True)})
    world.see(Forgotten(experiment=ID))
    assert (world.happened.state.experiments, world.happened.state.parked) == ({}, {})


def test_what_was_taken_out_of_the_ledger_is_not_known_any_more() -> None:
    world = over()
    assert world.see(Forgotten(experiment=ID)) == []
    assert ID not in world.happened.state.experiments


def test_after_a_restore_nothing_is_done_until_somebody_has_looked() -> None:
    world = World()
    world.see(scaffold())
    world.accept("rank4")
    queued = world.token("rank4")
    assert world.see(Restored(tokens=5000)) == [events.LedgerRestored(tokens=5000)]
    assert world.see(Restored(tokens=5000)) == []
    world.now += 1000
    assert world.see(Tick()) == []
    assert [type(command) for command in owed(world.state, world.now)] == [Watch]
    world.see(RetryWanted(seen=scaffold(), jobs=()))
    assert [type(command) for command in owed(world.state, world.now)] == [Watch]
    world.see(scaffold())
    assert world.token("rank4") == queued
    assert [c.job.id for c in owed(world.state, world.now) if isinstance(c, Watch)] == ["rank4"]
    world.drain()
    assert world.experiment.outcome is Outcome.SUCCEEDED
    later = [a.token for job in world.experiment.jobs.values() for a in job.attempts if a.token != queued]
    assert later
    assert all(int(token.rpartition("-")[2]) > 5000 or token == f"{ID}-2" for token in later)


def test_what_lies_there_finished_is_taken_up() -> None:
    world = World(max_submit=1)
    world.see(scaffold())
    world.see(CancelWanted(experiment=ID, jobs=()))
    world.see(Restored(tokens=5000))
    world.see(scaffold(verdicts={"rank8": GOOD}))
    assert world.job("rank8").stage is Stage.VERIFIED


def test_one_that_is_over_stays_over_and_uses_no_token_twice() -> None:
    world = over()
    world.see(Restored(tokens=5000))
    assert not world.experiment.restored
    world.see(scaffold(("rank4", "rank8", "rank16")))
    assert world.token("rank16") == f"{ID}-5001"


def test_what_was_put_away_is_forgotten_too() -> None:
    world = over()
    world.see(Shelved(experiment=ID, seq=world.experiment.seq, line=line(world.experiment)))
    away = world.happened.state
    assert ID in away.shelved
    assert ID not in observe(away, Forgotten(experiment=ID), world.now).state.shelved


@pytest.mark.parametrize(
    ("cluster", "typed"), [("local", "runexp run '/my exp'"), ("della", "runexp run 'della:/my exp'")]
)
def test_what_to_type_after_a_restore_is_said(cluster: str, typed: str) -> None:
    world = World()
    world.see(replace(scaffold(dir="/my exp"), cluster=cluster))
    world.see(Restored(tokens=5000))
    assert typed in view(world.experiment, ID, {}).trouble
    assert [e.id for e in world.state.watched()] == [ID]
    assert list(world.state.running()) == []
