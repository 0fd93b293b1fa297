"""What changed since results were made waits for a person; what is made anew is moved aside first, and takes its evaluations along."""

from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, SCORED, World, everything_owed, owed, scaffold
from runexp.wire import events
from runexp.wire.jobs import IfChanged
from runexp.wire.metrics import Estimate
from runexp.wire.states import Outcome, PhaseState, Stage
from runexpd.core import commands
from runexpd.core.observations import AsideDone, RecipeSeen, RerunWanted, RetryWanted
from runexpd.core.steps import again, forecast, jobviews, report

CHANGES = {"rank4": ("lora_rank 4 -> 2",)}


def finished() -> World:
    """All that the scaffold asks for is done, each attempt with its recipe."""
    world = World()
    world.see(scaffold())
    for id in ("rank4", "rank8"):
        world.accept(id)
        world.see(RecipeSeen(experiment=ID, job=id, token=world.token(id), recipe=f"of {id}"))
        world.show(id, "COMPLETED", final=True)
        world.judge(id, GOOD)
    for id in ("base/words", "rank4/words/epoch0", "rank8/words/epoch0"):
        world.finish(id, SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    return world


def kinds(happened: list[events.Event]) -> list[str]:
    return [type(event).__name__ for event in happened]


def test_what_an_attempt_is_made_of_is_asked_for_until_it_is_known() -> None:
    world = World()
    world.see(scaffold())
    records = [c for c in everything_owed(world.state, world.now) if isinstance(c, commands.Record)]
    assert [(c.key, c.dir) for c in records] == [("record e1-1", "/exp"), ("record e1-2", "/exp")]
    seen = RecipeSeen(experiment=ID, job="rank4", token=world.token("rank4"), recipe="r4")
    assert kinds(world.see(seen)) == ["RecipeRecorded"]
    assert world.see(seen) == []
    assert world.see(replace(seen, experiment="nobody")) == []
    left = [c.key for c in everything_owed(world.state, world.now) if isinstance(c, commands.Record)]
    assert left == ["record e1-2"]


def test_results_are_made_of_what_their_attempt_was_and_an_evaluation_knows_its_model() -> None:
    world = World()
    world.see(scaffold())
    for id in ("rank4", "rank8"):
        world.finish(id, GOOD)
    assert world.job("rank4").made_of == ""
    token = world.token("rank4/words/epoch0")
    world.see(RecipeSeen(experiment=ID, job="rank4/words/epoch0", token=token, recipe="r"))
    (attempt,) = world.job("rank4/words/epoch0").attempts
    assert (attempt.recipe, attempt.models) == ("r", (world.job("rank4").proof,))
    assert finished().job("rank4").made_of == "of rank4"


def test_results_of_nobody_are_taken_to_be_of_what_is_said_when_they_are_first_seen() -> None:
    world = World()
    seen = replace(scaffold(verdicts={"rank4": GOOD}), recipes={"rank4": "r4"})
    assert "RecipeRecorded" in kinds(world.see(seen))
    assert world.job("rank4").made_of == "r4"


def test_what_changed_is_noted_and_nothing_is_submitted_for_it() -> None:
    world = finished()
    good = {id: GOOD for id in world.experiment.jobs}
    seen = replace(scaffold(verdicts=good), changes=CHANGES)
    assert "ChangeSeen" in kinds(world.see(seen))
    assert owed(world.state, world.now) == []
    decisions = {line.job: line for line in forecast.lines(None, world.experiment, "words")}
    assert decisions["rank4"].decision == "changed"
    assert "`runexp rerun words rank4` makes it anew" in decisions["rank4"].reason
    world.see(replace(seen, changed=IfChanged.KEEP))
    assert world.job("rank4").kept
    assert {line.decision for line in forecast.lines(None, world.experiment, "words")} == {"skip"}
    world.see(replace(seen, changes={}))
    assert (world.job("rank4").changes, world.job("rank4").kept) == ((), False)


def test_it_is_made_anew_once_its_old_results_are_out_of_the_way() -> None:
    world = finished()
    good = {id: GOOD for id in world.experiment.jobs}
    happened = world.see(replace(scaffold(verdicts=good), changes=CHANGES, changed=IfChanged.RERUN))
    (asked,) = [event for event in happened if isinstance(event, events.RerunAsked)]
    assert asked.jobs == ("rank4", "rank4/words/epoch0")
    assert asked.why == {"rank4": "lora_rank 4 -> 2"}
    assert world.job("rank4").stage is Stage.SETTING_ASIDE
    views = report.drawn(world.experiment, "words", {}, {}, {})
    assert views["rank4"].view.detail == "its old results are being moved aside"
    (command,) = [c for c in owed(world.state, world.now) if c.key == "aside e1 rank4"]
    assert isinstance(command, commands.SetAside)
    assert command.paths == GOOD.artifacts
    done = AsideDone(experiment=ID, job="rank4", number=command.number)
    assert world.see(replace(done, number=99)) == []
    assert kinds(world.see(done)) == ["ResultsSetAside", "AttemptIntended"]
    assert world.see(done) == []
    assert world.see(replace(done, experiment="nobody")) == []


def test_nothing_is_submitted_over_results_that_cannot_be_moved() -> None:
    world = finished()
    world.see(RerunWanted(seen=scaffold(), jobs=("rank8",)))
    world.see(AsideDone(experiment=ID, job="rank8", number=1, refused="no space left on device"))
    job = world.job("rank8")
    assert (job.stage, job.failure and job.failure.kind) == (Stage.FAILED, "not_set_aside")
    assert "no space left on device" in job.detail


def test_what_is_under_way_or_has_no_model_is_not_made_anew() -> None:
    world = finished()
    assert world.see(RerunWanted(seen=replace(scaffold(), experiment="nobody"), jobs=("rank4",))) == []
    assert world.see(RerunWanted(seen=scaffold(), jobs=("never/there",))) == []
    assert world.see(RerunWanted(seen=scaffold(), jobs=("rank4",)))
    assert world.see(RerunWanted(seen=scaffold(), jobs=("rank4",))) == []
    assert world.experiment.optimization is PhaseState.RUNNING


def test_what_the_scaffold_no_longer_has_is_retired_first() -> None:
    world = finished()
    happened = world.see(RerunWanted(seen=scaffold(("rank4",)), jobs=("rank4",)))
    assert kinds(happened)[:2] == ["JobsRetired", "RerunAsked"]


def test_a_job_is_drawn_anew_as_its_end_comes_nearer() -> None:
    world = finished()
    ends = Estimate(earliest_at=1.0, likely_at=2.0, latest_at=3.0)
    forecast_of = replace(jobviews.NOTHING, ends={"rank4": ends})
    first = report.drawn(world.experiment, "words", {}, {}, {}, forecast_of)
    assert first["rank4"].view.ends == ends
    assert first["rank8"].view.ends is None
    again = report.drawn(world.experiment, "words", {}, {}, first, forecast_of)
    assert again["rank4"] is first["rank4"]


def evaluating() -> World:
    """Trained, and its evaluations run."""
    world = World()
    world.see(scaffold())
    for id in ("rank4", "rank8"):
        world.finish(id, GOOD)
    world.accept("rank4/words/epoch0")
    token = world.token("rank4/words/epoch0")
    world.see(RecipeSeen(experiment=ID, job="rank4/words/epoch0", token=token, recipe="r"))
    return world


def test_a_model_that_is_being_evaluated_stays_where_it_is() -> None:
    world = evaluating()
    assert world.see(RerunWanted(seen=scaffold(), jobs=("rank4",))) == []
    good = {"rank4": GOOD, "rank8": GOOD}
    happened = world.see(replace(scaffold(verdicts=good), changes=CHANGES, changed=IfChanged.RERUN))
    assert "RerunAsked" not in kinds(happened)
    assert world.job("rank4").changes == CHANGES["rank4"]
    world.show("rank4/words/epoch0", "COMPLETED", final=True)
    world.judge("rank4/words/epoch0", SCORED)
    assert "RerunAsked" in kinds(world.see(RerunWanted(seen=scaffold(), jobs=("rank4",))))


def test_scores_of_a_model_that_was_lost_and_trained_anew_meanwhile_do_not_count() -> None:
    world = evaluating()
    world.see(scaffold(verdicts={"rank4": BAD, "rank8": GOOD}))
    assert world.job("rank4").stage is Stage.FAILED
    world.see(RetryWanted(seen=scaffold(verdicts={"rank8": GOOD}), jobs=("rank4",)))
    world.finish("rank4", GOOD)
    world.show("rank4/words/epoch0", "COMPLETED", final=True)
    world.judge("rank4/words/epoch0", SCORED)
    failure = world.job("rank4/words/epoch0").failure
    assert failure is not None
    assert failure.kind == "outdated"
    assert again.retriable(world.experiment) == ("rank4/words/epoch0",)


def test_what_the_scaffold_is_warned_of_is_as_it_was_last_read_whatever_was_asked() -> None:
    world = finished()
    read = replace(scaffold(verdicts={"rank4": GOOD, "rank8": GOOD}), warnings=("no script for one",))
    world.see(RerunWanted(seen=read, jobs=("rank4/words/epoch0",)))
    assert list(world.experiment.warnings) == ["no script for one"]
    world.finish("rank4/words/epoch0", BAD)
    world.see(RetryWanted(seen=replace(read, warnings=()), jobs=("rank4/words/epoch0",)))
    assert not world.experiment.warnings
    world.see(replace(read, warnings=("another",)))
    assert list(world.experiment.warnings) == ["another"], "under way, too"
    assert world.see(replace(read, warnings=("another",))) == []


def test_an_earlier_ledger_says_nothing_of_warnings_and_they_stay() -> None:
    world = World()
    world.see(replace(scaffold(), warnings=("no script for one",)))
    world.finish("rank4", BAD)
    world.enter(ID, events.RetryAsked(jobs=("rank4",)))
    assert world.experiment.warnings == ("no script for one",)
