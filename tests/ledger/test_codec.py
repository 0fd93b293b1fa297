"""Events as they are kept, and what earlier versions wrote: read as they would mean it today, or not at all."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.builders import GOOD, OUT_OF_MEMORY, World, scaffold, training
from runexp.wire import events
from runexp.wire.jobs import Failure, Policy, Score
from runexpd.core.held import Held
from runexpd.ledger import codec
from runexpd.ledger.codec import Undecodable, decode, decode_today, encode

VERIFIED = {"type": "ResultVerified", "job": "rank4", "token": "e1-1", "detail": "2 epochs"}
REJECTED = {
    "type": "ResultRejected",
    "job": "rank4",
    "token": "e1-1",
    "failure": {"kind": "missing", "message": "epoch_1 is missing"},
}
SCORE = {"name": "match", "metric": "accuracy", "value": 0.5}
MENDED: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "no detail": (VERIFIED, {"detail": None}, {"detail": ""}),
    "a detail that is a number": (VERIFIED, {"detail": 7}, {"detail": "7"}),
    "no artifacts": (VERIFIED, {"artifacts": None}, {"artifacts": ()}),
    "artifacts of which one is no text": (VERIFIED, {"artifacts": ["/a", None, 3]}, {"artifacts": ("/a",)}),
    "warnings of which one is no text": (VERIFIED, {"warnings": [["x"], "y"]}, {"warnings": ("y",)}),
    "no scores": (VERIFIED, {"scores": None}, {"scores": ()}),
    "scores that are no numbers": (
        VERIFIED,
        {"scores": [{**SCORE, "value": None}, SCORE, {**SCORE, "value": True}, {"name": "x"}, 3]},
        {"scores": (Score("match", "accuracy", 0.5),)},
    ),
    "a score that is too large a number": (
        VERIFIED,
        {"scores": [{**SCORE, "value": 10**400}]},
        {"scores": ()},
    ),
    "a failure of nothing": (
        REJECTED,
        {"failure": {"kind": None, "message": 5}},
        {"failure": Failure("unknown", "5")},
    ),
    "a remedy that is none": (REJECTED, {"remedy": {"file": "/f"}}, {"remedy": None}),
    "a remedy of halves": (
        REJECTED,
        {"remedy": {"file": "/f", "values": {"batch_size": 0.5}, "summary": "s"}},
        {"remedy": None},
    ),
}


@pytest.mark.parametrize(("event", "odd", "meant"), MENDED.values(), ids=MENDED.keys())
def test_what_earlier_versions_wrote_unchecked_is_read_without_what_does_not_belong(
    event: dict[str, Any], odd: dict[str, Any], meant: dict[str, Any]
) -> None:
    body = json.dumps({**event, **odd}).encode()
    decoded = decode(body)
    for field, value in meant.items():
        assert getattr(decoded, field) == value
    assert decode_today(encode(decoded)) == decoded
    with pytest.raises(Undecodable):
        decode_today(body)


def test_what_needs_no_mending_is_read_as_it_was_written() -> None:
    world = World()
    world.see(scaffold())
    world.finish("rank4", OUT_OF_MEMORY)
    world.finish("rank8", GOOD)
    for recorded in world.ledger:
        body = encode(recorded.event)
        assert decode(body) == decode_today(body) == recorded.event


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"type"',
        b"\xff\xfe",
        b'{"type": "Levitated"}',
        b'{"remedy": 1}',
        b'{"type": "ResultVerified"}',
        b'{"type": "ResultAwaited", "job": "\xff", "token": "", "detail": ""}',
        b'{"type": "ResultAwaited", "job": "\\ud800", "token": "", "detail": ""}',
        b'{"type": "ResultVerified", "job": null, "token": null, "detail": null}',
        b'{"type": "JobsRetired", "jobs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"type": "SubmitDeferred", "until": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_event_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(body)


_NAMES = """
type job token detail reason error artifacts warnings scores failure remedy values kind message name metric value jobs number
"""
NAMES = st.sampled_from(_NAMES.split())
TYPES = st.sampled_from([kind.__name__ for kind in events.Event.__args__])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | TYPES
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        VALUES,
        st.builds(
            lambda kind, rest: {**rest, "type": kind}, TYPES, st.dictionaries(NAMES, VALUES, max_size=6)
        ),
    )
)
def test_whatever_json_it_is_it_is_an_event_or_undecodable(value: Any) -> None:
    try:
        event = codec.decode(json.dumps(value).encode())
    except Undecodable:
        return
    assert codec.decode_today(codec.encode(event)) == event


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_whatever_bytes_they_are_they_are_an_event_or_undecodable(body: bytes) -> None:
    with pytest.raises(Undecodable):
        decode(body)


def test_jobs_that_are_read_again_are_those_that_somebody_holds() -> None:
    specs = tuple(training(run) for run in ("r1", "r2", "r3"))
    asked = events.RunAsked(policy=Policy(), tools={}, logs={}, runs=(), jobs=specs)
    read = decode(encode(asked), Held({"r1": specs[0]}.get))
    assert read == asked
    assert isinstance(read, events.RunAsked)
    assert read.jobs[0] is specs[0]
    assert read.jobs[1] is not specs[1]
    assert read.jobs[1].tool is read.jobs[2].tool


@pytest.mark.parametrize("jobs", [b"[7]", b"7", b'[{"id":"r1"}]', b"[nul]"])
def test_jobs_that_are_none_are_undecodable(jobs: bytes) -> None:
    body = encode(events.RunAsked(policy=Policy(), tools={}, logs={}, runs=(), jobs=()))
    with pytest.raises(Undecodable):
        decode(body.replace(b'"jobs":[]', b'"jobs":' + jobs))
