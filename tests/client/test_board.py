"""What the full screen shows, as lines: everything fits, no number is cut, nothing from outside is obeyed."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes.daemon import experiment, job, seen
from runexp.ui import cells, head, keys
from runexp.ui.board import Board, Tab
from runexp.ui.everything import Everything
from runexp.ui.palette import TONES, Line, plain
from runexp.ui.tail import Tail
from runexp.wire import events
from runexp.wire.jobs import Failure, Progress, Score, Usage
from runexp.wire.metrics import Concern, Estimate, Estimates, Health
from runexp.wire.states import Outcome, PhaseState, Stage
from runexp.wire.views import AttemptView, ExperimentLine, JobView

NOW = 1_800_000_000.0
SOON = Estimate(earliest_at=NOW + 3000, likely_at=NOW + 3600, latest_at=NOW + 5000, basis="its siblings")
TRAINING = job(
    "rank8",
    started_at=NOW - 725,
    progress=Progress(epoch=0, epochs=2, done=31, total=124, loss=0.4123),
    ends=SOON,
    limit_at=NOW + 9000,
)
STALLED = replace(
    TRAINING,
    id="rank16",
    health=(Health(concern=Concern.STALLED, since_at=NOW, what="no new step for 6 min", hint="look at it"),),
)
ATTEMPT = AttemptView(
    number=1,
    token="t",
    slurm_job_id="101",
    state="FAILED",
    exit_code="1:0",
    submitted_at=NOW - 60,
    started_at=NOW - 50,
    ended_at=NOW - 10,
    usage=Usage(gpus=1),
)
BROKEN = job(
    "rank4",
    Stage.FAILED,
    "FAILED",
    started_at=NOW - 50,
    ended_at=NOW - 10,
    detail="no such model",
    failure=Failure("missing_model", "no such model"),
    attempts=(ATTEMPT,),
)
SCORED = job(
    "rank8/words/epoch1",
    Stage.VERIFIED,
    "VERIFIED",
    ended_at=1009.0,
    scores=(Score("match", "accuracy", 0.99), Score("match", "stderr", 0.01)),
    warnings=("98 of 100 samples",),
    artifacts=("/exp/logs/a.eval",),
)


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


def board(*jobs: JobView, **more: Any) -> Board:
    return Board(experiment(*(jobs or (TRAINING, BROKEN, SCORED, STALLED)), asked_at=NOW - 800, **more))


def screen(shown: Board, room: int, height: int) -> list[Line]:
    lines = [*shown.head(room, height), *(shown.row(place, room) for place in range(len(shown.jobs.rows)))]
    for tab in Tab:
        lines += shown.pane(tab, room, height // 2)
    return [*lines, shown.tabs(room, False), shown.tabs(room, True), keys.bar(keys.EXPERIMENT, room)[0]]


def text(lines: list[Line]) -> str:
    return "\n".join(map(plain, lines))


@pytest.mark.parametrize("size", [(80, 24), (60, 15), (200, 50)])
def test_everything_fits(size: tuple[int, int]) -> None:
    shown = board(as_of=NOW - 3, trouble="login needed: runexp login della", estimates=Estimates(end=SOON))
    for place in range(len(shown.jobs.rows)):
        shown.jobs.go(place)
        for line in screen(shown, *size):
            assert cells.width(plain(line)) <= size[0], plain(line)


@pytest.mark.parametrize("room", [60, 80, 120, 200])
def test_no_number_is_cut(room: int) -> None:
    shown = board()
    rows = [plain(shown.row(place, room)) for place in range(len(shown.jobs.rows))]
    row = next(row for row in rows if "rank8 " in row)
    assert "12:05" in row
    for number in re.findall(r"\S*\d\S*", row):
        assert "…" not in number


def test_a_long_name_leaves_room_for_the_numbers() -> None:
    shown = board(replace(TRAINING, id="a-very-long-name-indeed" * 10 + "-seed17"))
    row = plain(shown.row(1, 80))
    assert "…" in row
    assert "-seed17" in row
    assert re.search(r"RUNNING\s+12:05  25%", row)


def test_the_head_says_how_it_stands_how_old_it_is_and_when_it_ends() -> None:
    shown = board(as_of=NOW - 3, estimates=Estimates(optimization=SOON, end=SOON))
    said = text(shown.head(120, 24))
    assert "running for 13:20, ends " in said
    assert "0:03 ago" in said
    assert re.search(r"optimization .*✗ 1  ! 1  ► 1  of 3  ends \d\d:\d\d \(\d\d:\d\d-\d\d:\d\d\)", said)
    assert re.search(r"evaluation .*✓ 1  of 1", said)


@pytest.mark.parametrize("trouble", ["login needed: runexp login della", "no connection for 290 s"])
def test_a_cluster_that_is_away_is_very_visible_and_its_clocks_stand(trouble: str) -> None:
    shown = board(as_of=NOW - 300, trouble=trouble)
    alarm = next(line for line in shown.head(80, 24) if trouble in plain(line))
    assert TONES[alarm[0].tone].reverse
    assert cells.width(plain(alarm)) == 80
    assert any("7:05" in plain(shown.row(place, 80)) for place in range(len(shown.jobs.rows)))


def test_a_daemon_that_is_away_is_said_beside_it() -> None:
    shown = board()
    shown.trouble = "the daemon went away"
    assert "the daemon went away" in text(shown.head(80, 15))


@pytest.mark.parametrize("outcome", list(Outcome))
def test_an_end_is_told(outcome: Outcome) -> None:
    shown = board(outcome=outcome)
    assert outcome in text(shown.head(80, 24))
    assert "archived" not in text(shown.head(80, 24))
    assert ", archived" in text(board(outcome=outcome, archived=True).head(80, 24))


def test_a_job_in_detail() -> None:
    shown = board()
    shown.jobs.go(next(place for place, row in enumerate(shown.jobs.rows) if row is BROKEN))
    said = text(list(shown.pane(Tab.JOB, 140, 20)))
    for words in (
        "missing_model",
        "runexp retry words rank4",
        "job 101",
        "exit 1:0",
        "waited 0:10",
        "ran 0:40",
        "1 GPU",
        "/exp/rank4/job.slurm",
    ):
        assert words in said


def test_why_a_job_waits_is_no_verdict() -> None:
    shown = board(job("rank4", state="PENDING", detail="Priority"))
    said = text(list(shown.pane(Tab.JOB, 80, 20)))
    assert "why        Priority" in said
    assert "verdict" not in said


def test_what_changed_since_is_told() -> None:
    shown = board(replace(BROKEN, stage=Stage.VERIFIED, failure=None, changes=("lora_rank 4 -> 2",)))
    assert "changed: lora_rank 4 -> 2" in plain(shown.row(1, 80))
    assert "R makes it anew" in text(list(shown.pane(Tab.JOB, 80, 20)))


def test_what_is_wrong_with_a_job_comes_first() -> None:
    shown = board()
    shown.jobs.go(next(place for place, row in enumerate(shown.jobs.rows) if row is STALLED))
    said = text(list(shown.pane(Tab.JOB, 80, 20)))
    assert said.index("no new step for 6 min") < said.index("step 31/124")
    assert "look at it" in said
    assert "by its siblings" in said
    assert "! no new step" in plain(shown.row(shown.jobs.cursor, 80))


def test_on_a_groups_line_the_experiment_is_told() -> None:
    shown = board(warnings=("a run has no script",))
    shown.jobs.go(0)
    said = text(list(shown.pane(Tab.JOB, 80, 20)))
    assert "1 failed" in said
    assert "local:/exp" in said
    assert "a run has no script" in said


def test_events_are_told_in_their_tones() -> None:
    shown = board()
    (line,) = shown.pane(Tab.EVENTS, 80, 9)
    assert plain(line) == " nothing has happened since you came"
    failure = Failure("oom", "gone, and so is all that was to come after it")
    shown.tell(seen(1, events.ResultRejected(job="rank4", token="t", failure=failure)).envelope)
    (line,) = shown.pane(Tab.EVENTS, 90, 9)
    assert line[0].tone == "bad"
    assert "failed, oom: gone" in plain(line)
    first, second = shown.pane(Tab.EVENTS, 50, 9)
    assert cells.width(plain(first)) <= 49
    assert plain(second).startswith(" " * 11)
    assert plain(first).split() + plain(second).split() == plain(line).split(), "nothing is cut"


HOSTILE = [
    "[red]x[/red]",
    "two\nlines",
    "\x1b[2Jx",
    "\u202ex",
    "日本語" * 30,
    "e\u0301" * 40,
    "\x9b2J",
    "🙂" * 30,
    "",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
@pytest.mark.parametrize("room", [60, 80, 200])
def test_no_name_is_obeyed_or_breaks_a_line(name: str, room: int) -> None:
    bad = job(
        name,
        Stage.FAILED,
        name,
        detail=name,
        failure=Failure(name, name),
        warnings=(name,),
        scores=(Score(name, name, 0.5),),
        health=(Health(concern=Concern.SLOW, since_at=NOW, what=name, hint=name),),
        output=name,
    )
    shown = Board(
        experiment(bad, name=name, dir=name, warnings=(name,), trouble=name, as_of=NOW, asked_at=NOW)
    )
    shown.tell(seen(1, events.ResultRejected(job=name, token="t", failure=Failure(name, name))).envelope)
    shown.tail.add(name)
    for place in range(len(shown.jobs.rows)):
        shown.jobs.go(place)
        for line in screen(shown, room, 24):
            assert plain(line).isprintable()
            if line not in list(shown.pane(Tab.EVENTS, room, 9)):
                assert cells.width(plain(line)) <= room


@given(st.lists(st.text(st.sampled_from("ab\r\n\x1b[K|█"), max_size=30), max_size=8), st.integers(10, 40))
def test_output_in_pieces_is_the_output(pieces: list[str], room: int) -> None:
    whole, parts = Tail(), Tail()
    whole.add("".join(pieces).replace("\r\n", "\n"))
    for piece in pieces:
        parts.add(piece)
    if not any(piece.endswith("\r") for piece in pieces):
        assert list(map(plain, parts.lines(room))) == list(map(plain, whole.lines(room)))


def test_a_progress_bar_leaves_its_last_word() -> None:
    tail = Tail()
    tail.add("start\n")
    for step in range(20_000):
        tail.add(f"\r{step}/20000 [{'#' * 40}]")
    assert plain(tail.lines(80)[-1]).startswith("19999/20000")
    assert len(tail.lines(80)) == 2


def test_a_bar_of_a_phase_shows_all_there_is() -> None:
    jobs = [job(f"done{n}", Stage.VERIFIED, "VERIFIED") for n in range(500)]
    view = experiment(*jobs, BROKEN)
    line = plain(head.lines(view, head.numbers(view), "", 80, 24)[1])
    assert line.count("x") == 1
    assert "━" in line


LINE = ExperimentLine(
    id="e1", name="words", cluster="della", dir="/exp", outcome=None, optimization=PhaseState.RUNNING,
    evaluation=PhaseState.WAITING, asked_at=NOW, ended_at=None, counts={"RUNNING": 2, "FAILED": 1}, ends=SOON, concerns=1,
)  # fmt: skip


def test_all_experiments_what_runs_first() -> None:
    old = replace(LINE, id="e0", name="old", outcome=Outcome.FAILED, asked_at=NOW + 9, ended_at=NOW + 60)
    every = Everything([old, LINE])
    assert [row.name for row in every.rows] == ["words", "old"]
    every.go(1)
    every.show([LINE, old, replace(LINE, id="e2", name="new", asked_at=NOW + 5)])
    assert every.chosen is old
    assert re.search(r"words .*optimization .*! 1  ✗ 1  ► 2  ends \d\d:\d\d", plain(every.row(1, 100)))
    every.type("OLD")
    assert [row.name for row in every.rows] == ["old"]
    assert "1 ended" in text(every.head(80)).replace("2 running, ", "")


def test_archived_experiments_are_shown_when_they_are_asked_for() -> None:
    away = [
        replace(LINE, id=f"a{n}", name=f"old{n}", outcome=Outcome.FAILED, archived=True) for n in range(2)
    ]
    every = Everything([*away, LINE])
    assert [row.name for row in every.rows] == ["words"]
    assert text(every.head(80)).strip() == "runexp  1 running, 0 ended, 2 archived"
    every.type("old")
    assert every.rows == []
    every.turn()
    every.go(1)
    assert [row.name for row in every.rows] == ["old0", "old1"]
    assert text(every.head(80)).strip() == "runexp  2 archived"
    every.show([replace(away[0], archived=False), away[1], LINE])
    assert every.chosen is away[1]
    every.turn()
    assert [row.name for row in every.rows] == ["old0"]


def test_thousands_of_experiments_hold_up_no_key() -> None:
    many = [replace(LINE, id=f"e{n}", name=f"rank{n}", asked_at=NOW - n) for n in range(5000)]
    every = Everything(many)
    began = time.process_time()
    for letter in range(1, 5):
        every.type("4711"[:letter])
    every.show(many)
    assert time.process_time() - began < 1.0
    assert [row.name for row in every.rows] == ["rank4711"]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_experiments_name_breaks_the_list(name: str) -> None:
    every = Everything([replace(LINE, name=name, dir=name, trouble=name)])
    assert plain(every.row(0, 80)).isprintable()
    assert cells.width(plain(every.row(0, 80))) <= 80


def test_the_time_of_day_goes_before_the_name_is_cut() -> None:
    name = "capitalization-sweep-long"
    view = experiment(TRAINING, name=name, asked_at=NOW - 8000, as_of=NOW - 3, estimates=Estimates(end=SOON))
    for room, shown in ((80, "  0:03 ago"), (110, "as of 0")):
        title = plain(Board(view).head(room, 24)[0])
        assert name in title
        assert shown in title
        assert cells.width(title) <= room


def test_one_long_name_leaves_room_for_what_is_said_of_the_others() -> None:
    long = job("rank99/capitalization_with_a_very_long_task_name/epoch0", Stage.SKIPPED, "SKIPPED")
    board = Board(experiment(BROKEN, long))
    said = next(plain(board.row(n, 80)) for n, row in enumerate(board.jobs.rows) if row == BROKEN)
    assert "missing_model: no" in said
