"""plan, run, retry, cancel and what status says go by one rule, and what they suggest can be done."""

from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, ID, OUT_OF_MEMORY, SCORED, World, owed, scaffold
from runexp.wire.jobs import OnFailure, Policy
from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexp.wire.views import ExperimentView
from runexpd.core import commands, names
from runexpd.core.observations import CancelWanted, RetryWanted
from runexpd.core.steps import again, cancel, forecast, report

BOTH = ["rank4", "rank8"]


def view(world: World) -> ExperimentView:
    return report.view(world.experiment, "words", report.drawn(world.experiment, "words", {}, {}, {}))


def outcome_of(world: World) -> Outcome | None:
    return world.experiment.outcome


def shown(world: World, id: str) -> str:
    return next(job.state for job in view(world).jobs if job.id == id)


def test_optimize_only_a_failure_and_a_retry_end_in_success() -> None:
    world = World()
    world.see(scaffold(policy=Policy(optimize_only=True)))
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert outcome_of(world) is Outcome.PARTIAL
    world.see(RetryWanted(seen=scaffold(policy=Policy(optimize_only=True)), jobs=()))
    world.finish("rank4", GOOD)
    assert world.experiment.outcome is Outcome.SUCCEEDED
    assert again.retriable(world.experiment) == ()


def test_a_cancelled_training_that_is_retried_takes_its_evaluations_along() -> None:
    world = World()
    world.see(scaffold())
    world.accept("rank4")
    world.see(CancelWanted(experiment=ID, jobs=("rank4", "rank4/words/epoch0")))
    world.show("rank4", "CANCELLED", final=True)
    world.judge("rank4", BAD)
    world.finish("rank8", GOOD)
    for id in ("base/words", "rank8/words/epoch0"):
        world.finish(id, SCORED)
    world.see(RetryWanted(seen=scaffold(), jobs=("rank4",)))
    world.finish("rank4", GOOD)
    assert world.job("rank4/words/epoch0").stage is Stage.SUBMITTING


def test_one_that_never_began_and_is_retried_takes_them_along_as_well() -> None:
    world = World(max_submit=1)
    world.see(scaffold())
    world.see(CancelWanted(experiment=ID, jobs=("rank8",)))
    assert world.job("rank8").stage is Stage.SKIPPED
    world.finish("rank4", GOOD)
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, SCORED)
    assert world.job("rank8/words/epoch0").stage is Stage.SKIPPED
    world.see(RetryWanted(seen=scaffold(), jobs=("rank8",)))
    assert world.job("rank8").stage is Stage.SUBMITTING
    assert world.job("rank8/words/epoch0").stage is Stage.PLANNED


def test_a_retry_of_one_training_leaves_the_evaluations_of_the_others_going() -> None:
    world = World(max_submit=1)
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert world.experiment.evaluation is PhaseState.RUNNING
    world.see(RetryWanted(seen=scaffold(), jobs=("rank4",)))
    world.finish("base/words", SCORED)
    world.finish("rank4", GOOD)
    assert world.job("rank8/words/epoch0").stage in (Stage.SUBMITTING, Stage.PLANNED)
    world.finish("rank8/words/epoch0", SCORED)
    world.finish("rank4/words/epoch0", SCORED)
    assert world.experiment.outcome is Outcome.SUCCEEDED


def test_one_retry_is_enough() -> None:
    world = World()
    world.see(scaffold(policy=Policy(on_failure=OnFailure.STOP)))
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert len(world.in_stage(Stage.SKIPPED)) == 3
    world.see(RetryWanted(seen=scaffold(), jobs=("rank4",)))
    world.finish("rank4", GOOD)
    assert len(world.in_stage(Stage.SUBMITTING)) == 3


def test_an_evaluation_whose_model_failed_is_not_retried_without_it() -> None:
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    assert again.retriable(world.experiment, ("rank4/words/epoch0",)) == ()
    assert "rank4/words/epoch0" in again.retriable(world.experiment, ("rank4",))


def test_a_job_that_is_to_end_is_cancelling_until_it_has_ended() -> None:
    world = World()
    world.see(scaffold())
    world.accept("rank4")
    world.show("rank4", "RUNNING")
    world.see(CancelWanted(experiment=ID, jobs=("rank4",)))
    assert shown(world, "rank4") == "CANCELLING"
    assert [c.token for c in owed(world.state, world.now) if isinstance(c, commands.Cancel)] == ["e1-1"]
    world.show("rank4", "CANCELLED", final=True)
    world.judge("rank4", BAD)
    assert shown(world, "rank4") == "CANCELLED"
    assert report.line(world.experiment).counts["CANCELLED"] == 1


def test_an_experiment_that_was_cancelled_ends_cancelled_though_some_had_failed_before() -> None:
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD, "FAILED")
    world.accept("rank8")
    world.see(CancelWanted(experiment=ID, jobs=()))
    world.show("rank8", "CANCELLED", final=True)
    world.judge("rank8", BAD)
    assert world.experiment.outcome is Outcome.CANCELLED
    assert cancel.cancellable(world.experiment) == ()


def test_one_of_which_a_single_job_was_cancelled_does_not() -> None:
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD, "FAILED")
    world.accept("rank8")
    world.see(CancelWanted(experiment=ID, jobs=("rank8",)))
    world.show("rank8", "CANCELLED", final=True)
    world.judge("rank8", BAD)
    assert world.experiment.outcome is Outcome.FAILED


def test_a_job_that_waits_again_shows_no_older_attempts_times() -> None:
    world = World(max_submit=1)
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.accept("rank8")
    world.see(RetryWanted(seen=scaffold(), jobs=("rank4",)))
    job = next(job for job in view(world).jobs if job.id == "rank4")
    assert (job.stage, job.started_at, job.ended_at, job.slurm_job_id) == (Stage.PLANNED, None, None, None)
    assert len(job.attempts) == 1


def test_what_status_says_of_a_job_that_goes_no_further() -> None:
    world = World(max_submit=1)
    world.see(scaffold(verdicts={"rank4": DOUBTFUL}))
    details = {job.id: job.detail for job in view(world).jobs}
    assert "`runexp accept words rank4` takes it as it is" in details["rank4"]
    assert details["base/words"] == "waits for the barrier: rank4 unclear"
    world.see(CancelWanted(experiment=ID, jobs=("rank4",)))
    world.accept("rank8")
    world.show("rank8", "COMPLETED", final=True)
    assert next(job.detail for job in view(world).jobs if job.id == "rank8") == "results are being verified"
    world.judge("rank8", GOOD)
    details = {job.id: job.detail for job in view(world).jobs}
    assert details["rank8/words/epoch0"] == "waits for its turn"


def test_a_plan_says_what_is_left_of_each_job_and_how_to_go_on() -> None:
    world = World()
    world.see(scaffold(["rank2", "rank4", "rank8"], verdicts={"rank8": DOUBTFUL}))
    world.finish("rank2", BAD)
    world.accept("rank4")
    before = world.experiment
    world.see(scaffold(["rank2", "rank4", "rank8", "rank16"], verdicts={"rank8": DOUBTFUL}))
    lines = {line.job: line for line in forecast.lines(before, world.experiment, "words")}
    assert "`runexp retry words rank2`" in lines["rank2"].reason
    assert lines["rank4"].decision == "skip"
    assert "`runexp accept words rank8`" in lines["rank8"].reason
    assert lines["rank16"].decision == "submit"
    assert lines["rank2/words/epoch0"].reason == "once the optimization barrier clears"
    before = world.experiment
    world.see(scaffold(["rank2", "rank4", "rank8"], verdicts={"rank8": DOUBTFUL}))
    after = {line.job: line.decision for line in forecast.lines(before, world.experiment, "words")}
    assert after["rank16"] == "retire"


def test_a_report_has_its_phases_its_next_steps_and_what_is_retired() -> None:
    world = World()
    world.see(scaffold(verdicts={"base/words": SCORED}))
    world.finish("rank4", BAD)
    world.accept("rank8")
    world.show("rank8", "RUNNING")
    world.see(scaffold(["rank4"], verdicts={"base/words": SCORED}))
    made = report.report(world.experiment, "words")
    assert (made.optimization.succeeded, made.optimization.total) == (0, 1)
    assert [job.id for job in made.retired] == ["rank8"]
    assert any("runexp retry words" in step for step in made.next_steps)
    assert view(world).jobs[-1].detail in ("", "the scaffold no longer has it")


def test_the_next_step_of_a_cancelled_one_goes_on_and_of_an_optimized_one_evaluates() -> None:
    world = World()
    world.see(scaffold())
    world.see(CancelWanted(experiment=ID, jobs=()))
    for id in BOTH:
        world.accept(id)
        world.show(id, "CANCELLED", final=True)
        world.judge(id, BAD)
    assert report.report(world.experiment, "words").next_steps[0].endswith("runexp retry words")
    other = World()
    other.see(scaffold(policy=Policy(optimize_only=True)))
    for id in BOTH:
        other.finish(id, GOOD)
    assert report.report(other.experiment, "words").next_steps[0].endswith("runexp run /exp")
    doubt = World()
    doubt.see(scaffold(verdicts={"rank4": DOUBTFUL}))
    assert "Decide about rank4" in report.report(doubt.experiment, "words").next_steps[0]


def test_a_finished_one_says_where_its_logs_are() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    world.finish("rank4", GOOD)
    for id in ("base/words", "rank4/words/epoch0"):
        world.finish(id, GOOD)
    steps = report.report(world.experiment, "words").next_steps
    assert any("inspect view" in step for step in steps)
    assert any("inspect log dump" in step for step in steps)
    elsewhere = report.report(replace(world.experiment, cluster="della"), "words").next_steps
    assert "View the evaluation logs: runexp view words" in elsewhere
    assert any("inspect view" in step for step in elsewhere)
    assert world.experiment.phase(Phase.EVALUATION) is PhaseState.CLOSED


def test_an_experiment_is_named_by_its_name_where_that_is_its_alone_and_is_no_option() -> None:
    world = World()
    world.see(scaffold(["rank4"]))
    assert names.typed(world.state, world.experiment) == "words"
    world.see(scaffold(["rank4"], experiment="e2", dir="/two"))
    assert names.typed(world.state, world.experiment) == "e1"


def test_each_command_has_a_key_of_its_own() -> None:
    world = World()
    world.see(scaffold())
    world.accept("rank4")
    world.show("rank4", "RUNNING")
    world.see(CancelWanted(experiment=ID, jobs=("rank4",)))
    keys = [c.key for c in owed(world.state, world.now)]
    assert len(keys) == len(set(keys)) == 3
    world.accept("rank8")
    world.show("rank8", "FAILED", final=True)
    assert any(c.key == "judge e1-2" for c in owed(world.state, world.now) if isinstance(c, commands.Judge))
    world.judge("rank8", OUT_OF_MEMORY)
    assert any(
        isinstance(c, commands.Mend) and c.key == "mend e1 rank8" for c in owed(world.state, world.now)
    )


def test_an_evaluation_that_only_waits_for_its_turn_waits_for_no_barrier() -> None:
    world = World(max_submit=1)
    world.see(scaffold(["rank4"]))
    world.finish("rank4", GOOD)
    lines = {line.job: line for line in forecast.lines(world.experiment, world.experiment, "words")}
    waiting = lines[world.in_stage(Stage.PLANNED)[0]]
    assert (waiting.decision, waiting.reason) == ("submit", "not done yet")


def test_an_experiment_on_another_cluster_takes_no_place_of_this_ones() -> None:
    world = World(max_submit=1)
    world.see(scaffold(["rank4"]))
    world.see(replace(scaffold(["rank8"], experiment="e2", dir="/two"), cluster="della"))
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.state.experiments["e2"].jobs["rank8"].stage is Stage.SUBMITTING
