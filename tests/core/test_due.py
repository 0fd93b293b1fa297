"""What is owed to the world is told of touched jobs alone, and what is over may be put away."""

from collections import Counter

from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, SCORED, World, owed, scaffold
from runexp.wire import events
from runexp.wire.states import Outcome, Stage
from runexpd.core.commands import Submit
from runexpd.core.due import LATE_SECONDS, due
from runexpd.core.observations import CancelWanted, Recalled, Refused, RetryWanted, Shelved
from runexpd.core.state import Parked
from runexpd.core.steps import report, submit
from runexpd.core.touched import Touched

TWO = "e2"


def begun() -> World:
    world = World()
    world.see(scaffold(["rank4"]))
    world.see(scaffold(["rank4"], experiment=TWO, dir="/two"))
    return world


def ended() -> World:
    world = begun()
    for id in ("rank4", "base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED if "/" in id else GOOD)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    return world


def test_only_touched_jobs_are_told_of() -> None:
    world = begun()
    world.accept("rank4")
    told = due(world.state, world.happened.touched, world.now).jobs
    assert told.keys() == {(ID, "rank4")}


def test_a_parked_one_owes_nothing_and_one_that_is_not_known_is_passed_over() -> None:
    world = begun()
    world.state = replace(world.state, parked={ID: Parked("a fault of ours")})
    told = due(world.state, Touched([ID, "e9"]), world.now).jobs
    assert set(told.values()) == {()}
    assert {id for id, _ in told} == {ID}


def test_what_two_have_touched_is_of_both() -> None:
    world = begun()
    some, other = Touched(), Touched()
    some.note(ID, events.ResultVerified(job="base/words", token=None, detail=""))
    other.note(ID, events.ResultVerified(job="rank4", token=None, detail=""))
    assert {job.spec.id for job in (some | other).of(world.experiment)} == {"base/words", "rank4"}
    whole = Touched([ID])
    assert (
        len(list((whole | other).of(world.experiment)))
        == len(list((other | whole).of(world.experiment)))
        == 3
    )
    assert list((some | Touched([TWO])).of(world.experiment)) == list(some.of(world.experiment))


def test_one_of_which_all_is_meant_is_a_wide_matter() -> None:
    world = begun()
    assert world.happened.touched.is_wide
    world.accept("rank4")
    assert not world.happened.touched.is_wide


def test_few_submissions_are_on_their_way_at_a_time_and_each_answer_lets_another_go() -> None:
    runs = [f"r{n}" for n in range(submit.MOST_ON_THEIR_WAY + 50)]
    world = World(max_submit=10_000)
    world.see(scaffold(runs))
    for done in range(50):
        assert len(world.in_stage(Stage.SUBMITTING)) == submit.MOST_ON_THEIR_WAY
        world.accept(runs[done])
    world.accept(runs[50])
    assert len(world.in_stage(Stage.SUBMITTING)) == submit.MOST_ON_THEIR_WAY - 1


def test_what_was_asked_to_end_is_counted_as_it_is_shown() -> None:
    world = begun()
    world.accept("rank4")
    world.see(CancelWanted(experiment=ID, jobs=("rank4",)))
    shown = Counter(view.state for view in report.report(world.experiment, "words").optimization.jobs)
    counts = report.line(world.experiment).counts
    assert counts["CANCELLING"] == shown["CANCELLING"] == 1


def test_what_the_scaffold_no_longer_has_is_not_counted() -> None:
    world = World()
    world.see(scaffold(["rank4", "rank8"]))
    world.see(scaffold(["rank4"]))
    assert len(world.experiment.jobs) == 5
    assert sum(report.line(world.experiment).counts.values()) == 3


def test_what_is_over_is_put_away_and_recalled_and_nothing_has_happened() -> None:
    world = ended()
    away = Shelved(experiment=ID, seq=world.experiment.seq, line=report.line(world.experiment))
    before = world.experiment
    assert world.see(away) == []
    state = world.happened.state
    assert (set(state.shelved), set(state.experiments)) == ({ID}, {TWO})
    world.state = world.happened.state
    assert [each.id for each in world.state.known()] == [TWO, ID]
    assert world.see(away) == []
    assert world.see(Recalled(experiment=before)) == []
    assert world.happened.state.experiments[ID] == before
    assert not set(world.happened.state.shelved)


def test_what_goes_on_is_not_put_away() -> None:
    world = ended()
    line = report.line(world.experiment)
    for seq, id in ((world.experiment.seq - 1, ID), (world.state.experiments[TWO].seq, TWO)):
        world.see(Shelved(experiment=id, seq=seq, line=line))
        assert world.happened.state == world.state
    world.state = replace(world.state, parked={ID: Parked("a fault of ours")})
    world.see(Shelved(experiment=ID, seq=world.experiment.seq, line=line))
    assert world.happened.state == world.state
    world.see(Recalled(experiment=world.experiment))
    assert world.happened.state == world.state


def test_what_lies_there_was_looked_at_when_it_was_asked_for_and_when_an_attempt_had_ended() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.now += 500
    assert [each.looked_at for each in owed(world.state, world.now) if isinstance(each, Submit)] == [1000.0]
    world.finish("rank4", BAD, "NODE_FAIL")
    (again,) = (each for each in owed(world.state, world.now) if isinstance(each, Submit))
    assert again.token.endswith("-2")
    assert again.looked_at == 1500.0 + LATE_SECONDS


def test_what_was_refused_has_not_been_looked_at_when_that_was() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.see(Refused(experiment=ID, job="rank4", token=world.token("rank4"), error="another trains there"))
    world.see(RetryWanted(seen=scaffold(["rank4"]), jobs=()))
    (again,) = (each for each in owed(world.state, world.now) if isinstance(each, Submit))
    assert again.looked_at == world.now


def test_what_ended_while_it_was_looked_at_has_not_been_seen() -> None:
    world = World()
    world.see(replace(scaffold(["rank4"]), looked_at=world.now - 20))
    looked_at = [each.looked_at for each in owed(world.state, world.now) if isinstance(each, Submit)]
    assert looked_at == [world.now - 20]


def test_what_is_asked_for_again_goes_whatever_lay_there_then() -> None:
    world = World()
    world.see(replace(scaffold(["rank4"]), looked_at=world.now - 20))
    world.finish("rank4", BAD)
    world.now += 500
    world.see(RetryWanted(seen=replace(scaffold(["rank4"]), looked_at=world.now - 20), jobs=("rank4",)))
    (again,) = (each for each in owed(world.state, world.now) if isinstance(each, Submit))
    assert again.looked_at == world.now


def test_all_that_is_owed_is_owed_by_somebody() -> None:
    assert [type(command) for command in owed(begun().state, 1000.0)] == [Submit, Submit]
