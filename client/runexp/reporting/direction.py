"""What is known of metrics by their names: which are results, and which way is better."""

#: How sure another metric is, or how far its values lie apart: no results of their own.
_SPREAD = frozenset({"stderr", "std", "var", "lower", "upper", "bootstrap_stderr", "bootstrap_std"})
_LOWER_IS_BETTER = frozenset(
    {"loss", "perplexity", "nll", "bits_per_byte", "ece", "brier", "brier_score", "mae", "mse", "rmse"}
    | {"wer", "cer", "error", "error_rate"}
)


def is_result(metric: str) -> bool:
    """Whether it says how good something is, and not how sure that is."""
    return metric not in _SPREAD


def is_lower_better(name: str, metric: str) -> bool:
    """`name`: of the score that the metric sums up."""
    return metric in _LOWER_IS_BETTER or name in _LOWER_IS_BETTER
