"""Of thousands of experiments: a page at a time, found by words and by how they stand, archived ones when they are asked for."""

import time
from urllib.parse import quote

import pytest

from runexp.wire.states import Outcome, PhaseState
from runexp.wire.views import ExperimentLine
from runexpd.web import listing
from runexpd.web.listing import MOST_CHOICES, MOST_ROWS, choices
from web.site import Client, Site

OUTCOMES = (Outcome.SUCCEEDED, Outcome.PARTIAL, Outcome.FAILED, Outcome.CANCELLED)


def line(
    number: int, outcome: Outcome | None = Outcome.SUCCEEDED, *, archived: bool = False
) -> ExperimentLine:
    return ExperimentLine(
        id=f"e{number}",
        name=f"rank{number}",
        cluster="della",
        dir=f"/exp/{number}",
        outcome=outcome,
        optimization=PhaseState.CLOSED,
        evaluation=PhaseState.CLOSED,
        asked_at=1000.0 - number,
        ended_at=None if outcome is None else 2000.0,
        counts={"VERIFIED": 7},
        archived=archived,
    )


def thousands() -> list[ExperimentLine]:
    """Two run, which are the oldest; every fifth of the others is archived."""
    ended = [line(n, OUTCOMES[n % 4], archived=n % 5 == 4) for n in range(1998)]
    return [*ended, line(1998, None), line(1999, None)]


def ids(found: listing.Listing) -> list[str]:
    return [each.id for each in found.rows]


def test_what_runs_comes_first_then_the_newest_and_nothing_archived() -> None:
    found = listing.listing(thousands(), "", "", 0)
    assert ids(found)[:5] == ["e1998", "e1999", "e0", "e1", "e2"]
    assert "e4" not in ids(found)
    assert (len(found.rows), found.page, found.pages) == (MOST_ROWS, 0, 33)
    assert {tab.words: tab.count for tab in found.tabs} == {
        "all": 1601,
        "running": 2,
        "succeeded": 400,
        "partial": 400,
        "failed": 399,
        "cancelled": 400,
        "archived": 399,
    }


def test_every_one_is_on_one_page() -> None:
    known = thousands()
    pages = [listing.listing(known, "", state, page) for state in ("", "archived") for page in range(33)]
    assert {id for found in pages for id in ids(found)} == {each.id for each in known}
    last = listing.listing(known, "", "", 10**6)
    assert (last.page, len(last.rows)) == (32, 1)


@pytest.mark.parametrize(
    ("words", "state", "expected"),
    [
        ("RANK1234", "", []),  # it is archived
        ("RANK1234", "archived", ["e1234"]),
        ("della:/exp/1235", "", ["e1235"]),
        ("e1235 cancelled", "", ["e1235"]),
        ("e1235", "cancelled", ["e1235"]),
        ("e1235", "failed", []),
        ("", "running", ["e1998", "e1999"]),
        ("running", "", ["e1998", "e1999"]),
    ],
)
def test_they_are_found_by_words_and_by_how_they_stand(words: str, state: str, expected: list[str]) -> None:
    assert ids(listing.listing(thousands(), words, state, 0)) == expected


def test_a_kind_that_nobody_has_heard_of_is_none() -> None:
    assert listing.listing(thousands(), "", "<b>", 0).state == ""


def test_a_few_need_no_help() -> None:
    assert listing.listing([line(1)], "", "", 0).is_short
    assert not listing.listing([line(1)], "nothing", "", 0).is_short
    assert not listing.listing([line(1), line(2, archived=True)], "", "", 0).is_short


def test_what_is_chosen_stays_among_the_choices() -> None:
    found = choices(thousands(), {"e4", "e1500"}, "rank17")
    assert [each.id for each in found.rows][:3] == ["e4", "e1500", "e17"]
    assert len(found.rows) == 2 + MOST_CHOICES
    assert (
        found.left_out
        == sum("rank17" in each.name and not each.archived for each in thousands()) - MOST_CHOICES
    )


def test_two_thousand_are_a_small_page_at_once(site: Site, client: Client) -> None:
    site.lines = thousands()
    client.get("/")
    began = time.process_time()
    assert client.get("/?q=exp&state=failed&page=3").status == 200
    assert time.process_time() - began < 0.5
    assert len(client.said) < 40_000
    assert client.said.count('<li class="card"') == MOST_ROWS
    for words in ("page 3 of 8", "?state=failed&amp;page=2&amp;q=exp", "?state=failed&amp;page=4&amp;q=exp"):
        assert words in client.said
    assert client.get("/compare").status == 200
    assert len(client.said) < 10_000
    assert "and 1577 more" in client.said


@pytest.mark.parametrize("words", ['"><script>alert(1)</script>', "&state=x#", "%00\u202e"])
def test_words_of_anybody_stay_words(site: Site, client: Client, words: str) -> None:
    site.lines = thousands()
    for path in ("/", "/compare"):
        assert client.get(f"{path}?q={quote(words)}").status == 200
        assert "<script>alert" not in client.said
        assert "\u202e" not in client.said
        assert "None is like that." in client.said
