"""What queue and accounting say together, a rule at a time."""

import pytest
from msgspec.structs import replace

from runexp.wire.states import END_STATES, LOST
from runexpd.clusters.base import JobReport, Known
from runexpd.clusters.slurm import merge
from runexpd.clusters.slurm.parse import Accounted, Queued

JOB = Known("7", "t1")
PATH = "/home/me/.runexp/t1/../../../../exp/finetune.slurm"


def queued(state: str = "RUNNING", id: str = "7", command: str = PATH, start: float | None = 100.0) -> Queued:
    return Queued(id, state, None, start, command)


def recorded(
    state: str = "COMPLETED",
    end: float | None = 200.0,
    id: str = "7",
    line: str | None = f"sbatch {PATH}",
    user: str = "me",
) -> Accounted:
    return Accounted(id, state, "0:0", 100.0, end, user, line)


def report(queue: list[Queued] | None, accounting: list[Accounted] | None) -> JobReport | None:
    reports = merge.reports([JOB], queue, accounting)
    return reports[0] if reports else None


def test_an_end_with_its_time_that_the_queue_has_no_more_is_final() -> None:
    found = report([], [recorded("FAILED")])
    assert found is not None
    assert (found.state, found.final, found.started_at, found.ended_at) == ("FAILED", True, 100.0, 200.0)
    assert report([queued("FAILED")], [recorded("FAILED")]) == found


@pytest.mark.parametrize(
    ("queue", "accounting"),
    [
        ([queued("PENDING")], [recorded("PREEMPTED")]),
        ([queued("RUNNING")], [recorded("NODE_FAIL")]),
        ([queued("COMPLETING")], [recorded("COMPLETED")]),
        ([queued("RUNNING")], None),
    ],
)
def test_while_the_queue_has_it_the_queue_is_right(
    queue: list[Queued], accounting: list[Accounted] | None
) -> None:
    found = report(queue, accounting)
    assert found is not None
    assert (found.state, found.final) == (queue[0].state, False)


@pytest.mark.parametrize(
    "accounting",
    [
        [],
        [recorded("COMPLETED", user="root", line="")],
        [recorded("COMPLETED", line="")],
        [recorded(line="sbatch /home/me/.runexp/other/../../../../exp/finetune.slurm")],
        [recorded(line="sbatch /home/me/.runexp/t12/../../../../exp/finetune.slurm")],
        [recorded(id="77")],
        [recorded("FAILED", end=None)],
    ],
    ids=["absent", "stub", "stub with a user", "another's", "a longer token", "another id", "no end"],
)
def test_no_news_while_one_of_the_two_was_not_asked(accounting: list[Accounted]) -> None:
    assert report(None, accounting) is None
    assert report(None, None) is None
    assert report([], None) is None


def test_of_what_somebody_else_submitted_an_old_sacct_knows_no_more_than_the_id() -> None:
    row = replace(recorded("FAILED", line=None), workdir="/exp/run")
    adopted = Known("7", "t1", mark="finetune.slurm")
    (found,) = merge.reports([adopted], [], [row])
    assert (found.state, found.final) == ("FAILED", True)
    stub = replace(row, workdir="", user="root")
    assert merge.reports([adopted], None, [stub]) == []


def test_a_row_whose_command_says_nothing_is_ours_if_it_is_said_to_be() -> None:
    row = recorded("FAILED", line=None)
    (found,) = merge.reports([JOB], [], [row], {("t1", row)})
    assert (found.state, found.final) == ("FAILED", True)
    (found,) = merge.reports([JOB], [], [row], {("t2", row)})
    assert (found.state, found.final) == (LOST, False)
    copy = queued("RUNNING", command="/tmp/copy")
    assert merge.still_theirs([JOB], [copy]) == []
    assert merge.still_theirs([JOB], [copy], {("t1", copy)}) == [JOB]


@pytest.mark.parametrize("accounting", [[], [recorded("FAILED", end=None)], [recorded("RUNNING", end=None)]])
def test_what_neither_queue_nor_accounting_knows_the_end_of_is_lost_and_not_over(
    accounting: list[Accounted],
) -> None:
    found = report([], accounting)
    assert found is not None
    assert (found.state, found.final) == (LOST, False)
    assert LOST not in END_STATES


def test_an_end_is_not_final_while_the_queue_gives_no_answer() -> None:
    found = report(None, [recorded("COMPLETED")])
    assert found is not None
    assert not found.final


def test_a_word_that_nobody_knows_is_shown_and_ends_nothing() -> None:
    assert "LEVITATING" not in END_STATES
    found = report([queued("LEVITATING")], [recorded("LEVITATING", end=None)])
    assert found is not None
    assert (found.state, found.final) == ("LEVITATING", False)
    over = report([], [recorded("LEVITATING")])
    assert over is not None
    assert not over.final


def test_an_array_ends_with_its_last_element_and_as_badly_as_its_worst() -> None:
    elements = [recorded(id="7_1"), recorded("FAILED", id="7_2", end=300.0), recorded("COMPLETED", id="7_3")]
    waiting = report([queued("PENDING", id="7_[4-9]", start=None)], elements)
    assert waiting is not None
    assert (waiting.state, waiting.final) == ("PENDING", False)
    over = report([], elements)
    assert over is not None
    assert (over.state, over.final, over.ended_at) == ("FAILED", True, 300.0)
    one_runs = report([], [*elements, recorded("RUNNING", id="7_4", end=None)])
    assert one_runs is not None
    assert not one_runs.final


def test_a_heterogeneous_job_is_all_of_its_parts() -> None:
    found = report([queued("RUNNING", id="7+1")], [recorded(id="7+0")])
    assert found is not None
    assert (found.state, found.final) == ("RUNNING", False)
    over = report([], [recorded(id="7+0"), recorded("TIMEOUT", id="7+1")])
    assert over is not None
    assert (over.state, over.final) == ("TIMEOUT", True)


def test_a_pending_job_says_when_it_is_expected_to_start() -> None:
    found = report([Queued("7", "PENDING", "Priority", 500.0, PATH)], [recorded("PENDING", end=None)])
    assert found is not None
    assert (found.reason, found.expected_start_at, found.started_at) == ("Priority", 500.0, None)


WAITS = Known("7", "t1", state="PENDING", reason="Priority")
RUNS = Known("7", "t1", state="RUNNING", started_at=100.0)


@pytest.mark.parametrize(
    ("job", "row"), [(WAITS, Queued("7", "PENDING", "Priority", None, PATH)), (RUNS, queued("RUNNING"))]
)
def test_a_row_that_says_what_is_known_is_no_news(job: Known, row: Queued) -> None:
    assert merge.sifted([job], [row]) == ([], {"t1"})
    assert merge.sifted([JOB], [row]) == ([row], set()), "nothing is known of it"


@pytest.mark.parametrize(
    ("job", "row"),
    [
        (WAITS, Queued("7", "PENDING", "Resources", None, PATH)),
        (WAITS, Queued("7", "PENDING", "Priority", 500.0, PATH)),
        (WAITS, queued("RUNNING")),
        (RUNS, queued("RUNNING", start=200.0)),
        (RUNS, queued("RUNNING", start=None)),
        (replace(RUNS, started_at=None), queued("RUNNING", start=None)),
        (replace(RUNS, state="COMPLETED"), queued("COMPLETED")),
        (RUNS, queued("RUNNING", command=PATH.replace("t1", "t2"))),
        (RUNS, queued("RUNNING", id="7_1")),
        (RUNS, queued("RUNNING", id="7+1")),
    ],
)
def test_a_row_that_says_something_else_is_looked_at(job: Known, row: Queued) -> None:
    assert merge.sifted([job], [row]) == ([row], set())


def test_of_rows_of_jobs_that_nobody_asked_about_nothing_is_kept() -> None:
    assert merge.sifted([WAITS], [queued(id="77"), queued(id="8_7")]) == ([], set())
