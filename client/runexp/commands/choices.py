"""The options by which a policy is chosen: what is not typed stays as the daemon remembers it."""

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

from runexp.commands import arguments
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
        "--stagger-evaluations",
        "stagger_evaluations_seconds",
        type=arguments.Number(0, 86400),
        metavar="SECONDS",
        help="Between two submissions of evaluations (default: the cluster's `stagger_evaluations_seconds`).",
    ),
    click.option(
        "--before-evaluations",
        metavar="COMMAND",
        help="Run once on the login node, in the experiment's directory, before the first evaluation is submitted, "
        "such as what builds a cache; '' for none (default: the cluster's `before_evaluations`).",
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


def typed(**chosen: Any) -> Choices:
    """What was typed."""
    try:
        return msgspec.convert({name: value for name, value in chosen.items() if value is not None}, Choices)
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None
