"""What is likely, and what is wrong, stands beside what is."""

import time

from msgspec.structs import replace

from fakes.daemon import experiment, job
from runexp.ui import rows
from runexp.ui.palette import plain
from runexp.wire import views
from runexp.wire.jobs import Progress
from runexp.wire.metrics import Concern, Estimate, Estimates, Health
from runexp.wire.states import PhaseState, Stage

AT = time.mktime((2030, 1, 2, 17, 40, 0, 0, 0, -1))
SOON = Estimate(earliest_at=AT - 86400 * 7, likely_at=AT, latest_at=AT + 86400)
STALLED = Health(concern=Concern.STALLED, since_at=AT, what="no new step for 6 min")


def test_a_job_shows_when_it_ends_and_what_is_wrong() -> None:
    runs = job(
        "rank4", Stage.QUEUED, "RUNNING", progress=Progress(done=3, total=9), ends=SOON, health=(STALLED,)
    )
    assert rows.remark(runs) == ("step 3/9; ends 2030-01-02 (2029-12-26-2030-01-03); ! no new step for 6 min")
    waits = job("rank4", Stage.PLANNED, "PLANNED", begins=SOON, ends=SOON)
    assert "begins 2030-01-02" in rows.remark(waits)


def test_the_head_says_when_it_is_over_or_trained() -> None:
    view = experiment()
    for estimates, said in (
        (Estimates(end=SOON), "likely to end 2030-01-02"),
        (Estimates(barrier=SOON), "likely to be trained 2030-01-02"),
    ):
        lines = list(map(plain, rows.experiment(replace(view, estimates=estimates))))
        assert lines[1].startswith(said)


def test_a_list_says_until_when_each_runs_and_of_how_many_jobs_something_is_wrong() -> None:
    line = views.ExperimentLine(
        id="e1", name="words", cluster="local", dir="/exp", outcome=None, optimization=PhaseState.RUNNING,
        evaluation=PhaseState.WAITING, asked_at=1000.0, ended_at=None, counts={}, ends=SOON, concerns=2,
    )  # fmt: skip
    assert "running until 2030-01-02 (2029-12-26-2030-01-03), ! 2" in plain(list(rows.experiments([line]))[1])
