"""Outputs are looked into in turn, within a bound, and most where most is wanted."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runexpd.runtime.looks import MOST_PER_SECOND, Looks


def played(looks: Looks, pauses: dict[str, float], now: float, until: float) -> Counter[str]:
    """How often each was looked into."""
    made: Counter[str] = Counter()
    while (now := max(now, looks.next_at())) <= until:
        for token in looks.due(now):
            made[token] += 1
            looks.again(token, pauses[token], now)
    return made


def test_few_are_looked_into_as_often_as_they_want() -> None:
    looks, pauses = Looks(), {"a": 1.0, "b": 10.0}
    for token in pauses:
        looks.begin(token, 0.0)
    made = played(looks, pauses, 0.0, 100.0)
    assert made == {"a": pytest.approx(100, abs=2), "b": pytest.approx(10, abs=2)}


def test_many_share_what_may_be_and_the_one_near_its_end_has_most() -> None:
    looks = Looks()
    pauses = {f"far{n}": 30.0 for n in range(10_000)} | {"near": 1.0}
    for token in pauses:
        looks.begin(token, 0.0)
    played(looks, pauses, 0.0, 1000.0)
    made = played(looks, pauses, 1000.0, 2000.0)
    assert made.total() / 1000 == pytest.approx(MOST_PER_SECOND, rel=0.1)
    assert made["near"] > 10 * made["far7"] > 0


def test_many_that_begin_at_once_take_turns() -> None:
    looks = Looks()
    for n in range(1000):
        looks.begin(str(n), 5.0)
    assert len(looks.due(5.0)) == 1
    assert len(looks.due(6.0)) <= MOST_PER_SECOND + 1
    looks.begin("0", 6.0)  # known already
    assert looks.due(6.0)[0] == "0"


def test_what_is_forgotten_is_looked_into_no_more() -> None:
    looks = Looks()
    looks.begin("a", 0.0)
    assert looks.due(0.0) == ["a"]
    looks.forget("a")
    looks.again("a", 1.0, 0.0)  # it was being looked into meanwhile
    assert looks.next_at() == math.inf
    looks.forget("never known")


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"), st.sampled_from(["begin", "again", "forget"]), st.floats(0.0, 50.0)
        )
    )
)
def test_each_has_one_turn_whatever_happens(steps: list[tuple[str, str, float]]) -> None:
    looks, now = Looks(), 0.0
    known: set[str] = set()
    for token, what, pause in steps:
        now += 1.0
        if what == "begin":
            looks.begin(token, now)
            known.add(token)
        elif what == "again":
            looks.again(token, pause, now)
        else:
            looks.forget(token)
            known.discard(token)
        assert sorted(looks.due(1e12)) == sorted(known)
        assert looks._wanted >= -1e-6
