"""How long between tries."""

from itertools import islice

import pytest

from runexpd.runtime.patience import pauses


@pytest.mark.parametrize(
    ("first", "longest", "taken"),
    [(5.0, 300.0, [5, 10, 20, 40, 80, 160, 300, 300]), (0.5, 3.0, [0.5, 1, 2, 3, 3]), (9.0, 3.0, [3, 3])],
)
def test_each_pause_is_twice_the_one_before_up_to_the_longest(
    first: float, longest: float, taken: list[float]
) -> None:
    assert list(islice(pauses(first, longest), len(taken))) == taken
