"""The budget of queries: kept whatever happens, and spent where a change is near."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runexpd.core import pacing
from runexpd.core.pacing import Awaited

NOW = 10_000.0


def rounds(until: float, jobs: list[Awaited], per_minute: float = 4.0) -> list[float]:
    """The moments at which a watcher asks, from a full bucket at NOW on, with nothing ever changing."""
    bucket, asked, at = pacing.full(per_minute, NOW), [NOW], NOW
    while True:
        bucket = pacing.spent(bucket, at, pacing.ROUND_COST)
        at = pacing.next_round_at(bucket, at, at, jobs)
        if at > until:
            return asked
        asked.append(at)


def test_without_news_the_rounds_thin_out() -> None:
    asked = rounds(NOW + 3000, [Awaited(NOW)])
    pauses = [b - a for a, b in pairwise(asked)]
    assert pauses[0] < 5
    assert max(pauses) == pacing.LONGEST_PAUSE_SECONDS
    assert len(asked) < 70


def test_the_end_that_others_wait_for_is_met_at_once() -> None:
    end = NOW + 600
    first = next(at for at in rounds(end + 60, [Awaited(NOW, end, is_last=True)]) if at >= end)
    assert first - end <= pacing.HOT_SECONDS


def test_any_other_end_is_met_a_little_later_and_once() -> None:
    end = NOW + 650
    after = [at for at in rounds(end + 3.5, [Awaited(NOW, end)]) if at >= end]
    assert after == [end + pacing.WARM_SECONDS]


def test_a_wrong_guess_is_given_up() -> None:
    end = NOW + 600
    after = [at for at in rounds(end + 300, [Awaited(NOW, end, is_last=True)]) if at >= end]
    assert len(after) < pacing.HOPE_SECONDS / pacing.HOT_SECONDS + 12


def test_the_last_queries_are_for_what_is_waited_for() -> None:
    left = pacing.Bucket(4.0, pacing.full(4.0, NOW).size * pacing.RESERVE, NOW)
    assert pacing.next_round_at(left, NOW, NOW, [Awaited(NOW, NOW, is_last=True)]) == NOW + pacing.HOT_SECONDS
    assert pacing.next_round_at(left, NOW, NOW, [Awaited(NOW, NOW)]) == pytest.approx(NOW + 30)
    empty = pacing.Bucket(4.0, 0.0, NOW)
    assert pacing.next_round_at(empty, NOW, NOW, [Awaited(NOW, NOW, is_last=True)]) == NOW + 30


def test_the_rounds_spread_as_the_bucket_empties() -> None:
    always_new = [Awaited(NOW + second) for second in range(600)]
    pauses = [b - a for a, b in pairwise(rounds(NOW + 600, always_new))]
    assert pauses[0] < 5
    assert pauses == sorted(pauses)
    assert pauses[-1] > 20


@settings(deadline=None)
@given(
    ends=st.lists(st.tuples(st.floats(0, 3600), st.booleans()), max_size=20),
    per_minute=st.floats(1, 60),
    minutes=st.floats(1, 60),
)
def test_the_budget_is_kept_whatever_is_expected(
    ends: list[tuple[float, bool]], per_minute: float, minutes: float
) -> None:
    jobs = [Awaited(NOW, NOW + end, is_last=last) for end, last in ends]
    asked = rounds(NOW + minutes * 60, jobs, per_minute)
    allowed = pacing.full(per_minute, NOW).size + per_minute * minutes
    assert len(asked) * pacing.ROUND_COST <= allowed + pacing.ROUND_COST


def test_an_end_is_expected_by_progress() -> None:
    assert pacing.expected_end(100, 150, 0.5) == 200
    assert pacing.expected_end(100, 150, 0.0) is None
    assert pacing.expected_end(100, 150, 1.0) is None
    assert pacing.expected_end(100, 150, None) is None


def test_an_output_is_looked_into_often_when_the_end_is_near() -> None:
    assert pacing.look_pause_seconds(10, None) == 1.0
    assert pacing.look_pause_seconds(600, None) == 12.0
    assert pacing.look_pause_seconds(90_000, 30_000) == pacing.LONGEST_LOOK_SECONDS
    assert pacing.look_pause_seconds(90_000, 1.0) == pacing.SHORTEST_LOOK_SECONDS
    assert pacing.look_pause_seconds(90_000, -60.0) == 6.0
