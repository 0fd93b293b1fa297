"""From Python: the calls, their objects, both faces; what is cancelled or late ends."""

import subprocess
import sys
from pathlib import Path

import anyio
import pytest

import runexp
from fakes.daemon import LIVE, FakeDaemon, experiment, job, report, seen, shown
from runexp import aio, connection, tables
from runexp.wire import events, requests
from runexp.wire.jobs import RunSpec, Score
from runexp.wire.metrics import Curves, Series
from runexp.wire.refusals import Code, Refused
from runexp.wire.states import Outcome, Stage

TRAINS = experiment(job("rank8"))
DONE = job(
    "rank8/words/epoch0",
    Stage.VERIFIED,
    "VERIFIED",
    epoch=0,
    scores=(Score("match", "accuracy", 0.9, 100), Score("match", "stderr", 0.03)),
)
ENDED = experiment(DONE, outcome=Outcome.SUCCEEDED, seq=3)
END = events.ExperimentEnded(outcome=Outcome.SUCCEEDED)


@pytest.fixture
def known(daemon: FakeDaemon) -> FakeDaemon:
    info = requests.InfoReply(
        version="1", pid=1, started_at=1.0, ledger="l", config="c", clusters=("local",), tools=()
    )
    daemon.answer(requests.Info, info)
    daemon.answer(requests.Status, requests.StatusReply(experiment=TRAINS))
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, DONE))
    daemon.follow([LIVE, shown(TRAINS), seen(3, END), shown(ENDED)])
    return daemon


def test_an_experiment_is_waited_for_and_its_scores_are_rows(known: FakeDaemon) -> None:
    words = runexp.connect().experiment("words")
    assert words.wait().outcome is Outcome.SUCCEEDED
    (row,) = words.scores()
    assert (row.run, row.epoch, row.value, row.stderr, row.samples) == ("rank8", 0, 0.9, 0.03, 100)


def test_rows_are_data_frames_where_there_is_a_library_for_them(known: FakeDaemon) -> None:
    frame = runexp.connect().experiment("words").scores().pandas()
    assert list(frame["value"]) == [0.9]
    row = tables.ScoreRow(
        job="a",
        run="a",
        task="t",
        epoch=None,
        score="s",
        metric="m",
        value=1.0,
        parameters={"lr": 0.1, "run": 7},
    )
    assert tables.Rows([row]).dicts()[0]["lr"] == 0.1
    assert tables.Rows([row]).dicts()[0]["run"] == "a"


def test_where_a_library_is_missing_it_is_said(known: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError):
        tables.Rows([]).frame()


def test_metrics_are_a_row_a_step(known: FakeDaemon) -> None:
    series = Series(job="rank8", name="loss", steps=(1, 2), seconds=(0.5, 1.0), values=(3.0, None))
    known.answer(requests.Metrics, Curves(experiment="e1", name="words", series=(series,)))
    rows = runexp.connect().experiment("words").metrics("loss", points=0)
    assert [(row.step, row.value) for row in rows] == [(1, 3.0), (2, None)]
    assert known.of(requests.Metrics)[0].names == ("loss",)


def test_events_are_followed_to_the_end_and_one_that_is_not_known_is_named(known: FakeDaemon) -> None:
    words = runexp.connect().experiment("words")
    assert [(each.seq, each.kind) for each in words.follow()] == [(3, "ExperimentEnded")]


def test_what_is_late_is_a_timeout_and_stops_nothing(known: FakeDaemon) -> None:
    known.follow([LIVE, shown(TRAINS)])
    with pytest.raises(TimeoutError):
        runexp.connect().experiment("words").wait(timeout_seconds=0.2)
    assert not known.of(requests.Cancel)


def test_a_refusal_has_the_daemons_words(known: FakeDaemon) -> None:
    known.answer(requests.Status, Refused(code=Code.UNKNOWN, what="no experiment is called x"))
    with pytest.raises(connection.Refusal, match="no experiment is called x"):
        runexp.connect().experiment("x")


def test_without_a_daemon_that_is_said_at_once(home: Path) -> None:
    with pytest.raises(connection.NoDaemon):
        runexp.connect()


async def test_the_asynchronous_face_does_the_same(known: FakeDaemon) -> None:
    words = await (await aio.connect()).experiment("words")
    assert [each.kind async for each in words.follow()] == ["ExperimentEnded"]
    known.follow([LIVE, shown(TRAINS), seen(3, END), shown(ENDED)])
    assert (await words.wait()).outcome is Outcome.SUCCEEDED
    assert [row.value for row in await words.scores()] == [0.9]


async def test_a_wait_that_is_cancelled_hangs_up(known: FakeDaemon) -> None:
    known.follow([LIVE, shown(TRAINS)])
    words = await (await aio.connect()).experiment("words")
    with anyio.move_on_after(0.2) as scope:
        await words.wait()
    assert scope.cancelled_caught


def test_runs_are_told_with_what_was_chosen_for_them() -> None:
    from msgspec.structs import replace

    summary = replace(report(None, DONE), runs=(RunSpec("rank8", "fine-tuned", None, {"lr": 0.1}),))
    assert tables.scores(summary).dicts()[0]["lr"] == 0.1


def test_importing_it_is_thin_until_something_is_asked_for() -> None:
    code = "import sys, runexp; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "runexp.library" not in loaded.split()
    with pytest.raises(AttributeError):
        _ = runexp.nonsense
