"""Numbers as a reader has them. Pure."""

from runexp.wire.views import Comparison

#: Of a score: what 1,000 samples can tell apart.
_DECIMALS = 3
NONE = "-"


def decimals(value: float) -> int:
    """Three, and fewer of what is large."""
    return _DECIMALS if abs(value) < 10 else 2 if abs(value) < 100 else 1


def score(value: float, like: float | None = None) -> str:
    """`0.990`; with the decimals of another value."""
    return f"{value:.{decimals(value if like is None else like)}f}"


def with_error(value: float, stderr: float | None) -> str:
    """`0.990 ± 0.010`"""
    return score(value) if stderr is None else f"{score(value)} ± {score(stderr, value)}"


def signed(value: float, like: float) -> str:
    """`+0.110`; nothing has no sign."""
    shown = f"{value:+.{decimals(like)}f}"
    return shown[1:] if float(shown) == 0 else shown


def difference(found: Comparison) -> str:
    """`+0.110 [+0.048, +0.172]`; empty where there is none."""
    if found.difference is None:
        return ""
    shown = signed(found.difference, found.mean)
    if found.low is None or found.high is None:
        return shown
    return f"{shown} [{signed(found.low, found.mean)}, {signed(found.high, found.mean)}]"


def loss(value: float | None) -> str:
    return NONE if value is None else f"{value:.4g}"


def hours(seconds: float | None) -> str:
    """GPU-hours: `0.02`, `1.5`, `310`; a dash for none."""
    if not seconds:
        return NONE
    value = seconds / 3600
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def count(number: int, thing: str, things: str = "") -> str:
    """`1 run`, `2,500 runs`"""
    return f"{number:,} {thing if number == 1 else things or f'{thing}s'}"
