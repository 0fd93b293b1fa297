"""runexp wait: for scripts; no word before the end."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

from runexp import connection, exits, output, waiting
from runexp.commands import arguments
from runexp.wire import requests


class _TimeIsUp(Exception):
    """Raised when `--timeout` is over."""


#: A timer takes no more than the system can count.
_MOST_SECONDS = 10 * 365 * 86400.0


@click.command()
@arguments.experiment
@click.option(
    "--for",
    "goal",
    type=click.Choice([goal.value for goal in waiting.Goal]),
    default=waiting.Goal.END.value,
    show_default=True,
    help="What is waited for: all trainings judged, the end, or the first job that fails.",
)
@click.option(
    "--timeout",
    "timeout_seconds",
    type=arguments.Number(0, min_open=True),
    metavar="SECONDS",
    help="Wait no longer; then exit with 6.",
)
@arguments.as_json
def wait(experiment: str | None, goal: str, timeout_seconds: float | None, as_json: bool) -> None:
    """Wait until EXP ends, or for what --for says; print one line then, and nothing before it.

    Exits as `report` does: by how the experiment ended. With --for barrier by how the trainings did, with --for failure with
    4 at the first failure, or as it ended if there was none. The daemon may be restarted meanwhile; if it stays away for a
    minute, the exit code is 7.

    \b
    Example:  runexp wait exp7 && runexp fetch exp7
              runexp wait exp7 --for failure --timeout 3600
    """
    with output.errors(as_json):
        name = arguments.chosen(experiment)
        try:
            with _limited(timeout_seconds):
                reached = _reached(name, waiting.Goal(goal))
        except _TimeIsUp:
            what = f"not there after {timeout_seconds:g} s: {goal} of {name}"
            output.fail(what, "", "jobs go on; wait again", exits.NOT_FINISHED, as_json)
        if as_json:
            output.json(reached)
        else:
            output.say(output.one_line(f"{reached.name}: {reached.what}"))
    sys.exit(exits.of(reached.outcome))


def _reached(name: str, goal: waiting.Goal) -> waiting.Reached:
    view = connection.ask(requests.Status(experiment=name), requests.StatusReply).experiment
    if (reached := waiting.reached(goal, view)) is not None:
        return reached
    for reply in connection.follow(view.id, view.seq, lost=lambda: None):
        if isinstance(reply, requests.Shown) and (reached := waiting.reached(goal, reply.experiment)):
            return reached
    raise connection.Lost("the daemon ended the conversation")


@contextmanager
def _limited(seconds: float | None) -> Iterator[None]:
    """Raises _TimeIsUp, whatever is being waited for."""

    def is_up(signal_number: int, frame: FrameType | None) -> None:
        raise _TimeIsUp

    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, is_up)
    try:
        signal.setitimer(signal.ITIMER_REAL, min(seconds, _MOST_SECONDS))
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
