"""What has failed here and is good by now, made by somebody else, is taken up by `retry` as by `run`."""

from msgspec.structs import replace

from fakes.builders import BAD, GOOD, ID, SCORED, World, scaffold
from runexp.wire.states import Outcome, Stage
from runexpd.core.observations import Queued, Refused, RetryWanted, ScaffoldSeen

CELL = "rank4/words/epoch0"


def of_failed() -> World:
    """Where one of two trainings failed, and the rest went well."""
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    for id in ("base/words", "rank8/words/epoch0"):
        world.finish(id, SCORED)
    assert world.experiment.outcome is Outcome.PARTIAL
    return world


def ended_at(world: World) -> float:
    attempt = world.job("rank4").attempt
    assert attempt is not None
    assert attempt.ended_at is not None
    return attempt.ended_at


def seen(began_at: float, scored_at: float | None = None) -> ScaffoldSeen:
    scored = {} if scored_at is None else {CELL: replace(SCORED, begun_at=scored_at)}
    return scaffold(verdicts={"rank4": replace(GOOD, begun_at=began_at), **scored})


def test_what_another_has_trained_since_it_failed_is_not_trained_again() -> None:
    world = of_failed()
    at = ended_at(world)
    world.see(RetryWanted(seen=seen(at + 1, at + 2), jobs=()))
    assert len(world.job("rank4").attempts) == 1
    assert world.job("rank4").stage is world.job(CELL).stage is Stage.VERIFIED
    assert world.experiment.outcome is Outcome.SUCCEEDED


def test_what_is_not_scored_yet_is_scored() -> None:
    world = of_failed()
    world.see(RetryWanted(seen=seen(ended_at(world) + 1), jobs=("rank4",)))
    assert world.job("rank4").stage is Stage.VERIFIED
    assert world.job(CELL).stage is Stage.SUBMITTING


def test_what_the_failed_attempt_itself_has_left_is_made_again_with_what_was_scored_of_it() -> None:
    world = of_failed()
    at = ended_at(world)
    world.see(RetryWanted(seen=seen(at - 1, at + 2), jobs=()))
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.job(CELL).stage is Stage.PLANNED


def test_what_is_in_the_queue_is_not_good_yet() -> None:
    world = of_failed()
    queued = replace(
        seen(ended_at(world) + 1), queued={"rank4": Queued(slurm_job_id="77", mark="x-1", output="")}
    )
    world.see(RetryWanted(seen=queued, jobs=()))
    assert world.job("rank4").stage is Stage.QUEUED


def test_what_another_has_trained_before_ours_was_refused_is_taken_up() -> None:
    """A submission that was refused has left nothing."""
    world = World()
    world.see(scaffold(("rank4",)))
    token = world.token("rank4")
    world.see(Refused(experiment=ID, job="rank4", token=token, error="another's job has trained there"))
    assert world.experiment.outcome is Outcome.FAILED
    good = {"rank4": replace(GOOD, begun_at=world.now - 1000)}
    world.see(RetryWanted(seen=scaffold(("rank4",), verdicts=good), jobs=()))
    assert world.job("rank4").stage is Stage.VERIFIED
    assert len(world.job("rank4").attempts) == 1
