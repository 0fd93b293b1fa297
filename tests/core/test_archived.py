"""Checkpoints that were deleted once everything was evaluated are nothing that is owed."""

import pytest
from msgspec.structs import replace

from core.test_rerun import finished
from fakes.builders import BAD, GOOD, SCORED, World, owed, scaffold
from runexp.wire.jobs import Failure, Verdict
from runexp.wire.states import Outcome, Stage
from runexpd.core.observations import ScaffoldSeen
from runexpd.core.steps import archived

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


def test_where_an_evaluation_is_missing_its_training_is_owed() -> None:
    world = World()
    asked = scaffold(
        verdicts={"rank8": GOOD, "rank4": ABSENT, **{k: v for k, v in ALL.items() if "rank4" not in k}}
    )
    taken = archived.taken(asked.jobs, asked.verdicts, {})
    world.see(replace(asked, verdicts=taken))
    assert world.job("rank4").stage is Stage.SUBMITTING


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
