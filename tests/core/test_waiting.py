"""Who waits for its turn is left in peace; who waits for what never comes, or was overtaken, is said to, and why."""

import pytest

from fakes.builders import ID, World, scaffold
from runexpd.core import waiting
from runexpd.core.observations import Accepted, Listed, Report, Symptom

RUNS = [f"run{n}" for n in range(8)]


def world(reason: str = "Priority") -> World:
    """All are in the queue since 1000; the first one says why."""
    world = World()
    world.see(scaffold(RUNS))
    for n, run in enumerate(RUNS, start=1):
        world.see(Accepted(experiment=ID, job=run, token=f"e1-{n}", slurm_job_id=str(n), output="/o"))
    told = Report(experiment=ID, job="run0", token="e1-1", state="PENDING", final=False, reason=reason)
    world.see(Listed(reports=(told,)))
    return world


def begin(world: World, *runs: int, at: float = 1100.0) -> None:
    reports = (
        Report(experiment=ID, job=f"run{n}", token=f"e1-{n + 1}", state="RUNNING", final=False, started_at=at)
        for n in runs
    )
    world.see(Listed(reports=tuple(reports)))


def symptom(world: World, now: float, job: str = "run0") -> Symptom | None:
    return {each.spec.id: found for each, found in waiting.symptoms(world.experiment, now)}.get(job)


def test_who_was_overtaken_by_three_and_waits_far_longer_is_told_why() -> None:
    waits = world()
    begin(waits, 1, 2)
    assert symptom(waits, 9000.0) is None, "two may be chance"
    begin(waits, 3)
    assert symptom(waits, 1000.0 + 1700.0) is None, "half an hour is not long"
    found = symptom(waits, 9000.0)
    assert found is not None
    what = "waits for 2 h 13 min, its siblings waited 100 s: others go before it (Priority)"
    assert found.what == what
    assert "ask for less" in found.hint


def test_siblings_that_waited_as_long_are_no_reason() -> None:
    waits = world()
    begin(waits, 1, 2, 3, at=1000.0 + 1800.0)
    assert symptom(waits, 1000.0 + 3 * 1800.0) is None


def test_a_reason_that_nobody_knows_is_shown_as_it_is() -> None:
    waits = world("(Levitation)")
    begin(waits, 1, 2, 3)
    found = symptom(waits, 9000.0)
    assert found is not None
    assert found.what.endswith("the scheduler gives no plain reason (Levitation)")


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        ("JobHeldUser", "you hold it (JobHeldUser)"),
        ("launch failed requeued held", "it could not be started, and is held"),
        (
            "ReqNodeNotAvail, UnavailableNodes:n1",
            "the nodes that it needs are down or reserved (ReqNodeNotAvail)",
        ),
        ("ReqNodeNotAvail, Reserved for maintenance", "its nodes are reserved for maintenance"),
        ("PartitionDown", "its partition starts no jobs now"),
        ("QOSMaxGRESPerJob", "it asks for more than one job may have"),
        ("AssocGrpCPUMinutesLimit", "the hours of its account are used up"),
        ("QOSNotAllowed", "its account, QOS or reservation is not valid"),
    ],
)
def test_what_never_ends_by_itself_is_said_soon(reason: str, says: str) -> None:
    waits = world(reason)
    assert symptom(waits, 1000.0 + 200.0) is None
    found = symptom(waits, 1000.0 + 301.0)
    assert found is not None
    assert found.what.startswith(f"waits for 5 min: {says}")
    assert "JOBID" not in found.hint


def test_nodes_that_are_down_or_kept_for_others_have_half_an_hour() -> None:
    waits = world(
        "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions"
    )
    assert symptom(waits, 1000.0 + 1700.0) is None
    found = symptom(waits, 1000.0 + 1800.0)
    assert found is not None
    assert "are down, or kept for others" in found.what


@pytest.mark.parametrize(
    "reason",
    ["AssocMaxJobsLimit", "AssocGrpCPURunMinutesLimit", "QOSMaxGRESPerUser", "Licenses", "Dependency", ""],
)
def test_a_limit_on_what_runs_at_a_time_is_a_turn_that_comes(reason: str) -> None:
    assert symptom(world(reason), 1000.0 + 1e5) is None


def test_who_runs_or_was_never_sent_does_not_wait() -> None:
    waits = world()
    begin(waits, 0)
    assert symptom(waits, 1e9) is None
    assert symptom(waits, 1e9, "base/words") is None
