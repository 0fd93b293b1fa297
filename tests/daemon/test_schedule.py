"""When a cluster is asked next, by what has been seen of its jobs and asked by others."""

import msgspec
import pytest

from fakes.builders import training
from runexp.wire.jobs import Progress
from runexpd.clusters.base import JobReport
from runexpd.core.commands import Watch
from runexpd.runtime import ends
from runexpd.runtime.schedule import Budget

PER_MINUTE = 4.0


class Asked:
    """A scheduler that counts its questions."""

    def __init__(self) -> None:
        self.count = 0

    def budget(self, now: float, *watches: Watch) -> Budget:
        budget = Budget(PER_MINUTE, lambda: self.count, now)
        for each in watches:
            budget.watch(each, now)
        return budget


GATES = frozenset({"e optimization"})


LAST_WORD = Progress(done=10, total=10, unit="steps", finishing=True)


def watch(token: str, started_at: float | None = 0.0, state: str = "RUNNING") -> Watch:
    return Watch(
        cluster="c",
        experiment="e",
        job=training(token),
        token=token,
        slurm_job_id="7",
        state=state,
        output=f"/exp/{token}.out",
        started_at=started_at,
        gate="e optimization",
    )


def ended(token: str, started_at: float, ended_at: float) -> JobReport:
    return JobReport(token=token, state="COMPLETED", final=True, started_at=started_at, ended_at=ended_at)


def test_what_others_asked_is_paid_for_by_waiting() -> None:
    asked = Asked()
    budget = asked.budget(0.0, watch("a"))
    budget.note([], 0.0)
    free = budget.next_at(GATES, 0.0)
    asked.count += 20
    assert budget.next_at(GATES, 0.0) >= 30.0 > free


def test_a_debt_has_an_end() -> None:
    asked = Asked()
    budget = asked.budget(0.0, watch("a"))
    asked.count += 10_000
    budget.note([], 0.0)
    assert budget.next_at(GATES, 0.0) <= 600.0


def test_the_last_job_before_a_gate_is_asked_about_as_soon_as_it_has_said_its_last_word() -> None:
    budget = Asked().budget(1000.0, watch("a"))
    budget.note([], 1000.0)
    budget.progressed("a", LAST_WORD, 1000.1)
    assert budget.next_at(GATES, 1000.1) <= 1000.5


@pytest.mark.parametrize("other", [watch("b", started_at=None, state="PENDING"), watch("b")])
def test_while_another_of_the_gate_waits_or_gives_no_idea_of_its_end_none_is_the_last(other: Watch) -> None:
    budget = Asked().budget(1000.0, watch("a"), other)
    budget.note([], 1000.0)
    budget.progressed("a", LAST_WORD, 1000.1)
    assert budget.next_at(GATES, 1000.1) > 1000.5
    budget.forget("b")
    assert budget.next_at(GATES, 1000.1) <= 1000.5


def test_siblings_tell_when_a_job_is_likely_to_end() -> None:
    budget = Asked().budget(0.0, watch("a", 0.0))
    budget.watch(watch("b", 40.0), 40.0)
    budget.note([ended("a", 0.0, 100.0)], 100.0)
    budget.forget("a")
    assert 139.0 <= budget.next_at(GATES, 110.0) <= 141.0


def test_what_was_asked_to_wait_last_is_asked_about_first() -> None:
    waits = [watch(str(n), started_at=None, state="PENDING") for n in range(3)]
    budget = Budget(6000.0, lambda: 0, 0.0)
    budget.watch(waits[0], 0.0)
    budget.note([], 100.0)
    assert budget.next_at(GATES, 100.0) == 150.0
    budget.watch(waits[1], 90.0)
    assert budget.next_at(GATES, 100.0) == 105.0
    budget.note([JobReport(token="0", state="PENDING", final=False, reason="Priority")], 100.0)
    assert budget.next_at(GATES, 100.0) == 102.0
    budget.forget("0")
    assert budget.next_at(GATES, 100.0) == 105.0


def test_a_round_without_an_answer_keeps_its_distance() -> None:
    budget = Asked().budget(0.0, watch("a"))
    budget.note((), 50.0)
    assert budget.next_at(GATES, 50.0) > 51.0


def test_a_clock_that_is_set_keeps_nobody_waiting() -> None:
    offset, running = [1e9], watch("a", started_at=1e9 + 50.0)
    budget = Budget(PER_MINUTE, lambda: 0, 100.0, lambda: offset[0])
    budget.watch(running, 100.0)
    budget.note([], 100.0)
    budget.progressed("a", Progress(done=5, total=10), 100.0)
    before = budget.next_at(GATES, 100.0)
    for hours in (-1, 1, 24 * 365):
        offset[0] = 1e9 + 3600 * hours
        budget.watch(running, 100.0)
        assert budget.next_at(GATES, 100.0) == before
        assert budget.look_pause_seconds(running, 100.0) == 5.0


def test_of_what_has_ended_little_is_remembered() -> None:
    budget = Asked().budget(0.0)
    for number in range(1000):
        each = msgspec.structs.replace(watch(str(number)), experiment=f"e{number}")
        budget.watch(each, 0.0)
        budget.note([ended(each.token, 0.0, 100.0)], 100.0)
        budget.forget(each.token)
    kept = [
        known for part in (budget, budget._ends) for known in vars(part).values() if isinstance(known, dict)
    ]
    assert max(map(len, kept)) == ends._MOST_KINDS
