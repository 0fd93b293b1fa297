"""What is chosen otherwise while an experiment runs holds from then on."""

from fakes.builders import ID, World, owed, scaffold
from runexp.wire import events
from runexp.wire.jobs import Policy
from runexp.wire.settings import Settings
from runexp.wire.states import Stage
from runexpd.core.observations import SettingWanted, Tick

RUNS = ("a", "b", "c", "d")


def chosen(world: World, **said: object) -> list[events.Event]:
    return world.see(SettingWanted(experiment=ID, typed=Settings(**said)))  # type: ignore[arg-type]


def in_flight(world: World) -> int:
    return sum(job.stage in (Stage.SUBMITTING, Stage.QUEUED) for job in world.experiment.jobs.values())


def test_fewer_at_a_time_than_the_cluster_allows() -> None:
    world = World(stagger_seconds=5.0)
    world.see(scaffold(RUNS))
    world.accept("a")
    assert chosen(world, max_submit=1) == [events.PolicyChanged(policy=Policy(max_submit=1))]
    world.now += 60
    world.see(Tick())
    assert in_flight(world) == 1
    chosen(world, max_submit=3, stagger_seconds=0.0)
    assert in_flight(world) == 3
    chosen(world, max_submit=None)
    assert in_flight(world) == len(RUNS)


def test_two_who_choose_at_once_lose_nothing_of_each_other() -> None:
    world = World()
    world.see(scaffold(RUNS))
    chosen(world, max_submit=2)
    chosen(world, stagger_seconds=3.0)
    assert world.experiment.policy == Policy(max_submit=2, stagger_seconds=3.0)


def test_its_own_distance_holds_in_place_of_the_clusters() -> None:
    world = World()
    world.see(scaffold(RUNS[:1], policy=Policy(stagger_seconds=30.0)))
    world.see(scaffold(RUNS, policy=Policy(stagger_seconds=30.0)))
    assert in_flight(world) == 1
    world.now += 31
    world.see(Tick())
    assert in_flight(world) == 2


def test_what_is_so_already_is_nothing_new_and_who_is_unknown_has_no_settings() -> None:
    world = World()
    world.see(scaffold())
    before = owed(world.state, world.now)
    assert chosen(world) == []
    assert world.see(SettingWanted(experiment="unknown", typed=Settings(max_submit=1))) == []
    assert owed(world.state, world.now) == before
