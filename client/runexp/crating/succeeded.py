"""Which attempts made results that were found good, as the events tell. Pure."""

from collections.abc import Iterable

import msgspec

from runexp.wire import events
from runexp.wire.events import Event
from runexp.wire.jobs import Score


class Success(msgspec.Struct, frozen=True, kw_only=True):
    """Of one attempt."""

    job: str
    #: One line: what was found.
    detail: str
    scores: tuple[Score, ...] = ()
    #: Nothing that came later took its place: the report is about these results.
    stands: bool = True


def successes(told: Iterable[Event]) -> dict[str, Success]:
    """By the attempt's token. What a person took as it is counts, too."""
    found: dict[str, Success] = {}
    judged: dict[str, tuple[str | None, str]] = {}
    for event in told:
        match event:
            case events.ResultVerified():
                _supersede(found, event.job)
                _note(found, event.token, Success(job=event.job, detail=event.detail, scores=event.scores))
            case events.ResultAccepted():
                token, detail = judged.get(event.job, (None, ""))
                _note(found, token, Success(job=event.job, detail=f"taken as it is: {detail}"))
            case events.ResultUnclear():
                _supersede(found, event.job)
                judged[event.job] = event.token, event.detail
            case events.ResultRejected():
                _supersede(found, event.job)
                judged[event.job] = event.token, event.failure.message
            case events.RerunAsked():
                for job in event.jobs:
                    _supersede(found, job)
            case _:  # the others say nothing of results
                pass
    return found


def _note(found: dict[str, Success], token: str | None, success: Success) -> None:
    """Results that were there before any attempt are nobody's here."""
    if token is not None:
        found[token] = success


def _supersede(found: dict[str, Success], job: str) -> None:
    for token, success in found.items():
        if success.job == job:
            found[token] = msgspec.structs.replace(success, stands=False)
