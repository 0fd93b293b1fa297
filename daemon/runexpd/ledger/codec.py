"""Events as the ledger keeps them, and back. What earlier versions wrote is read as they would mean it today. Pure.

The one that names every job of an experiment is read a job at a time, and what is equal in them is made once: ten thousand jobs
that are read at once take more memory than they do ever after.
"""

import json
from typing import Any

import msgspec

from runexp.wire.events import Event, RunAsked
from runexp.wire.jobs import JobSpec
from runexpd.core.held import Held

#: The largest number that is one to everybody.
_MOST = 1e308
#: What decoders, and the mending of what was decoded into no event's shape, can raise.
_UNREADABLE = (
    msgspec.MsgspecError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class _RunAsked(RunAsked, frozen=True, kw_only=True, tag="RunAsked"):
    """The same event, with its jobs as they are written."""

    jobs: tuple[msgspec.Raw, ...]  # type: ignore[assignment]


_RUN_ASKED = b'{"type":"RunAsked",'
_run_decoder = msgspec.json.Decoder(_RunAsked)
_job_decoder = msgspec.json.Decoder(JobSpec)


class Undecodable(Exception):
    """Raised when a body is no event that this version knows."""


def encode(event: Event) -> bytes:
    """As JSON. Raises what msgspec raises of values that JSON has no word for."""
    return _encoder.encode(event)


def decode(body: bytes, held: Held | None = None) -> Event:
    """An event of any version, made of what is `held` as far as it is. Raises Undecodable."""
    try:
        return decode_today(body, held)
    except Undecodable as error:
        try:
            return _decoder.decode(_encoder.encode(_mended(json.loads(body))))
        except _UNREADABLE:
            raise error from None


def decode_today(body: bytes, held: Held | None = None) -> Event:
    """An event as this version writes it: nothing in it needs mending. Raises Undecodable."""
    try:
        if body.startswith(_RUN_ASKED):
            return _run_asked(body, held or Held())
        return _decoder.decode(body)
    except _UNREADABLE as error:
        raise Undecodable(str(error)) from None


def _run_asked(body: bytes, held: Held) -> RunAsked:
    written = _run_decoder.decode(body)
    jobs = tuple(held.of(_job_decoder.decode(job)) for job in written.jobs)
    return RunAsked(**{**held.of(msgspec.structs.asdict(written)), "jobs": jobs})


def _mended(event: dict[str, Any]) -> dict[str, Any]:
    """An event whose values were not checked when it was written: what is no text, number or list where one belongs, goes."""
    mended = dict(event)
    for key in ("detail", "reason", "error"):
        if key in event:
            mended[key] = "" if event[key] is None else str(event[key])
    for key in ("artifacts", "warnings"):
        if key in event:
            mended[key] = [text for text in event[key] or () if isinstance(text, str)]
    if "scores" in event:
        mended["scores"] = [score for score in event["scores"] or () if _is_score(score)]
    if isinstance(event.get("failure"), dict):
        mended["failure"] = {key: str(event["failure"].get(key) or "unknown") for key in ("kind", "message")}
    if "remedy" in event and event["type"] == "ResultRejected" and not _is_remedy(event["remedy"]):
        mended["remedy"] = None
    return mended


def _is_score(score: Any) -> bool:
    texts = isinstance(score, dict) and all(isinstance(score.get(key), str) for key in ("name", "metric"))
    value = score.get("value") if texts else None
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _MOST


def _is_remedy(remedy: Any) -> bool:
    values = remedy.get("values") if isinstance(remedy, dict) else None
    return isinstance(values, dict) and all(type(value) is int for value in values.values())
