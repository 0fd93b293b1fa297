"""What was once written must stay readable: a line of every event and request ever released, and of each reply."""

from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from runexp.wire import events, framing, requests, views
from runexp.wire.refusals import Refused

GOLDEN = Path(__file__).parent / "golden"


def lines(name: str) -> list[bytes]:
    return (GOLDEN / name).read_bytes().splitlines()


def is_within(old: Any, new: Any) -> bool:
    """Whether all that the old document says stands in the new one, which may have more fields."""
    if isinstance(old, dict):
        return all(key in new and is_within(value, new[key]) for key, value in old.items())
    if isinstance(old, list):
        return len(old) == len(new) and all(map(is_within, old, new))
    return bool(old == new)


@pytest.mark.parametrize("line", lines("events.jsonl"))
def test_an_event_of_an_earlier_version_is_still_read(line: bytes) -> None:
    event = msgspec.json.decode(line, type=events.Event)
    written = msgspec.json.decode(msgspec.json.encode(event))
    assert is_within(msgspec.json.decode(line), written)


@pytest.mark.parametrize("line", lines("requests.jsonl"))
def test_a_request_of_an_earlier_version_is_still_read(line: bytes) -> None:
    request = framing.unpack_request(line)
    assert framing.unpack_request(framing.pack(request)) == request


def test_every_event_and_request_has_its_line() -> None:
    for name, union in (("events.jsonl", events.Event), ("requests.jsonl", requests.Request)):
        kinds = {msgspec.json.decode(line)["type"] for line in lines(name)}
        assert kinds == {kind.__name__ for kind in get_args(union)}


def test_a_field_that_is_not_known_yet_is_stepped_over() -> None:
    assert framing.unpack_request(b'{"type": "Ls", "colour": "blue"}\n') == requests.Ls()


def test_an_older_client_can_step_over_a_new_kind_of_event() -> None:
    line = b'{"type":"Seen","envelope":{"seq":9,"at":1.5,"experiment":"e1","event":{"type":"Levitated"}}}'
    seen = framing.unpack_reply(line)
    assert isinstance(seen, requests.Seen)
    assert seen.envelope.seq == 9


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'{"type": "Levitate"}', b'{"type": "Run"}', b"\xff"])
def test_what_is_no_request_is_an_error(line: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        framing.unpack_request(line)


BRACKETS = b"[" * 100_000


@pytest.mark.parametrize(
    "line",
    [
        BRACKETS,
        b'{"type":"Ls","unknown":' + BRACKETS,
        b'{"type":"Status","experiment":"\xff"}',
        b'{"type":"Status","experiment":"\\ud800"}',
        b'{"type":"Follow","experiment":"e","after":' + b"9" * 100_000 + b"}",
        b"\0" * 100,
    ],
)
def test_what_is_hostile_is_an_error_that_readers_expect(line: bytes) -> None:
    for unpack in (framing.unpack_hello, framing.unpack_request, framing.unpack_reply):
        with pytest.raises((ValueError, RecursionError)):
            unpack(line)


def test_half_a_character_cannot_be_sent() -> None:
    with pytest.raises(UnicodeEncodeError):
        framing.pack(requests.Status(experiment="\udcff"))


def test_every_reply_has_a_tag_of_its_own() -> None:
    tags = [kind.__struct_config__.tag for kind in get_args(requests.Reply)]
    assert len(tags) == len(set(tags))
    assert {Refused, views.Plan, views.Report} <= set(get_args(requests.Reply))


def test_a_message_is_one_line() -> None:
    packed = framing.pack(requests.Run(dir="/a\nb"))
    assert packed.count(b"\n") == 1
    assert framing.unpack_request(packed) == requests.Run(dir="/a\nb")


@pytest.mark.parametrize(
    "choice", [{"oom_retries": -1}, {"node_retries": 10**6}, {"stagger_evaluations_seconds": 1e300}]
)
def test_no_more_can_be_chosen_than_can_be_set(choice: dict[str, float]) -> None:
    for asked in (
        {"type": "Run", "dir": "/e", "choices": choice},
        {"type": "Set", "experiment": "e", "settings": choice},
    ):
        with pytest.raises(msgspec.ValidationError):
            framing.unpack_request(msgspec.json.encode(asked))
