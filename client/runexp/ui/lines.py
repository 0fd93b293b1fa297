"""Following without a terminal: a line an event, for a person's file or a program."""

from runexp import connection, output
from runexp.ui import describe
from runexp.wire import requests


def follow_lines(experiment: str, after: int) -> None:
    """Returns once the experiment has ended."""

    def lost() -> None:
        output.note("the daemon went away; jobs go on, waiting for its return")

    for reply in connection.follow(experiment, after, lost, connection.say_waiting):
        if isinstance(reply, requests.Seen):
            output.say(describe.line(reply.envelope))
        elif is_end(reply):
            return


def follow_json(experiment: str, after: int) -> None:
    """The same as JSON, an envelope a line."""
    for reply in connection.follow(experiment, after, lambda: None):
        if isinstance(reply, requests.Seen):
            output.json(reply.envelope)
        elif is_end(reply):
            return


def is_end(reply: requests.Reply) -> bool:
    return isinstance(reply, requests.Shown) and reply.experiment.outcome is not None
