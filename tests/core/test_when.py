"""Estimates: from its own rate, its siblings, the scheduler; with a range; and none where nothing is known."""

from typing import Any

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, ID, SCORED, World, scaffold
from runexp.wire.jobs import BEFORE, Barrier, Policy, Progress, Verdict
from runexp.wire.metrics import Estimate
from runexp.wire.states import Phase
from runexpd.core.observations import (
    Accepted,
    AcceptWanted,
    Judged,
    Listed,
    Observation,
    PreparationSaid,
    Report,
)
from runexpd.core.state import Limits
from runexpd.core.when import forecast, lengths, siblings, simulate
from runexpd.core.when.forecast import Forecast
from runexpd.core.when.lengths import Known, Length, Pace
from runexpd.core.when.simulate import Task

FREE = Limits(max_submit=25, stagger_seconds=0.0)
HALF = Progress(done=50, total=100)


class Site(World):
    """Jobs by their id, with the token they have."""

    def token(self, job: str) -> str:
        attempt = self.experiment.jobs[job].attempt
        assert attempt is not None
        return attempt.token

    def take(self, *jobs: str) -> None:
        for job in jobs:
            token = self.token(job)
            self.see(Accepted(experiment=ID, job=job, token=token, slurm_job_id="7", output="/o"))

    def report(self, job: str, state: str, began: float | None, ended: float | None = None) -> None:
        report = Report(
            experiment=ID,
            job=job,
            token=self.token(job),
            state=state,
            final=ended is not None,
            started_at=began,
            ended_at=ended,
        )
        self.see(Listed(reports=(report,)))

    def ran(self, job: str, began: float, ended: float, verdict: Verdict = GOOD) -> None:
        self.take(job)
        self.report(job, "RUNNING", began)
        self.report(job, "COMPLETED", began, ended)
        self.look_at(job, verdict)

    def look_at(self, job: str, verdict: Verdict) -> None:
        told: Observation = Judged(experiment=ID, job=job, token=self.token(job), verdict=verdict)
        self.see(told)

    def forecast(self, now: float, limits: Limits = FREE, **known: object) -> Forecast:
        return forecast.of(self.experiment, Known(**known), limits, now)  # type: ignore[arg-type]


def site(*runs: str, policy: Policy | None = None) -> Site:
    world = Site()
    world.see(scaffold(runs or ("rank4", "rank8"), policy=policy))
    return world


def test_where_nothing_is_known_nothing_is_said() -> None:
    world = site()
    assert world.forecast(1000.0) == Forecast()
    world.take("rank4", "rank8")
    assert world.forecast(1000.0) == Forecast()


def test_by_its_own_rate() -> None:
    world = site()
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    seen = world.forecast(1100.0, progress={world.token("rank4"): HALF})
    ends = seen.ends["rank4"]
    assert ends.earliest_at < ends.likely_at < ends.latest_at
    assert ends.likely_at == pytest.approx(1200.0, abs=5)
    assert ends.basis == "its own rate"
    assert seen.begins.keys() == {"rank8"}, "its sibling will run as long"
    assert seen.whole.optimization == seen.whole.barrier is not None
    assert (seen.whole.evaluation, seen.whole.end) == (None, None), "no evaluation has run yet"


def test_what_it_imports_is_not_taken_for_its_pace() -> None:
    world = site()
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    token = world.token("rank4")
    seen = world.forecast(1100.0, progress={token: HALF}, paces={token: Pace(1, 51.0, 50, 100.0)})
    assert seen.ends["rank4"].likely_at == pytest.approx(1153.0, abs=4)


def test_a_pace_of_one_step_is_none() -> None:
    assert Pace(1, 5.0, 1, 5.0).seconds_a_step is None
    world = site()
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    token = world.token("rank4")
    seen = world.forecast(1100.0, progress={token: HALF}, paces={token: Pace(50, 5.0, 50, 5.0)})
    assert seen.ends["rank4"].likely_at == pytest.approx(1200.0, abs=5)


def test_by_its_siblings_and_how_long_they_went_on_after_their_last_step() -> None:
    world = site()
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    world.ran("rank4", 1000.0, 1100.0)
    assert world.forecast(1050.0).ends["rank8"].likely_at == pytest.approx(1100.0, abs=3)
    assert world.forecast(1050.0).ends["rank8"].basis == "its siblings"
    token, over = world.token("rank8"), world.token("rank4")
    paces = {token: Pace(1, 1.0, 90, 90.0), over: Pace(1, 1.0, 100, 70.0)}
    late = world.forecast(1090.0, progress={token: Progress(done=90, total=100)}, paces=paces)
    assert late.ends["rank8"].likely_at == pytest.approx(1130.0, abs=3)
    assert late.ends["rank8"].basis == "its own rate"


def test_one_that_is_overdue_is_likely_to_end_soon() -> None:
    world = site()
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    world.ran("rank4", 1000.0, 1100.0)
    overdue = world.forecast(1500.0).ends["rank8"]
    assert 1500.0 < overdue.likely_at < 1550.0


def test_one_that_is_late_with_its_first_step_has_all_that_follows_it_still_to_come() -> None:
    world = site()
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    world.ran("rank4", 1000.0, 1100.0)
    paces = {world.token("rank4"): Pace(1, 30.0, 100, 90.0)}
    early, late = (world.forecast(at, paces=paces).ends["rank8"] for at in (1020.0, 1080.0))
    assert early.likely_at == pytest.approx(1100.0, abs=10)
    assert late.likely_at > late.earliest_at > 1080.0 + 70.0 / 2
    token = world.token("rank8")
    has_one = world.forecast(1080.0, paces={**paces, token: Pace(1, 79.0, 1, 79.0)}).ends["rank8"]
    assert has_one.earliest_at < 1080.0 + 70.0 / 2


def test_by_its_siblings_pace_until_its_own_is_known() -> None:
    world = site()
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    world.ran("rank4", 1000.0, 1100.0)
    paces = {world.token("rank4"): Pace(1, 60.0, 101, 90.0)}
    seen = world.forecast(1080.0, progress={world.token("rank8"): HALF}, paces=paces)
    assert seen.ends["rank8"].likely_at == pytest.approx(1080.0 + 50 * 0.3 + 10.0, abs=6)


def test_what_follows_the_last_step_is_known_from_other_experiments_until_siblings_tell() -> None:
    world = site()
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    token = world.token("rank8")
    known: Any = {"progress": {token: HALF}, "paces": {token: Pace(1, 1.0, 50, 50.0)}}
    known["tails"] = {Phase.OPTIMIZATION: (20.0, 30.0, 40.0)}
    assert world.forecast(1050.0, **known).ends["rank8"].likely_at == pytest.approx(1130.0, abs=4)
    world.ran("rank4", 1000.0, 1100.0)
    known["paces"][world.token("rank4")] = Pace(1, 1.0, 100, 95.0)
    assert world.forecast(1050.0, **known).ends["rank8"].likely_at == pytest.approx(1105.0, abs=4)


def test_one_that_is_far_slower_than_its_siblings_is_not_over_when_they_were() -> None:
    runs = [f"run{n}" for n in range(4)]
    world = site(*runs)
    for run in runs[1:]:
        world.ran(run, 1000.0, 1100.0)
    world.take("run0")
    world.report("run0", "RUNNING", 1000.0)
    for seconds, ends in ((100.0, 1300.0), (36.0, 1103.0)):
        token = world.token("run0")
        progress, paces = {token: Progress(done=34, total=100)}, {token: Pace(1, 1.0, 34, seconds)}
        seen = world.forecast(1000.0 + seconds, progress=progress, paces=paces).ends["run0"]
        assert seen.likely_at == pytest.approx(ends, abs=15)


def test_what_ended_lately_counts_more_where_it_foretold_more() -> None:
    slower = siblings.middle([50.0, 50.0, 60.0, 75.0, 90.0, 95.0], 0.06, "")
    assert slower.seconds > 80.0
    steady = siblings.middle([55.0, 60.0, 50.0, 60.0, 50.0, 60.0, 50.0], 0.06, "")
    assert steady.seconds == pytest.approx(55.0, abs=1)
    assert siblings.middle([50.0, 100.0], 0.06, "").seconds == pytest.approx(70.7, abs=0.1)


def test_one_that_has_not_begun_by_siblings_that_run_and_those_that_are_over() -> None:
    world = site("rank4", "rank8", "rank16")
    world.ran("rank4", 1000.0, 1100.0)
    world.take("rank8", "rank16")
    world.report("rank8", "RUNNING", 1100.0)
    progress = {world.token("rank8"): Progress(done=80, total=100)}
    seen = world.forecast(
        1120.0, Limits(max_submit=25, stagger_seconds=0.0, max_running=1), progress=progress
    )
    waits = seen.ends["rank16"].likely_at - seen.ends["rank8"].likely_at
    assert 30.0 < waits < 70.0, "what runs now is four times as fast"


def test_evaluations_by_others_of_their_kind_until_there_are_siblings() -> None:
    world = site()
    cells = ("base/words", "rank4/words/epoch0", "rank8/words/epoch0")
    world.ran("rank4", 1000.0, 1100.0)
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    seen = world.forecast(1050.0, others=dict.fromkeys(cells, (30.0, 31.0, 29.0)))
    assert seen.whole.end is not None
    assert seen.whole.end.likely_at == pytest.approx(1135.0, abs=6)
    assert seen.ends["base/words"].basis == "earlier jobs of its kind"
    assert seen.begins["base/words"].likely_at == pytest.approx(1102.0, abs=4), "after the barrier"


def test_evaluations_do_not_wait_for_other_runs_where_the_barrier_is_each_runs_own() -> None:
    world = site(policy=Policy(barrier=Barrier.RUN))
    world.ran("rank4", 1000.0, 1100.0)
    world.ran("base/words", 1000.0, 1030.0, SCORED)
    world.take("rank8", "rank4/words/epoch0")
    world.report("rank8", "RUNNING", 1000.0)
    seen = world.forecast(1050.0, Limits(stagger_seconds=0.0, max_running=4))
    assert seen.begins["rank4/words/epoch0"].likely_at < 1060.0
    assert seen.begins["rank8/words/epoch0"].likely_at == pytest.approx(1102.0, abs=4)


def test_slots_are_as_many_as_run_where_others_wait_and_as_we_decide_on_this_machine() -> None:
    runs = [f"run{n}" for n in range(5)]
    world = site(*runs)
    world.ran("run0", 1000.0, 1100.0)
    world.take(*runs[1:])
    world.report("run1", "RUNNING", 1100.0)
    queued = world.forecast(1100.0)
    assert queued.whole.optimization is not None
    assert queued.whole.optimization.likely_at == pytest.approx(1500.0, rel=0.03)
    two = world.forecast(1100.0, Limits(max_submit=25, stagger_seconds=0.0, max_running=2))
    assert two.whole.optimization is not None
    assert two.whole.optimization.likely_at == pytest.approx(1300.0, rel=0.03)


def test_who_was_in_the_queue_before_comes_first() -> None:
    world = site()
    world.ran("rank4", 1000.0, 1100.0)
    world.take("rank8")
    one = Limits(max_submit=25, stagger_seconds=0.0, max_running=1)
    seen = world.forecast(1100.0, one, ahead=(50.0, 70.0))
    assert seen.begins["rank8"].likely_at == pytest.approx(1220.0, abs=1)


def test_the_schedulers_own_expectation_comes_first() -> None:
    world = site()
    world.ran("rank4", 1000.0, 1100.0)
    world.take("rank8")
    seen = world.forecast(1100.0, starts={world.token("rank8"): 5100.0})
    assert seen.begins["rank8"].likely_at == pytest.approx(5100.0, abs=150)
    assert seen.begins["rank8"].earliest_at < 4000.0


def test_trainings_keep_their_distance() -> None:
    runs = [f"run{n}" for n in range(4)]
    world = Site(stagger_seconds=60.0)
    world.see(scaffold(runs))
    world.ran("run0", 1000.0, 1010.0)
    far = Limits(max_submit=25, stagger_seconds=60.0)
    seen = world.forecast(1010.0, far)
    begins = [seen.begins[run].likely_at for run in runs[1:]]
    assert begins == pytest.approx([1060.0, 1120.0, 1180.0], abs=2)


def test_a_time_limit_ends_what_is_longer() -> None:
    world = site()
    world.ran("rank4", 1000.0, 1100.0)
    job = world.experiment.jobs["rank4"]
    task = Task(id="a", run="a", trains=True, seconds=100.0, spread=0.1, elapsed=0.0, limit=50.0)
    assert {ends[0] for ends in simulate.runs([task], 1, waits_for_all=True).ends} == {50.0}
    assert job.spec.time_limit_seconds is None


def test_what_has_ended_is_judged_soon_and_what_is_in_doubt_waits_for_a_person() -> None:
    world = site()
    world.ran("rank4", 1000.0, 1100.0)
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    world.report("rank8", "COMPLETED", 1000.0, 1100.0)
    seen = world.forecast(1100.0)
    assert seen.whole.optimization is not None
    assert seen.whole.optimization.likely_at == pytest.approx(1100.0, abs=1)
    world.look_at("rank8", DOUBTFUL)
    assert world.forecast(1100.0).whole.optimization is None


def test_nobody_knows_when_one_begins_that_is_held_in_the_queue() -> None:
    world = site()
    world.ran("rank4", 1000.0, 1100.0)
    world.take("rank8")
    told = Report(
        experiment=ID,
        job="rank8",
        token=world.token("rank8"),
        state="PENDING",
        final=False,
        reason="Priority",
    )
    for reason, is_known in (("Priority", True), ("JobHeldUser", False)):
        world.see(Listed(reports=(replace(told, reason=reason),)))
        seen = world.forecast(1100.0)
        assert ("rank8" in seen.begins, seen.whole.optimization is not None) == (is_known, is_known)


def test_nothing_is_said_of_evaluations_that_a_person_holds() -> None:
    world = site("rank4", policy=Policy(before_evaluations="make cache"))
    world.ran("rank4", 1000.0, 1100.0)
    others = {"base/words": (30.0,), "rank4/words/epoch0": (30.0,)}
    for exit_code in (None, 1):
        if exit_code is not None:
            world.see(PreparationSaid(experiment=ID, number=1, exit_code=exit_code))
        assert world.forecast(1100.0, others=others) == Forecast()
    world.see(AcceptWanted(experiment=ID, jobs=(BEFORE,)))
    assert world.forecast(1100.0, others=others).whole.end is not None


def test_evaluations_of_a_run_that_failed_are_left_out() -> None:
    world = site(policy=Policy(barrier=Barrier.RUN))
    world.ran("rank4", 1000.0, 1100.0, BAD)
    world.ran("base/words", 1000.0, 1030.0, SCORED)
    world.take("rank8")
    world.report("rank8", "RUNNING", 1000.0)
    seen = world.forecast(1050.0, progress={world.token("rank8"): HALF})
    assert "rank4/words/epoch0" not in seen.ends
    assert seen.whole.end is not None


def test_what_is_over_has_no_estimate() -> None:
    world = site("rank4")
    for job in ("rank4", "base/words", "rank4/words/epoch0"):
        world.ran(job, 1000.0, 1010.0, GOOD if job == "rank4" else SCORED)
    assert world.experiment.outcome is not None
    assert world.forecast(1020.0) == Forecast()


@pytest.mark.parametrize("count", [5, 400, 4000])
def test_the_more_jobs_the_fewer_throws(count: int) -> None:
    task = Task(id="a", run="a", trains=True, seconds=100.0, spread=0.1)
    course = simulate.runs([task] * count, 50, waits_for_all=True)
    assert len(course.ends) == {5: 30, 400: 10, 4000: 4}[count]


def test_an_estimate_that_hardly_moves_stays_the_same() -> None:
    def at(likely: float, basis: str = "its own rate") -> Forecast:
        estimate = Estimate(earliest_at=likely - 50, likely_at=likely, latest_at=likely + 50, basis=basis)
        return Forecast({"a": estimate}, {"a": estimate})

    first = at(2000.0)
    assert forecast.settled(first, at(2020.0), 1000.0).ends == first.ends
    assert forecast.settled(first, at(2050.0), 1000.0).ends == at(2050.0).ends
    assert forecast.settled(first, at(2001.0), 2000.5).ends == at(2001.0).ends, "it is past"
    assert forecast.settled(first, at(2001.0, "its siblings"), 1000.0).ends == at(2001.0, "its siblings").ends
    assert forecast.settled(Forecast(), first, 1000.0) == first
    assert forecast.settled(first, Forecast(), 1000.0) == Forecast()


def test_two_sources_are_put_together_by_how_sure_they_are() -> None:
    sure, vague = Length(100.0, 0.01, "a"), Length(1000.0, 1.0, "b")
    both = lengths.together([vague, None, sure])
    assert both is not None
    assert both.seconds == pytest.approx(100.0, rel=0.01)
    assert both.basis == "a"
    assert lengths.together([None]) is None


def test_once_all_is_trained_only_evaluations_are_left() -> None:
    world = site("rank4")
    world.ran("rank4", 1000.0, 1010.0)
    world.ran("base/words", 1010.0, 1040.0, SCORED)
    world.take("rank4/words/epoch0")
    world.report("rank4/words/epoch0", "RUNNING", 1020.0)
    seen = world.forecast(1040.0)
    assert (seen.whole.optimization, seen.whole.barrier) == (None, None)
    assert seen.whole.evaluation == seen.whole.end is not None
    assert seen.ends["rank4/words/epoch0"].likely_at == pytest.approx(1050.0, abs=2)


def test_one_of_which_nobody_knows_when_it_began_says_nothing_of_the_others() -> None:
    world = site()
    world.take("rank4")
    world.see(
        Listed(
            reports=(
                Report(
                    experiment=ID,
                    job="rank4",
                    token=world.token("rank4"),
                    state="COMPLETED",
                    final=True,
                    ended_at=1100.0,
                ),
            )
        )
    )
    world.look_at("rank4", GOOD)
    assert "rank8" not in world.forecast(1100.0).ends


def test_time_that_passes_without_a_step_is_lost() -> None:
    world = site()
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    token = world.token("rank4")
    known: Any = {"progress": {token: HALF}, "paces": {token: Pace(1, 1.0, 50, 50.0)}}
    assert world.forecast(1080.0, **known).ends["rank4"].likely_at == pytest.approx(1102.0, abs=4)
    assert world.forecast(2060.0, **known).ends["rank4"].likely_at == pytest.approx(2070.0, abs=25)


def test_what_it_was_lately_counts_as_much_as_what_it_was_over_all() -> None:
    world = site()
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    token = world.token("rank4")
    known: Any = {"progress": {token: HALF}, "paces": {token: Pace(1, 1.0, 50, 99.0, 0.5)}}
    seen = world.forecast(1099.0, **known).ends["rank4"]
    assert seen.likely_at == pytest.approx(1152.0, abs=4)
    assert seen.latest_at - seen.earliest_at > 60.0


def test_what_would_take_ten_years_is_no_estimate() -> None:
    world = site("rank4")
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    made = Progress(done=1, total=999_999_999_999_999)
    assert world.forecast(1100.0, progress={world.token("rank4"): made}) == Forecast()


def test_a_pace_that_went_up_and_down_may_do_so_again() -> None:
    steady, moved = [1.0] * 15, [1.0] * 5 + [1.5] * 5 + [1.2] * 5
    assert lengths.swing(steady) == 0
    assert lengths.swing(moved) == pytest.approx(0.24, abs=0.01)
    assert lengths.swing(moved[:8]) == 0, "too few to tell"
    assert lengths.swing([0.0] * 9) == 0, "looks at one moment say nothing"
    assert lengths.swing([1.0, 2.0] * 8) < 0.1, "a step more or less in a look is chance"


def test_the_range_is_as_wide_as_its_pace_has_swung_and_the_middle_stays() -> None:
    world = site("rank4")
    world.take("rank4")
    world.report("rank4", "RUNNING", 1000.0)
    token = world.token("rank4")
    calm, swung = (
        world.forecast(
            1100.0, progress={token: HALF}, paces={token: Pace(1, 1.0, 50, 100.0, 2.0, swing)}
        ).ends["rank4"]
        for swing in (0.0, 0.3)
    )
    assert swung.latest_at - swung.earliest_at > 1.5 * (calm.latest_at - calm.earliest_at)
    assert swung.likely_at == pytest.approx(calm.likely_at, abs=2)
