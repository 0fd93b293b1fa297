"""How old what is shown is: said, and with a cluster that gives no answer no time runs on."""

import time
from typing import Any

import pytest
from msgspec.structs import replace

from fakes.daemon import experiment, job, shown
from runexp.connection import _whole
from runexp.ui import rows
from runexp.ui.palette import plain
from runexp.wire import requests
from runexp.wire.states import Outcome
from runexp.wire.views import ExperimentView

NOW = 2000.0


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def running(**more: Any) -> ExperimentView:
    return experiment(job("rank4", started_at=1000.0, ended_at=None), **more)


def text(shown: ExperimentView) -> str:
    return "\n".join(map(plain, rows.experiment(shown)))


def test_a_view_says_as_of_when_it_is() -> None:
    assert text(running(as_of=NOW - 12)).splitlines()[0].endswith(" ago")
    assert ", 12 s ago" in text(running(as_of=NOW - 12))
    assert "16 min 40 s" in text(running(as_of=NOW - 12))


def test_while_a_cluster_gives_no_answer_its_times_stand_still() -> None:
    silent = text(running(as_of=NOW - 300, trouble="no connection for 290 s"))
    assert ", 5 min 00 s ago" in silent
    assert "11 min 40 s" in silent
    assert "16 min 40 s" not in silent


def test_what_is_over_or_not_yet_known_has_no_age() -> None:
    assert "ago" not in text(running(as_of=NOW - 12, outcome=Outcome.SUCCEEDED))
    assert "ago" not in text(running())


def test_an_attached_client_is_told_how_old_what_it_shows_is() -> None:
    first, second = running(), running(seq=7)
    replies: list[requests.Reply] = [
        shown(first),
        requests.AsOf(at=1.0),
        requests.Changed(experiment=replace(second, jobs=())),
        requests.AsOf(at=2.0),
    ]
    got = [reply.experiment for reply in _whole(iter(replies)) if isinstance(reply, requests.Shown)]
    assert [(each.seq, each.as_of) for each in got] == [
        (first.seq, None),
        (first.seq, 1.0),
        (7, 1.0),
        (7, 2.0),
    ]
    assert [len(each.jobs) for each in got] == [1, 1, 1, 1]
