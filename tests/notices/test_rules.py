"""What is told of an experiment's events, and what is not; quiet hours; a message of several."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, GOOD, SCORED, World, scaffold
from runexp.wire import events
from runexp.wire.events import Recorded
from runexp.wire.jobs import Failure
from runexpd.notices import quiet, rules
from runexpd.notices.address import kind, redacted
from runexpd.notices.delivery import message
from runexpd.notices.outbox import Owed
from runexpd.notices.rules import Rule


def told(world: World) -> list[rules.Notice]:
    """Of the whole past, as it is by now."""
    (e,) = world.state.experiments.values()
    found = [rules.of_event(recorded, e, 2, "words") for recorded in world.ledger]
    return [notice for notice in found if notice is not None]


def evaluated() -> World:
    """One training failed, the other was evaluated."""
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.finish("rank8", GOOD)
    for cell in ("base/words", "rank8/words/epoch0"):
        world.finish(cell, SCORED)
    return world


def test_the_end_is_told_with_its_scores_in_a_line() -> None:
    found = {notice.rule: notice for notice in told(evaluated())}
    assert found[Rule.END].title == "words is done in part"
    scores, counts, command = found[Rule.END].body.splitlines()
    assert scores == "base/words 0.8, rank8/words/epoch0 0.8"
    assert "3 VERIFIED" in counts
    assert command == "runexp report words"
    assert found[Rule.BARRIER].title == "words: 1 of 2 runs trained, the evaluations go ahead"
    assert found[Rule.FAILURE].title == "words: rank4 failed"
    assert "epoch_1 is missing" in found[Rule.FAILURE].body


def test_a_second_failure_is_the_same_news() -> None:
    world = World()
    world.see(scaffold())
    world.finish("rank4", BAD)
    world.finish("rank8", BAD)
    keys = [notice.key for notice in told(world) if notice.rule is Rule.FAILURE]
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_failure_that_is_mended_is_none() -> None:
    world = World()
    world.see(scaffold())
    world.drain()
    (e,) = world.state.experiments.values()
    rejected = events.ResultRejected(job="rank4", token="t", failure=Failure("x", "x"))
    assert rules.of_event(Recorded(9, 1.0, e.id, rejected), e, 2, "words") is None
    gone = replace(rejected, job="no such job")
    assert rules.of_event(Recorded(9, 1.0, e.id, gone), e, 2, "words") is None


@pytest.mark.parametrize(
    ("hours", "at", "then"),
    [
        ("", "12:00", "12:00"),
        ("22:00-07:00", "12:00", "12:00"),
        ("22:00-07:00", "07:00", "07:00"),
        ("13:00-14:30", "14:29", "14:30"),
        ("0:00-8:15", "00:00", "08:15"),
    ],
)
def test_quiet_hours(hours: str, at: str, then: str) -> None:
    def stamp(clock: str) -> float:
        return datetime.fromisoformat(f"2026-03-03T{clock}").astimezone().timestamp()

    assert quiet.until(hours, stamp(at)) == stamp(then)


def test_quiet_hours_go_over_midnight() -> None:
    late = datetime.fromisoformat("2026-03-03T23:30").astimezone().timestamp()
    early = datetime.fromisoformat("2026-03-04T06:59").astimezone().timestamp()
    morning = datetime.fromisoformat("2026-03-04T07:00").astimezone().timestamp()
    assert quiet.until("22:00-07:00", late) == quiet.until("22:00-07:00", early) == morning


def owed(id: int, *, is_unclear: bool = False) -> Owed:
    return Owed(id, "end", 1000.0, f"title {id}", f"body {id}", 0, is_unclear)


def test_many_become_one_message_that_says_what_it_leaves_out() -> None:
    title, body = message([owed(number) for number in range(1, 31)])
    assert title == "runexp: 30 news, the last: title 30"
    assert "(and 10 earlier ones" in body
    assert "title 11" in body
    assert "title 10\n" not in body
    assert body.endswith("-- runexp #1-30")


def test_what_may_have_been_sent_before_says_so() -> None:
    assert message([owed(7, is_unclear=True)])[1].endswith("-- runexp #7, perhaps a second time")


def test_nothing_of_an_address_is_in_what_is_said_of_it() -> None:
    url = "https://someone:Tops3cret%21@hooks.example.com/services/T0123/AbCdEf?token=qwerty_uiop"
    said = "no answer from HOOKS.example.com/services/T0123/AbCdEf (someone, Tops3cret!, qwerty_uiop)"
    shown = redacted(said, url)
    for secret in ("Tops3cret", "hooks", "T0123", "AbCdEf", "someone", "qwerty", "uiop"):
        assert secret.lower() not in shown.lower()
    assert kind(url) == "https"
    assert kind("tops3cret") == "?"
