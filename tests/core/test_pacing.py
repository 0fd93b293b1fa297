from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runexpd.core import pacing

NOW = 10_000.0


def rounds(until: float, ends: list[float], per_minute: float = 4.0) -> list[float]:
    """The moments at which a watcher asks, from a change at NOW on, with nothing else ever changing."""
    bucket, asked, at = pacing.full(per_minute, NOW), [NOW], NOW
    while True:
        bucket = pacing.spent(bucket, at)
        at = pacing.next_round_at(bucket, at, at, NOW, ends)
        if at > until:
            return asked
        asked.append(at)


def test_without_news_the_rounds_thin_out() -> None:
    asked = rounds(NOW + 3000, [])
    pauses = [b - a for a, b in pairwise(asked)]
    assert pauses[0] == pacing.FIRST_PAUSE_SECONDS
    assert max(pauses) == pacing.LONGEST_PAUSE_SECONDS
    assert len(asked) < 45


def test_an_expected_end_is_met_at_once() -> None:
    end = NOW + 600
    first = next(at for at in rounds(end + 60, [end]) if at >= end)
    assert first - end <= pacing.HOT_SECONDS


def test_a_wrong_guess_is_given_up() -> None:
    end = NOW + 600
    after = [at for at in rounds(end + 300, [end]) if at >= end]
    assert len(after) < pacing.HOPE_SECONDS / pacing.HOT_SECONDS + 5


def test_an_empty_bucket_waits() -> None:
    empty = pacing.Bucket(4.0, 0.0, NOW)
    assert pacing.next_round_at(empty, NOW, NOW, NOW, [NOW]) == NOW + 30


@given(
    ends=st.lists(st.floats(0, 3600), max_size=20),
    per_minute=st.floats(1, 60),
    minutes=st.floats(1, 60),
)
def test_the_budget_is_kept_whatever_is_expected(
    ends: list[float], per_minute: float, minutes: float
) -> None:
    asked = rounds(NOW + minutes * 60, [NOW + end for end in ends], per_minute)
    allowed = max(pacing.ROUND_COST, per_minute * pacing.BURST_MINUTES) + per_minute * minutes
    assert len(asked) * pacing.ROUND_COST <= allowed + pacing.ROUND_COST


def test_an_end_is_expected_by_progress_or_by_siblings() -> None:
    assert pacing.expected_end(100, 150, 0.5, []) == 200
    assert pacing.expected_end(100, 150, None, [30, 10, 20]) == 120
    assert pacing.expected_end(100, 150, 0.0, []) is None
