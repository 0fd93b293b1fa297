"""What a page may change, where the configuration allows it: the same verbs as on the command line, each after a question."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from runexp.wire import requests
from runexp.wire.refusals import Code, Refused
from runexpd.web.asking import Problem, ask
from runexpd.web.desk import Desk


class Verb(msgspec.Struct, frozen=True):
    name: str
    #: What it is called.
    title: str
    #: On the button that does it: none that could be taken for the way back.
    yes: str
    #: What is asked first, of `{what}`.
    question: str
    consequence: str
    make: Callable[[str, tuple[str, ...]], requests.Request]
    reply: type[Any]
    #: Whether jobs have to be named.
    is_of_jobs: bool = False


def _cancel(experiment: str, jobs: tuple[str, ...]) -> requests.Request:
    return requests.Cancel(experiment=experiment, jobs=jobs)


def _retry(experiment: str, jobs: tuple[str, ...]) -> requests.Request:
    return requests.Retry(experiment=experiment, jobs=jobs)


def _rerun(experiment: str, jobs: tuple[str, ...]) -> requests.Request:
    return requests.Rerun(experiment=experiment, jobs=jobs)


_VERBS = (
    Verb(
        "cancel",
        "Cancel",
        "Yes, end it",
        "End {what}?",
        "Its processes end. What was done stays done.",
        _cancel,
        requests.CancelReply,
    ),
    Verb(
        "retry",
        "Retry",
        "Yes, submit again",
        "Submit again what failed of {what}?",
        "Scripts and configs are read anew. What succeeded is left alone.",
        _retry,
        requests.RetryReply,
    ),
    Verb(
        "rerun",
        "Make anew",
        "Yes, make anew",
        "Make {what} anew?",
        "Old results are moved aside, and the evaluations of what is trained are made anew, too.",
        _rerun,
        requests.RerunReply,
        is_of_jobs=True,
    ),
)
VERBS = {verb.name: verb for verb in _VERBS}


def verb_of(desk: Desk, name: str) -> Verb:
    """Raises Problem."""
    if name not in VERBS:
        raise Problem(Refused(code=Code.UNKNOWN, what=f"there is no {name}"))
    if not desk.policy.actions:
        hint = "`web: {actions: true}` in the configuration, then `runexp daemon reload`; or use the command line"
        raise Problem(Refused(code=Code.BAD_REQUEST, what="this page is only for looking", hint=hint))
    return VERBS[name]


async def do(desk: Desk, verb: Verb, experiment: str, jobs: Sequence[str]) -> Any:
    """Raises Problem."""
    if verb.is_of_jobs and not jobs:
        raise Problem(Refused(code=Code.BAD_REQUEST, what=f"{verb.name} which jobs?"))
    return await ask(desk, verb.make(experiment, tuple(jobs)), verb.reply)
