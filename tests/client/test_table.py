"""What commands print: aligned in cells, in the tones of the palette where a terminal is to have colours."""

import os
import pty
import subprocess
import sys

import pytest

from fakes.daemon import FakeDaemon, experiment, job
from runexp.ui import cells, dressing, rows, table
from runexp.ui.palette import Span, plain
from runexp.wire import requests
from runexp.wire.metrics import Concern, Estimate, Estimates, Health
from runexp.wire.states import Stage

SOON = Estimate(earliest_at=3e9, likely_at=3e9, latest_at=3e9)


def test_wide_characters_are_as_wide_as_they_are() -> None:
    lines = [plain(line) for line in table.aligned([("日本語", "x"), ("rank8", "x"), ("e\u0301", "x")])]
    assert {cells.width(line) for line in lines} == {9}


def test_nothing_stands_after_the_last_cell() -> None:
    lines = [plain(line) for line in table.aligned([("a", "", ""), ("bb", "c", "")], indent="  ")]
    assert lines == ["  a", "  bb  c"]


def test_a_cell_keeps_its_tone_and_is_one_line() -> None:
    (line,) = table.aligned([(Span("two\nlines", "bad"), "\x1b[2Jx")])
    assert line == (Span("two lines", "bad"), Span("  "), Span("x"))


def test_status_says_when_it_ends_and_what_is_wrong() -> None:
    ill = Health(concern=Concern.STALLED, since_at=1.0, what="no new step for 6 min")
    view = experiment(job("rank8", health=(ill,)), estimates=Estimates(optimization=SOON, end=SOON))
    said = "\n".join(map(plain, rows.experiment(view)))
    assert "likely to end 2065-01-24" in said
    assert "! no new step for 6 min" in said


def test_in_the_report_what_failed_stands_out() -> None:
    text = "RUN EXPERIMENT FAILED\n\n✗ 1/2 runs\nFailed runs:\n- rank4: gone\n\nScores:\n\n| a |\n- base"
    tones = {line[0].text: line[0].tone for line in dressing.report(text)}
    assert tones["✗ 1/2 runs"] == tones["- rank4: gone"] == "bad"
    assert tones["RUN EXPERIMENT FAILED"] == "strong"
    assert tones["| a |"] == tones["- base"] == ""


@pytest.mark.parametrize(
    ("environment", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_gets_colours_unless_it_wants_none(
    daemon: FakeDaemon, environment: dict[str, str], is_coloured: bool
) -> None:
    broken = job("rank4", Stage.FAILED, "FAILED", detail="no such model")
    daemon.answer(requests.Status, requests.StatusReply(experiment=experiment(broken)))
    master, slave = pty.openpty()
    command = [sys.executable, "-c", "from runexp.cli import main; main()", "status", "words"]
    subprocess.run(
        command, stdout=slave, env={**os.environ, "TERM": "xterm-256color", **environment}, check=True
    )
    said = os.read(master, 65536).decode()
    assert ("\x1b[" in said) is is_coloured
    assert "FAILED" in said
    for end in (master, slave):
        os.close(end)
