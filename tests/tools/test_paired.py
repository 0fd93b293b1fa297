"""Paired intervals, held against scipy 1.16's ttest_rel(a, b).confidence_interval(0.95) and sem on the same scores."""

import math

import pytest

from runexpd.tools import paired

#: Correct or not, sample by sample, of five real evaluations of the demo.
SCORES = {
    "base": "I" * 100,
    "rank4_0": "CCIIIICCCIIIICCCICCIICIIICICCIICCIICIICIICCCCICICCCCIIIIICCICCIICCIICICCIIICIICICIIICIIIIICCCIICCCCI",
    "rank4_1": "CCCICCCCCCCCCCCCCCCCICCCICCCCCCCCCCCICCCCCCCCCCICCCCICCIICCCCCIICCICCICCCIICIICCCIICCCCCIICCCCCCCCCC",
    "rank8_0": "CCICCCCCCICCCCCCCCCCCCCCCCCCCCCCCCCCICCCCCCCCCCICCCCICICICCCCCCCCCICCCCCCICCCCCCCCICCCCCIICCCCCCCCCC",
    "rank8_1": "CCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCICCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCCC",
}
#: scipy.stats.t.ppf(0.975, freedom)
QUANTILES = {
    1: 12.706204736174694,
    2: 4.302652729749462,
    5: 2.5705818356363146,
    30: 2.0422724563012378,
    99: 1.9842169515864174,
    9_999: 1.960201263621357,
    199_999: 1.9599758460260759,
}


def values(name: str) -> dict[bytes, float]:
    return {bytes([at]): float(score == "C") for at, score in enumerate(SCORES[name])}


@pytest.mark.parametrize(
    ("one", "other", "difference", "low", "high", "stderr"),
    [
        ("rank4_0", "base", 0.47, 0.37046898749783747, 0.5695310125021624, 0.05016135580465918),
        ("rank4_1", "base", 0.8, 0.7202314771990918, 0.8797685228009083, 0.04020151261036849),
        ("rank8_0", "rank4_0", 0.41, 0.31191795947084466, 0.5080820405291553, 0.032659863237109045),
        ("rank8_1", "rank8_0", 0.11, 0.047603115722756204, 0.1723968842772438, 0.009999999999999998),
    ],
)
def test_intervals_are_scipy_s(
    one: str, other: str, difference: float, low: float, high: float, stderr: float
) -> None:
    found = paired.paired(paired.differences(values(one), values(other)))
    assert found == pytest.approx((100, difference, low, high), rel=1e-9)
    of_one = paired.mean(list(values(one).values()))
    assert of_one is not None
    assert of_one.stderr == pytest.approx(stderr, rel=1e-9)


@pytest.mark.parametrize(("freedom", "quantile"), QUANTILES.items())
def test_quantiles_are_scipy_s(freedom: int, quantile: float) -> None:
    assert paired.t_quantile(freedom) == pytest.approx(quantile, rel=1e-9)


def test_a_single_common_sample_has_no_interval_and_none_no_difference() -> None:
    one = {b"a": 1.0, b"b": 0.0}
    assert paired.paired(paired.differences(one, {b"a": 0.0, b"c": 0.0})) == (1, 1.0, None, None)
    assert paired.paired(paired.differences(one, {b"c": 0.0})) is None
    assert paired.mean([]) is None


def test_samples_that_all_differ_alike_leave_no_doubt() -> None:
    assert paired.paired([0.5, 0.5, 0.5]) == (3, 0.5, 0.5, 0.5)
    assert not math.isnan(paired.t_quantile(2))
