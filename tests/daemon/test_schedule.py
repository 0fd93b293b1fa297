"""When a cluster is asked next, by what has been seen of its jobs and asked by others."""

from fakes.builders import training
from runexp.wire.jobs import Progress
from runexpd.clusters.base import JobReport
from runexpd.core.commands import Watch
from runexpd.runtime.schedule import Budget

PER_MINUTE = 4.0


class Asked:
    """A scheduler that counts its questions."""

    def __init__(self) -> None:
        self.count = 0

    def budget(self, now: float) -> Budget:
        return Budget(PER_MINUTE, lambda: self.count, now)


GATES = frozenset({"e optimization"})


def watch(token: str, started_at: float | None = 0.0, gate: str = "e optimization") -> Watch:
    return Watch(
        cluster="c",
        experiment="e",
        job=training(token),
        token=token,
        slurm_job_id="7",
        state="RUNNING",
        output=f"/exp/{token}.out",
        started_at=started_at,
        gate=gate,
    )


def ended(token: str, started_at: float, ended_at: float) -> JobReport:
    return JobReport(token=token, state="COMPLETED", final=True, started_at=started_at, ended_at=ended_at)


def test_what_others_asked_is_paid_for_by_waiting() -> None:
    asked, watches = Asked(), [watch("a")]
    budget = asked.budget(0.0)
    budget.note(watches, [], 0.0)
    free = budget.next_at(watches, GATES, {}, 0.0)
    asked.count += 20
    assert budget.next_at(watches, GATES, {}, 0.0) >= 30.0 > free


def test_a_debt_has_an_end() -> None:
    asked, watches = Asked(), [watch("a")]
    budget = asked.budget(0.0)
    asked.count += 10_000
    budget.note(watches, [], 0.0)
    assert budget.next_at(watches, GATES, {}, 0.0) <= 600.0


def test_the_last_job_before_a_gate_is_asked_about_as_soon_as_it_has_said_its_last_word() -> None:
    asked, watches = Asked(), [watch("a")]
    budget = asked.budget(1000.0)
    budget.note(watches, [], 1000.0)
    done = Progress(done=10, total=10, unit="steps", finishing=True)
    assert budget.next_at(watches, GATES, {"a": done}, 1000.1) <= 1000.5


def test_siblings_tell_when_a_job_is_likely_to_end() -> None:
    asked = Asked()
    budget = asked.budget(0.0)
    first, second = watch("a", 0.0), watch("b", 40.0)
    budget.note([first, second], [ended("a", 0.0, 100.0)], 100.0)
    assert 139.0 <= budget.next_at([second], GATES, {}, 110.0) <= 141.0


def test_a_round_without_an_answer_keeps_its_distance() -> None:
    asked, watches = Asked(), [watch("a")]
    budget = asked.budget(0.0)
    budget.note(watches, (), 50.0)
    assert budget.next_at(watches, GATES, {}, 50.0) > 51.0


def test_a_clock_that_is_set_keeps_nobody_waiting() -> None:
    offset, watches = [1e9], [watch("a", started_at=1e9 + 50.0)]
    budget = Budget(PER_MINUTE, lambda: 0, 100.0, lambda: offset[0])
    budget.note(watches, [], 100.0)
    halfway = {"a": Progress(done=5, total=10)}
    before = budget.next_at(watches, GATES, halfway, 100.0)
    for hours in (-1, 1, 24 * 365):
        offset[0] = 1e9 + 3600 * hours
        assert budget.next_at(watches, GATES, halfway, 100.0) == before
        assert budget.look_pause_seconds(watches[0], halfway["a"], 100.0) == 5.0
