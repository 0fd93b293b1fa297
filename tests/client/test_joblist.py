"""Going through the jobs: groups, folding, filtering, and a cursor that stays with its job."""

import pytest
from msgspec.structs import replace

from fakes.daemon import job
from runexp.ui import standing
from runexp.ui.joblist import By, Group, JobList
from runexp.ui.standing import Standing
from runexp.wire.metrics import Concern, Health
from runexp.wire.states import LOST, PENDING, Stage
from runexp.wire.views import JobView

FAILED = job("rank4", Stage.FAILED, "FAILED", detail="no such model")
RUNNING = job("rank8")
DONE = tuple(job(f"done{n}", Stage.VERIFIED, "VERIFIED") for n in range(20))
ILL = Health(concern=Concern.STALLED, since_at=1.0, what="no new step for 6 min")


def listed(*jobs: JobView) -> JobList:
    made = JobList()
    made.show(jobs)
    return made


def shown(jobs: JobList) -> list[str]:
    return [f"[{row.key}]" if isinstance(row, Group) else row.id for row in jobs.rows]


def test_what_failed_is_on_top_then_what_runs_and_many_that_are_done_are_folded() -> None:
    assert shown(listed(*DONE, RUNNING, FAILED)) == ["[failed]", "rank4", "[running]", "rank8", "[done]"]


def test_it_begins_with_a_job() -> None:
    assert listed(*DONE, RUNNING, FAILED).chosen is FAILED


def test_few_jobs_are_all_shown() -> None:
    assert "done1" in shown(listed(*DONE[:3], RUNNING))


def test_the_cursor_stays_with_its_job_wherever_that_goes() -> None:
    jobs = listed(*DONE, RUNNING, FAILED)
    jobs.go(3)
    assert jobs.chosen is RUNNING
    ended = replace(RUNNING, stage=Stage.VERIFIED, state="VERIFIED")
    jobs.show((*DONE, ended, FAILED))
    assert jobs.chosen is ended, "though its new group is folded"
    assert shown(jobs) == ["[failed]", "rank4", "[done]", "rank8"]


def test_who_has_gone_nowhere_yet_is_on_the_most_telling_job() -> None:
    jobs = listed(RUNNING, *DONE[:3])
    assert jobs.chosen is RUNNING
    jobs.show((RUNNING, *DONE[:3], FAILED))
    assert jobs.chosen is FAILED
    jobs.move(0)
    jobs.show((RUNNING, *DONE[:2], FAILED))
    assert jobs.chosen is FAILED


def test_a_job_that_goes_leaves_the_cursor_where_it_was() -> None:
    jobs = listed(FAILED, RUNNING)
    jobs.go(3)
    jobs.show((FAILED,))
    assert jobs.chosen is FAILED


def test_a_group_folds_with_the_cursor_on_its_line_and_unfolds() -> None:
    jobs = listed(*DONE, RUNNING, FAILED)
    jobs.go(3)
    jobs.fold(True)
    assert isinstance(jobs.chosen, Group)
    assert "rank8" not in shown(jobs)
    jobs.fold()
    assert "rank8" in shown(jobs)
    jobs.go(len(jobs.rows))
    jobs.fold(False)
    assert "done19" in shown(jobs)


def test_all_groups_fold_and_unfold_together() -> None:
    jobs = listed(*DONE, RUNNING, FAILED)
    jobs.fold_all()
    assert shown(jobs) == ["[failed]", "[running]", "[done]"]
    jobs.fold_all()
    assert len(jobs.rows) == 3 + 22


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("rank", {"rank4", "rank8"}),
        ("RANK 8", {"rank8"}),
        ("failed", {"rank4"}),
        ("such model", {"rank4"}),
        ("done1", {"done1", *(f"done1{n}" for n in range(10))}),
        ("nothing like it", set()),
    ],
)
def test_a_filter_looks_into_name_state_and_detail_and_unfolds(typed: str, found: set[str]) -> None:
    jobs = listed(*DONE, RUNNING, FAILED)
    jobs.type(typed)
    assert {row for row in shown(jobs) if not row.startswith("[")} == found
    jobs.type("")
    assert len(jobs.rows) in {5, 6}, "what was chosen stays to be seen"


def test_nothing_to_choose_is_no_fault() -> None:
    jobs = listed()
    assert jobs.chosen is None
    jobs.move(1)
    jobs.fold()
    jobs.fold_all()
    assert shown(jobs) == []


def test_by_run_the_urgent_ones_are_first() -> None:
    jobs = listed(RUNNING, job("rank8/words/epoch0", Stage.PLANNED, "PLANNED"), FAILED)
    jobs.group_by(By.RUN)
    assert shown(jobs) == ["[rank4]", "rank4", "[rank8]", "rank8", "rank8/words/epoch0"]
    group = jobs.rows[2]
    assert isinstance(group, Group)
    assert group.counts == ((Standing.RUNNING, 1), (Standing.PLANNED, 1))


def test_by_phase_in_the_order_of_the_flow() -> None:
    jobs = listed(job("rank8/words/epoch0", Stage.FAILED, "FAILED"), RUNNING)
    jobs.group_by(By.PHASE)
    assert shown(jobs) == ["[optimization]", "rank8", "[evaluation]", "rank8/words/epoch0"]


@pytest.mark.parametrize("stage", list(Stage))
def test_every_job_stands_somewhere_and_has_a_mark(stage: Stage) -> None:
    assert standing.of(job("x", stage)) in Standing
    assert standing.mark(job("x", stage))[0]


@pytest.mark.parametrize(
    ("shown", "stands"),
    [
        (job("x", state=PENDING), Standing.QUEUED),
        (job("x", state=LOST), Standing.DOUBT),
        (job("x", state="EXPEDITING"), Standing.RUNNING),
        (job("x", retired=True), Standing.RETIRED),
        (job("x", health=(ILL,)), Standing.AILING),
        (job("x", Stage.VERIFIED, "VERIFIED", health=(ILL,)), Standing.DONE),
    ],
)
def test_how_a_job_stands(shown: JobView, stands: Standing) -> None:
    assert standing.of(shown) is stands


@pytest.mark.parametrize(
    ("state", "stands"),
    [
        ("TIMEOUT", Standing.FAILED),
        ("VERIFIED", Standing.DONE),
        (PENDING, Standing.QUEUED),
        ("RUNNING", Standing.RUNNING),
    ],
)
def test_a_word_alone_stands_somewhere_too(state: str, stands: Standing) -> None:
    assert standing.of_state(state) is stands
