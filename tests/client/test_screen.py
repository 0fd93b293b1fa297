"""The full screen, driven by keys and mouse against a scripted daemon, and pictures of it."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from textual.pilot import Pilot

from client.test_board import BROKEN, LINE, NOW, SCORED, SOON, STALLED, TRAINING
from client.test_plots import FALLING, series
from fakes.daemon import LIVE, FakeDaemon, experiment, job, seen, shown
from runexp.screen.app import Full
from runexp.screen.choosing import Choosing
from runexp.screen.lines import Lines
from runexp.screen.watching import Watching
from runexp.ui.joblist import Group
from runexp.wire import events, recipes, requests
from runexp.wire.jobs import Failure
from runexp.wire.metrics import Curves, Estimates
from runexp.wire.refusals import Code, Refused
from runexp.wire.states import Outcome, Stage
from runexp.wire.views import ExperimentView

PENDING = job("rank64", state="PENDING", started_at=None, detail="Priority", begins=SOON, output=None)
DOUBTFUL = job("rank32", Stage.IN_DOUBT, "UNCLEAR", detail="a whole checkpoint, and no steps", ended_at=NOW)
VIEW = experiment(
    TRAINING, BROKEN, SCORED, STALLED, PENDING, DOUBTFUL,
    asked_at=NOW - 800, as_of=NOW - 3, cluster="della", estimates=Estimates(optimization=SOON, end=SOON),
)  # fmt: skip
REJECTED = events.ResultRejected(job="rank4", token="t", failure=Failure("missing_model", "no such model"))
TOLD: list[requests.Reply] = [seen(1, REJECTED, at=NOW), LIVE, shown(VIEW)]
CURVES = Curves(
    experiment="e1",
    name="words",
    series=tuple(series(f"rank{n}", *(value + n / 40 for value in FALLING)) for n in (8, 16)),
    mark=7,
)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(time, "time", lambda: NOW)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def told(daemon: FakeDaemon) -> FakeDaemon:
    daemon.follow(TOLD)
    daemon.answer(requests.Logs, requests.Chunk(text="Writing logs\n\r 31|124|Loss: 0.41: 25%|##"))
    daemon.answer(requests.Metrics, CURVES)
    return daemon


def watching(view: ExperimentView = VIEW) -> Full:
    return Full(lambda app: Watching(view, 0, ended=lambda: app.exit(True)))


async def until(pilot: Pilot[Any], holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline, text(pilot)
        await pilot.pause(0.02)


def text(pilot: Pilot[Any]) -> str:
    """What is on the screen."""
    made = pilot.app.screen
    return "\n".join(
        "".join(segment.text for segment in lines.render_line(y))
        for lines in made.query(Lines)
        if lines.display
        for y in range(lines.size.height)
    )


@asynccontextmanager
async def driven(app: Full, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Pilot[Any]]:
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "detach" in text(pilot))
        yield pilot


async def still(pilot: Pilot[Any]) -> None:
    """Until nothing moves any more."""
    seen_before = [""] * 3
    while len({*seen_before}) > 1 or not seen_before[0]:
        await pilot.pause(0.3)
        seen_before = [*seen_before[1:], text(pilot)]


def says(pilot: Pilot[Any], words: str) -> Callable[[], bool]:
    return lambda: words in text(pilot)


async def test_it_shows_jobs_curves_and_output(told: FakeDaemon) -> None:
    told.answer(requests.Logs, requests.Chunk(text="a line\n" * 99 + "\r 31|124|Loss: 0.41: 25%|##"))
    async with driven(watching(), (200, 50)) as pilot:
        await pilot.press("slash", *"rank8", "enter", "home", "down")
        for words in ("31/124", "1 sibling dotted", "31|124|Loss: 0.41", "ends "):
            await until(pilot, says(pilot, words))


async def test_the_panes_are_gone_through(told: FakeDaemon) -> None:
    async with driven(watching()) as pilot:
        for key, words in (
            ("3", "verdict"),
            ("4", "failed, missing_model"),
            ("2", "Loss: 0.41"),
            ("tab", "verdict"),
        ):
            await pilot.press(key)
            await until(pilot, says(pilot, words))


async def test_a_job_fills_the_screen_and_escape_goes_back(told: FakeDaemon) -> None:
    async with driven(watching(), (60, 15)) as pilot:
        await pilot.press("enter", "3")
        await until(pilot, says(pilot, "✗ FAILED"))
        await until(pilot, says(pilot, "missing_model"))
        assert not pilot.app.screen.query_one("#jobs").display
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen.query_one("#jobs").display)


async def test_the_chosen_job_stays_in_sight_wherever_it_goes(daemon: FakeDaemon) -> None:
    many = [job(f"run{n}", started_at=NOW) for n in range(40)]
    ended = replace(many[5], stage=Stage.VERIFIED, state="VERIFIED")
    is_chosen = threading.Event()

    def told(_: object) -> Iterator[requests.Reply]:
        yield LIVE
        is_chosen.wait(20)
        yield shown(experiment(*many[:5], ended, *many[6:]))

    daemon.answers[requests.Follow] = told
    async with driven(watching(experiment(*many))) as pilot:
        await pilot.press("z", "right", "g", *["down"] * 6)
        await until(pilot, says(pilot, "run5"))
        is_chosen.set()
        await until(pilot, says(pilot, "✓ run5"))


async def test_a_filter_is_typed_letters_are_no_keys_then(told: FakeDaemon) -> None:
    async with driven(watching()) as pilot:
        await pilot.press("slash", *"dqc8", "backspace", "ctrl+u", *"RANK8")
        await until(pilot, says(pilot, "2 of 6 jobs"))
        assert "rank16" not in text(pilot)
        await pilot.press("escape")
        await until(pilot, says(pilot, "rank16"))


@pytest.mark.parametrize("key", ["d", "q", "ctrl+c"])
async def test_one_leaves(told: FakeDaemon, key: str) -> None:
    app = watching()
    async with driven(app) as pilot:
        await pilot.press(key)
    assert app.return_value is False


async def test_its_end_is_its_end(daemon: FakeDaemon) -> None:
    daemon.follow([LIVE, shown(replace(VIEW, outcome=Outcome.PARTIAL, seq=0))])
    app = watching()
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.return_value is not None)
    assert app.return_value is True


async def test_help_is_there_and_any_key_closes_it(told: FakeDaemon) -> None:
    async with driven(watching(), (60, 15)) as pilot:
        await pilot.press("question_mark")
        await until(pilot, says(pilot, "detach; the jobs go on"))
        await pilot.press("down", "pagedown", "x")
        await until(pilot, says(pilot, "d detach"))


@pytest.mark.parametrize(
    ("key", "words", "answer", "asked"),
    [
        (
            "c",
            "rank16",
            requests.CancelReply(jobs=("rank16",)),
            requests.Cancel(experiment="e1", jobs=("rank16",)),
        ),
        (
            "r",
            "rank4",
            requests.RetryReply(experiment="e1", name="words", typed="words", seq=9, jobs=("rank4",)),
            requests.Retry(experiment="e1", jobs=("rank4",)),
        ),
        (
            "R",
            "rank4",
            recipes.RerunReply(experiment="e1", name="words", typed="words", seq=9, jobs=("rank4",)),
            recipes.Rerun(experiment="e1", jobs=("rank4",)),
        ),
        (
            "a",
            "rank32",
            requests.AcceptReply(experiment="e1", name="words", typed="words", seq=9, jobs=("rank32",)),
            requests.Accept(experiment="e1", jobs=("rank32",)),
        ),
    ],
)
async def test_what_is_done_is_asked_first(
    told: FakeDaemon, key: str, words: str, answer: Any, asked: requests.Request
) -> None:
    told.answer(type(asked), answer)
    app = watching()
    async with driven(app) as pilot:
        screen = app.screen
        assert isinstance(screen, Watching)
        screen.board.jobs.type(words)
        await pilot.press("home", "down", key)
        await until(pilot, says(pilot, "any other key no"))
        await pilot.press("n")
        await until(pilot, lambda: app.screen is screen)
        assert not told.of(type(asked))
        await pilot.press(key, "y")
        await until(pilot, lambda: told.of(type(asked)))
        await until(pilot, says(pilot, words))
        assert told.of(type(asked)) == [asked]


async def test_a_question_is_as_wide_as_its_words(told: FakeDaemon) -> None:
    name = "日本語のモデル" * 5
    view = experiment(replace(TRAINING, id=name, run=name))
    told.follow([LIVE, shown(view)])
    async with driven(watching(view)) as pilot:
        await pilot.press("c")
        await until(pilot, says(pilot, "any other key no"))
        await until(pilot, says(pilot, name))
        await pilot.press("n")


async def test_a_refusal_is_said_and_nothing_to_do_is_said(told: FakeDaemon) -> None:
    told.answer(
        requests.Retry, Refused(code=Code.UNREACHABLE, what="della does not answer", hint="ask again")
    )
    async with driven(watching()) as pilot:
        await pilot.press("r", "y")
        await until(pilot, says(pilot, "della does not answer; ask again"))
        await pilot.press("home", "c")
        await until(pilot, says(pilot, "there is nothing to cancel here"))


async def test_the_mouse_folds_chooses_and_presses_keys(told: FakeDaemon) -> None:
    app = watching()
    async with driven(app) as pilot:
        screen = app.screen
        assert isinstance(screen, Watching)
        await pilot.click("#jobs", offset=(4, 1))
        assert screen.board.job == BROKEN
        await pilot.click("#tabs", offset=(25, 0))
        await until(pilot, says(pilot, "verdict"))
        await pilot.click("#jobs", offset=(4, 0))
        assert isinstance(chosen := screen.board.jobs.chosen, Group)
        assert chosen.is_folded
        await pilot.click("#bar", offset=(13, 0))
        await until(pilot, says(pilot, "detach; the jobs go on"))


async def test_a_daemon_that_goes_and_comes_back(told: FakeDaemon, home: Path) -> None:
    app = watching()
    async with driven(app) as pilot:
        await until(pilot, lambda: told.of(requests.Follow))
        told.stop()
        await until(pilot, says(pilot, "the daemon went away"))
        with FakeDaemon(home) as again:
            again.follow([LIVE, shown(replace(VIEW, name="words again"))])
            await until(pilot, says(pilot, "words again"))
            assert "went away" not in text(pilot)


async def test_ten_thousand_jobs_cost_no_more_lines_than_the_screen_has(daemon: FakeDaemon) -> None:
    many = experiment(*(job(f"rank{n}", started_at=NOW - n) for n in range(10_000)), asked_at=NOW - 9)
    daemon.follow([LIVE])
    daemon.answer(requests.Metrics, replace(CURVES, series=()))
    daemon.answer(requests.Logs, requests.Chunk(text="x\n"))
    app = watching(many)
    async with driven(app, (120, 40)) as pilot:
        screen = app.screen
        assert isinstance(screen, Watching)
        made: list[int] = []
        row = screen.board.row
        screen.board.row = lambda place, room: made.append(place) or row(place, room)  # type: ignore[method-assign,func-returns-value]
        await until(pilot, lambda: daemon.of(requests.Metrics) and daemon.of(requests.Logs))
        await pilot.pause(0.5)
        for act in (screen.draw, lambda: screen.board.show(replace(many)), screen.draw):
            made.clear()
            act()
            await pilot.pause()
            assert len(made) <= 40
        made.clear()
        await pilot.press("end")
        await until(pilot, says(pilot, "rank9999"))
        assert len(made) <= 3 * 40


async def test_all_experiments_and_into_one_and_back(told: FakeDaemon) -> None:
    told.answer(requests.Ls, requests.LsReply(experiments=(LINE,)))
    told.answer(requests.Status, requests.StatusReply(experiment=VIEW))
    async with driven(Full(lambda app: Choosing([LINE]))) as pilot:
        await until(pilot, says(pilot, "1 running, 0 ended"))
        await pilot.press("enter")
        await until(pilot, says(pilot, "31/124"))
        await pilot.press("escape")
        await until(pilot, says(pilot, "1 running, 0 ended"))
        await pilot.press("slash", *"nothing")
        await until(pilot, says(pilot, "0 of 1 experiments"))


async def test_the_archived_ones_and_back(told: FakeDaemon) -> None:
    away = replace(LINE, id="e0", name="long-ago", outcome=Outcome.SUCCEEDED, archived=True)
    told.answer(requests.Ls, requests.LsReply(experiments=(LINE, away)))
    async with driven(Full(lambda app: Choosing([LINE, away]))) as pilot:
        await until(pilot, says(pilot, "0 ended, 1 archived"))
        assert "long-ago" not in text(pilot)
        await pilot.press("A")
        await until(pilot, says(pilot, "long-ago"))
        assert "words" not in text(pilot)
        await pilot.press("escape")
        await until(pilot, says(pilot, "words"))


SIZES = [(60, 15), (80, 24), (200, 50)]


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_picture(told: FakeDaemon, snap_compare: Any, size: tuple[int, int]) -> None:
    async def settled(pilot: Pilot[Any]) -> None:
        await until(pilot, says(pilot, "detach"))
        await pilot.press("slash", *"running", "enter", "end")
        await until(pilot, lambda: told.of(requests.Metrics) and told.of(requests.Logs))
        await pilot.press("escape")
        if size[1] >= 24:
            await until(pilot, says(pilot, "dotted"))
        if size[0] >= 200:
            await until(pilot, says(pilot, "Loss: 0.41"))
        await still(pilot)

    assert snap_compare(watching(), terminal_size=size, run_before=settled)


def test_a_picture_without_colours(
    told: FakeDaemon, snap_compare: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def settled(pilot: Pilot[Any]) -> None:
        await until(pilot, says(pilot, "detach"))
        await until(pilot, says(pilot, "Loss: 0.41"))
        await pilot.press("3")
        await until(pilot, says(pilot, "✗ FAILED"))
        await still(pilot)

    assert snap_compare(watching(), terminal_size=(80, 24), run_before=settled)


def test_a_picture_of_a_link_that_is_dead(told: FakeDaemon, snap_compare: Any) -> None:
    trouble = "login needed: runexp login della"
    view = replace(VIEW, as_of=NOW - 600, trouble=trouble)
    told.follow([LIVE, shown(view)])

    async def settled(pilot: Pilot[Any]) -> None:
        await until(pilot, says(pilot, "detach"))
        await pilot.press("2")
        await until(pilot, says(pilot, "Loss: 0.41"))
        await still(pilot)

    assert snap_compare(watching(view), terminal_size=(80, 24), run_before=settled)
