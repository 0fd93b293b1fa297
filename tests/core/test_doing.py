"""What is wrong with a job that runs is said in its time, not before, and not of what only looks like it."""

import math

import pytest
from msgspec.structs import replace

from runexp.wire.jobs import Progress
from runexp.wire.metrics import Concern
from runexpd.core import doing
from runexpd.core.doing import About, Look, Vital
from runexpd.core.observations import Symptom
from runexpd.core.when.lengths import Length

NOTHING = Look()


def at(step: int, seconds: float, loss: float = 1.0, rate: float | None = None) -> Look:
    rates = [] if rate is None else [rate]
    return Look(steps=[(step, seconds)], losses=[(step, loss)], rates=rates)


def watched(*looks: tuple[float, Look], about: About | None = None) -> Vital:
    """Of (now, look)."""
    vital = Vital()
    for now, look in looks:
        vital = doing.noticed(doing.after(vital, look, now), about or About(), now)
    return vital


def wrong(vital: Vital, now: float, about: About | None = None) -> dict[Concern, Symptom]:
    return {each.concern: each for each in doing.judged(vital, about or About(), now)[1]}


def steady(upto: int, pause: float = 30.0, **more: float) -> list[tuple[float, Look]]:
    """A look each time a pause is over, with a step of three seconds."""
    return [(pause * n, at(10 * n, pause * n, **more)) for n in range(1, upto)]


def test_of_what_nothing_was_seen_nothing_is_said() -> None:
    assert doing.judged(Vital(), About(), 1e6) == ((), ())
    assert doing.judged(watched((5.0, at(1, 5.0))), About(), 1e6)[0] == (Concern.NOT_FINITE,)


SILENT = About(trains=True)
BESIDE = About(firsts=[40.0, 90.0, 100.0])
PRINTED = Look(has_printed=True)


@pytest.mark.parametrize(
    ("about", "patience"), [(SILENT, 1800.0), (BESIDE, 900.0), (About(firsts=[5.0]), 600.0)]
)
def test_a_run_that_hangs_before_its_first_step_is_said_in_its_time(about: About, patience: float) -> None:
    vital = watched((0.0, NOTHING), (50.0, PRINTED), (300.0, NOTHING))
    assert wrong(vital, 50.0 + patience - 1, about) == {}
    assert set(wrong(vital, 50.0 + patience, about)) == {Concern.NO_STEP}


def test_it_says_what_its_siblings_took() -> None:
    said = wrong(watched((0.0, NOTHING)), 900.0, BESIDE)[Concern.NO_STEP].what
    assert said == "no step yet, and no word in its output for 15 min (its siblings' first came after 90 s)"


def test_once_said_it_stays_until_there_is_a_step() -> None:
    said = replace(BESIDE, said=frozenset({Concern.NO_STEP}))
    vital = watched((0.0, NOTHING), (900.0, PRINTED))
    assert Concern.NO_STEP in wrong(vital, 901.0, said)
    judged, symptoms = doing.judged(doing.after(vital, at(1, 950.0), 950.0), said, 951.0)
    assert Concern.NO_STEP in judged
    assert symptoms == ()


@pytest.mark.parametrize("made", [Progress(done=3), Progress(finishing=True)])
def test_what_is_known_to_go_on_hangs_before_nothing(made: Progress) -> None:
    vital, said = watched((0.0, NOTHING)), frozenset({Concern.NO_STEP})
    judged, symptoms = doing.judged(vital, replace(SILENT, progress=made, said=said), 1e6)
    assert (judged, symptoms) == ((Concern.NO_STEP,), ())
    assert wrong(vital, 1e6, replace(SILENT, progress=Progress(total=90)))


def test_of_what_may_make_no_steps_none_are_missed() -> None:
    assert doing.judged(watched((0.0, NOTHING)), About(), 1e6) == ((), ())


def test_a_run_that_makes_no_step_for_five_minutes_stands_still() -> None:
    vital = watched(*steady(10))
    assert wrong(vital, 270.0 + 299.0) == {}
    stalled = wrong(vital, 270.0 + 301.0)[Concern.STALLED]
    assert stalled.what == "no new step for 5 min (usually one in 3 s)"
    again = doing.after(vital, at(91, 600.0), 600.0)
    assert wrong(again, 601.0) == {}


def test_a_slow_run_has_ten_of_its_pauses() -> None:
    vital = watched(*((60.0 * n, at(n, 60.0 * n)) for n in range(1, 8)))
    assert wrong(vital, 420.0 + 599.0) == {}
    assert Concern.STALLED in wrong(vital, 420.0 + 601.0)


def test_a_pause_that_was_there_before_is_not_said_again_at_its_length() -> None:
    vital = watched(*steady(5), (1000.0, at(41, 1000.0)))
    assert vital.longest == pytest.approx(880.0)
    assert wrong(vital, 1900.0) == {}
    assert Concern.STALLED in wrong(vital, 1000.0 + 1.5 * 880.0 + 1)


@pytest.mark.parametrize("made", [Progress(done=90, finishing=True), Progress(done=90, total=90)])
def test_what_has_made_its_last_step_does_not_stand_still(made: Progress) -> None:
    vital = watched(*steady(10))
    assert wrong(vital, 9000.0, About(progress=made)) == {}
    assert wrong(vital, 9000.0, About(progress=Progress(done=89, total=90)))
    assert wrong(vital, 9000.0, About(progress=Progress(total=90)))


def test_a_look_that_shows_the_same_step_is_no_news() -> None:
    vital = watched(*steady(10))
    assert doing.after(vital, at(90, 280.0), 280.0).news_at == vital.news_at


def test_a_first_look_with_many_steps_knows_their_pace() -> None:
    vital = watched((100.0, Look(steps=[(1, 10.0), (31, 70.0)])))
    assert vital.pauses == (2.0,)


def test_steps_between_two_looks_without_a_pace_have_one() -> None:
    assert watched((10.0, at(1, 10.0)), (40.0, at(11, 40.0))).pauses == (3.0,)


@pytest.mark.parametrize(("loss", "said"), [(math.nan, "not a number"), (math.inf, "infinite")])
def test_a_loss_that_is_no_number_is_said_and_withdrawn(loss: float, said: str) -> None:
    vital = watched((1.0, at(1, 1.0)), (2.0, at(7, 2.0, loss)))
    assert wrong(vital, 3.0)[Concern.NOT_FINITE].what == f"its loss is {said} at step 7"
    better = doing.after(vital, at(8, 3.0, 0.5), 3.0)
    assert doing.judged(better, About(), 4.0)[0].count(Concern.NOT_FINITE) == 1
    assert wrong(better, 4.0) == {}


SIBLINGS = About(siblings=[1000.0, 1010.0, 990.0])


def test_a_run_at_half_the_speed_of_its_siblings_is_said_after_a_while() -> None:
    looks = steady(20, rate=500.0)
    early = watched(*looks[:6], about=SIBLINGS)
    assert wrong(early, looks[5][0], SIBLINGS) == {}
    vital = watched(*looks, about=SIBLINGS)
    slow = wrong(vital, looks[-1][0], SIBLINGS)[Concern.SLOW]
    assert slow.what == "500 tokens a second, 50% of its siblings' 1000"


def test_it_is_withdrawn_when_it_is_clearly_faster_again() -> None:
    slow = steady(20, rate=500.0)
    vital = watched(*slow, about=SIBLINGS)
    said = About(siblings=SIBLINGS.siblings, said=frozenset({Concern.SLOW}))
    for rate, still in ((750.0, True), (900.0, False)):
        now = vital.news_at or 0.0
        for n in range(1, 6):
            step = 1000 + n + int(rate)
            vital = doing.noticed(doing.after(vital, at(step, now + n, rate=rate), now + n), said, now + n)
        assert (Concern.SLOW in wrong(vital, now + 6, said)) is still


@pytest.mark.parametrize("others", [[], [1000.0], [1000.0, 400.0, 3000.0], [0.0, 0.0]])
def test_siblings_that_are_few_or_differ_by_design_prove_nothing(others: list[float]) -> None:
    about = About(siblings=others)
    vital = watched(*steady(30, rate=100.0), about=about)
    assert Concern.SLOW not in doing.judged(vital, about, 900.0)[0]


def test_a_gpu_that_does_nothing_for_ten_minutes_is_idle() -> None:
    busy = Look(gpu=[(float(n), 90.0) for n in range(0, 300, 30)])
    idle = [Look(gpu=[(float(n), 1.0)]) for n in range(300, 1600, 30)]
    assert doing.judged(watched((1.0, busy)), About(), 1.0)[0] == ()
    looks = [(1.0, busy), *((float(n), look) for n, look in enumerate(idle, start=2))]
    assert wrong(watched(*looks[:15]), 1.0) == {}
    vital = watched(*looks)
    assert wrong(vital, 1.0)[Concern.GPU_IDLE].what == "its GPU has been idle for 10 min and more"
    assert len(vital.gpu) <= 31


def limited(seconds: float, done: int = 50, *said: Concern, total: int | None = 100) -> About:
    length = Length(seconds, 0.1, "its own rate")
    made = Progress(done=done, total=total)
    return About(progress=made, length=length, limit_seconds=3600.0, said=frozenset(said))


def test_a_time_limit_that_will_be_hit_is_said_when_that_is_sure() -> None:
    vital = watched(*steady(5))
    assert wrong(vital, 121.0, limited(3700.0)) == {}, "it may make it"
    what = "it needs about 2 h 13 min, and its time limit is 60 min"
    assert wrong(vital, 121.0, limited(8000.0))[Concern.TIME_LIMIT].what == what
    assert Concern.TIME_LIMIT in wrong(vital, 121.0, limited(3700.0, 50, Concern.TIME_LIMIT))
    assert wrong(vital, 121.0, limited(3500.0, 50, Concern.TIME_LIMIT)) == {}


def test_its_first_steps_say_little_of_its_end() -> None:
    vital = watched(*steady(5))
    assert wrong(vital, 121.0, limited(8000.0, 5)) == {}
    assert wrong(vital, 121.0, limited(8000.0, 50, total=None)) == {}
    assert wrong(vital, 121.0, About(length=Length(8000.0, 0.1, ""), limit_seconds=60.0)) == {}


def test_only_the_last_windows_count() -> None:
    vital = watched(*steady(60, rate=10.0))
    assert (len(vital.pauses), len(vital.rates)) == (15, 15)


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.25, "0.25 s"), (45.0, "45 s"), (360.0, "6 min"), (7500.0, "2 h 5 min")]
)
def test_spans(seconds: float, said: str) -> None:
    assert doing.span(seconds) == said


def test_a_run_that_is_held_up_now_and_then_is_as_slow_as_it_is() -> None:
    """Of ten steps nine are as fast as ever, and one takes all the time."""
    look = Look(rates=[1000.0] * 9 + [50.0, 0.0])
    vital = watched(*((float(n), look) for n in range(5)))
    assert vital.rate == pytest.approx(345.0, abs=1)


def test_a_rate_of_long_ago_says_nothing_beside_those_of_today() -> None:
    looks = steady(20, rate=500.0)
    vital = watched(*looks, about=SIBLINGS)
    assert Concern.SLOW not in doing.judged(vital, SIBLINGS, looks[-1][0] + 100.0)[0]
    assert not doing.is_fresh(Vital(), 1.0)
    assert doing.is_fresh(watched((1.0, at(1, 1.0))), 2.0)


def test_what_was_lost_while_it_stood_still_is_not_its_pace() -> None:
    vital = watched(*steady(10), (1270.0, at(91, 1270.0)))
    assert vital.pace is not None
    assert vital.pace.seconds_a_step == pytest.approx(3.0, rel=0.02)


def test_its_pace_lately_is_that_of_the_last_looks() -> None:
    assert Vital().lately is None
    first = watched((1.0, at(1, 1.0))).lately
    assert first is not None
    assert first.lately is None
    vital = watched(*steady(10)).lately
    assert vital is not None
    assert vital.lately == 3.0
    assert vital.swing == 0.0
    slower = watched(
        *steady(10), *((270.0 + 60.0 * n, at(90 + 10 * n, 270.0 + 60.0 * n)) for n in range(1, 7))
    ).lately
    assert slower is not None
    assert slower.swing == pytest.approx(0.41, abs=0.01)
