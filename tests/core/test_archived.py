"""Checkpoints that were deleted once everything was evaluated are nothing that is owed."""

import pytest
from msgspec.structs import replace

from core.test_rerun import finished
from fakes.builders import BAD, GOOD, ID, SCORED, World, cell, owed, scaffold
from runexp.wire import events
from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, Finding, Verdict
from runexp.wire.states import Outcome, Stage
from runexpd.core.observations import AcceptWanted, ScaffoldSeen
from runexpd.core.steps import archived, forecast, jobviews

ABSENT = replace(BAD, is_absent=True)
ALL = {"base/words": SCORED, "rank4/words/epoch0": SCORED, "rank8/words/epoch0": SCORED}


def seen(world: World, **found: Verdict) -> ScaffoldSeen:
    """`rank4`'s checkpoints are gone; what else was found, evaluations by their run."""
    verdicts = {"rank8": GOOD, "rank4": ABSENT, **ALL}
    verdicts |= {id if id in verdicts else f"{id}/words/epoch0": verdict for id, verdict in found.items()}
    asked = scaffold(verdicts=verdicts)
    known = world.state.experiments.get(asked.experiment)
    return replace(asked, verdicts=archived.taken(asked.jobs, verdicts, known.jobs if known else {}))


def test_an_experiment_that_nobody_knows_is_done() -> None:
    world = World()
    world.see(seen(world))
    assert owed(world.state, world.now) == []
    assert world.experiment.outcome is Outcome.SUCCEEDED
    assert world.job("rank4").detail == archived.DETAIL


def test_one_that_is_known_stays_done() -> None:
    world = finished()
    world.see(seen(world))
    assert owed(world.state, world.now) == []
    assert {job.stage for job in world.experiment.current} == {Stage.VERIFIED}
    assert world.experiment.outcome is Outcome.SUCCEEDED


def test_that_its_checkpoints_are_gone_is_said_until_they_are_back() -> None:
    world = finished()
    before = world.job("rank4")
    world.see(seen(world))
    assert plan_line(world, "rank4") == ("skip", f"done: {archived.DETAIL}")
    assert shown(world, "rank4") == archived.DETAIL
    assert world.job("rank4").artifacts == (), "no report names what is gone"
    assert world.job("rank4").made_of == before.made_of
    again = world.see(seen(world))
    assert not [event for event in again if isinstance(event, events.ResultVerified)]
    world.see(scaffold(verdicts={"rank8": GOOD, "rank4": GOOD, **ALL}))
    assert world.job("rank4") == before


def test_what_a_person_took_as_it_is_stays_as_it_is_without_its_checkpoints() -> None:
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.see(AcceptWanted(experiment=ID, jobs=("rank4",)))
    accepted = world.job("rank4")
    world.see(seen(world))
    assert world.job("rank4") == accepted


def test_where_no_evaluation_is_there_its_training_is_owed_as_if_it_had_never_been() -> None:
    world = World()
    asked = scaffold(
        verdicts={"rank8": GOOD, "rank4": ABSENT, **{k: v for k, v in ALL.items() if "rank4" not in k}}
    )
    taken = archived.taken(asked.jobs, asked.verdicts, {})
    assert taken == asked.verdicts
    world.see(replace(asked, verdicts=taken))
    assert world.job("rank4").stage is Stage.SUBMITTING
    assert world.job("rank4").why == ""


def two_epochs(second: Verdict) -> ScaffoldSeen:
    """`rank4` was evaluated after two epochs; what was found of the second."""
    asked = scaffold(verdicts={"rank8": GOOD, "rank4": ABSENT, **ALL, "rank4/words/epoch1": second})
    asked = replace(asked, jobs=(*asked.jobs, cell("rank4", 1)))
    return replace(asked, verdicts=archived.taken(asked.jobs, asked.verdicts, {}))


NO_LOG = replace(BAD, failure=Failure(FailureKind.NO_LOG, "no log in /exp/words"))


@pytest.mark.parametrize(("second", "said"), [(NO_LOG, "has no log"), (BAD, "isn't done")])
def test_where_one_of_its_evaluations_is_missing_it_is_said_until_it_is_trained(
    second: Verdict, said: str
) -> None:
    world = World()
    world.see(two_epochs(second))
    why = f"its checkpoints are gone, and rank4/words/epoch1 {said}: trained anew"
    assert plan_line(world, "rank4") == ("submit", why)
    assert plan_line(world, "rank8")[0] == "skip"
    assert shown(world, "rank4") == why
    world.accept("rank4")
    assert shown(world, "rank4") == why
    world.show("rank4", "PENDING")
    assert shown(world, "rank4") == why
    world.show("rank4", "COMPLETED", final=True)
    world.judge("rank4", GOOD)
    assert shown(world, "rank4") == GOOD.detail


def plan_line(world: World, job: str) -> tuple[str, str]:
    lines = {line.job: line for line in forecast.lines(None, world.experiment, "words")}
    return lines[job].decision, lines[job].reason


def shown(world: World, job: str) -> str:
    return jobviews.draw(world.experiment, "words", [world.job(job)])[job].view.detail


def test_of_many_that_are_missing_a_few_are_named() -> None:
    asked = scaffold(verdicts={"rank4": ABSENT, **ALL})
    more = tuple(cell("rank4", epoch) for epoch in range(1, 6))
    taken = archived.taken((*asked.jobs, *more), asked.verdicts, {})
    named = ", ".join(f"rank4/words/epoch{epoch} isn't done" for epoch in (1, 2, 3))
    assert taken["rank4"].detail == f"its checkpoints are gone, and {named}, and 2 evaluations more"


def test_what_is_there_and_broken_is_not_archived() -> None:
    world = World()
    world.see(seen(world, rank4=BAD))
    assert world.job("rank4").stage is Stage.SUBMITTING


def test_a_run_that_is_not_evaluated_is_owed() -> None:
    asked = scaffold(verdicts={"rank4": ABSENT})
    jobs = [job for job in asked.jobs if job.id == "rank4"]
    assert archived.taken(jobs, asked.verdicts, {}) == asked.verdicts


@pytest.mark.parametrize("kind", ["results_gone", "cuda_out_of_memory"])
def test_what_an_attempt_failed_at_is_not_archived_and_what_was_verified_once_is(kind: str) -> None:
    job = replace(finished().job("rank4"), stage=Stage.FAILED, failure=Failure(kind, "it broke"))
    verdicts = {"rank8": GOOD, "rank4": ABSENT, **ALL}
    taken = archived.taken(scaffold().jobs, verdicts, {"rank4": job})
    assert (taken["rank4"].detail == archived.DETAIL) == (kind == "results_gone")


def test_scores_from_before_the_model_was_trained_anew_are_none_of_it() -> None:
    world = finished()
    outdated = Failure(FailureKind.OUTDATED, "scored before its model was trained anew")
    job = replace(world.job("rank4/words/epoch0"), stage=Stage.FAILED, failure=outdated)
    verdicts = {"rank8": GOOD, "rank4": ABSENT, **ALL}
    taken = archived.taken(scaffold().jobs, verdicts, {"rank4": world.job("rank4"), job.spec.id: job})
    assert taken["rank4"].detail != archived.DETAIL
    assert taken["rank4"].finding is not Finding.GOOD
