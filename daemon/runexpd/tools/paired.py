"""A score beside another on the same samples: the mean difference with its interval by Student's t. Pure.

The formulas are those of scipy.stats.ttest_rel(a, b).confidence_interval(0.95); the tests hold them against its figures.
"""

import math
from array import array
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from runexpd.tools.base import Samples

KEY_BYTES = 8
_CONFIDENCE = 0.95
_TINY = 1e-300
_MOST_TERMS = 500


class Mean(NamedTuple):
    samples: int
    value: float
    #: None for a single sample.
    stderr: float | None


class Paired(NamedTuple):
    common: int
    difference: float
    #: None for a single common sample.
    low: float | None
    high: float | None


def mean(values: Sequence[float]) -> Mean | None:
    """None for no values at all."""
    count = len(values)
    if count == 0:
        return None
    middle = math.fsum(values) / count
    return Mean(count, middle, _stderr(values, middle) if count > 1 else None)


def paired(differences: Sequence[float]) -> Paired | None:
    """None for no common sample."""
    found = mean(differences)
    if found is None:
        return None
    if found.stderr is None:
        return Paired(1, found.value, None, None)
    half = t_quantile(found.samples - 1) * found.stderr
    return Paired(found.samples, found.value, found.value - half, found.value + half)


def scored(samples: Samples, scorer: str) -> dict[bytes, float]:
    """By sample; those that weren't scored are left out."""
    values = array("d", samples.values[scorer])
    keys = (samples.keys[at : at + KEY_BYTES] for at in range(0, len(samples.keys), KEY_BYTES))
    return {key: value for key, value in zip(keys, values, strict=True) if not math.isnan(value)}


def differences(one: dict[bytes, float], other: dict[bytes, float]) -> list[float]:
    """One less the other, over the samples that both have."""
    return [value - other[key] for key, value in one.items() if key in other]


def _stderr(values: Sequence[float], middle: float) -> float:
    variance = math.fsum((value - middle) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(variance / len(values))


@lru_cache(maxsize=10_000)
def t_quantile(freedom: int, confidence: float = _CONFIDENCE) -> float:
    """What Student's t exceeds on either side with probability `1 - confidence`; `freedom` is at least 1."""
    beyond, low, high = 1.0 - confidence, 0.0, 1.0
    while _two_tailed(high, freedom) > beyond:
        high *= 2.0
    for _ in range(100):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _two_tailed(middle, freedom) > beyond else (low, middle)
    return (low + high) / 2.0


def _two_tailed(t: float, freedom: int) -> float:
    """The probability that Student's t is farther from 0 than `t`."""
    return _incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + t * t))


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularized; Numerical Recipes 6.4."""
    if x >= 1.0:
        return 1.0
    log = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1.0) / (a + b + 2.0):
        return math.exp(log) * _fraction(a, b, x) / a
    return 1.0 - math.exp(log) * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function, by Lentz."""
    c, d = 1.0, _inverse(1.0 - (a + b) * x / (a + 1.0))
    product = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        d, c = _inverse(1.0 + even * d), 1.0 + even / (c or _TINY)
        product *= d * c
        d, c = _inverse(1.0 + odd * d), 1.0 + odd / (c or _TINY)
        product *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return product


def _inverse(x: float) -> float:
    return 1.0 / (x or _TINY)
