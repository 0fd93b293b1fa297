"""The options by which a policy is chosen: what is not typed stays as the daemon remembers it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from runexp.wire.jobs import Barrier, OnFailure, OnStall
from runexp.wire.requests import Choices

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--optimize-only",
        is_flag=True,
        help="Train, and submit no evaluation. For this run alone; a later one evaluates.",
    ),
    click.option(
        "--on-failure",
        type=click.Choice([word.value for word in OnFailure]),
        help="If a training fails: evaluate the others (the default), or nothing.",
    ),
    click.option(
        "--barrier",
        type=click.Choice([word.value for word in Barrier]),
        help="Evaluate once all runs are trained (the default), or each run as soon as it is.",
    ),
    click.option(
        "--oom-retries",
        type=click.IntRange(0, 100),
        help="How often a training that ran out of GPU memory is tried with half the batch (default: 3).",
    ),
    click.option(
        "--node-retries",
        type=click.IntRange(0, 100),
        help="How often a job whose node failed is submitted again (default: 2).",
    ),
    click.option(
        "--on-stall",
        type=click.Choice([word.value for word in OnStall]),
        help="Of a job that makes no step any more: say so (the default), or end it.",
    ),
)


def options(command: F) -> F:
    """All of them; the command takes them as keywords, and hands them to `typed`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def typed(
    optimize_only: bool,
    on_failure: str | None,
    barrier: str | None,
    oom_retries: int | None,
    node_retries: int | None,
    on_stall: str | None,
) -> Choices:
    """What was typed."""
    return Choices(
        optimize_only=optimize_only,
        on_failure=msgspec.UNSET if on_failure is None else OnFailure(on_failure),
        barrier=msgspec.UNSET if barrier is None else Barrier(barrier),
        oom_retries=msgspec.UNSET if oom_retries is None else oom_retries,
        node_retries=msgspec.UNSET if node_retries is None else node_retries,
        on_stall=msgspec.UNSET if on_stall is None else OnStall(on_stall),
    )
