"""A daemon that is absent, foreign, of another version, or goes away."""

import json
import os
import socket
from pathlib import Path

import pytest

from client.conftest import Runexp
from fakes.daemon import HANG_UP, LIVE, FakeDaemon, experiment, report, seen, shown
from runexp.wire import events, framing, requests
from runexp.wire.states import Outcome, Phase

OPENED = events.PhaseOpened(phase=Phase.OPTIMIZATION)
CLOSED = events.PhaseClosed(phase=Phase.OPTIMIZATION, succeeded=1, total=1)
ENDED = events.ExperimentEnded(outcome=Outcome.SUCCEEDED)
OVER = experiment(outcome=Outcome.SUCCEEDED, seq=3)


def test_without_a_daemon_it_says_how_to_start_one(home: Path, runexp: Runexp) -> None:
    result = runexp("ls")
    assert (result.exit_code, result.stdout) == (7, "")
    what, hint = result.stderr.splitlines()
    assert what.startswith("error: ")
    assert hint.startswith("hint: ")
    assert f"RUNEXP_HOME={home} runexpd" in hint


def test_a_socket_that_nobody_listens_at_is_no_daemon(home: Path, runexp: Runexp) -> None:
    (home / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(home / "run" / "runexpd.sock"))
    assert runexp("ls").exit_code == 7


@pytest.mark.skipif(os.getuid() != 0, reason="giving a file away takes root")
def test_a_socket_of_another_user_is_not_spoken_to(daemon: FakeDaemon, runexp: Runexp) -> None:
    os.chown(daemon.path, 12345, 12345)
    result = runexp("ls")
    assert "another user" in result.stderr
    assert daemon.asked == []


@pytest.mark.parametrize(("theirs", "remedy"), [(0, "restart"), (99, "upgrade")])
def test_another_protocol_says_which_side_to_change(
    home: Path, runexp: Runexp, theirs: int, remedy: str
) -> None:
    with FakeDaemon(home, framing.Hello(theirs, "9.9.9")) as daemon:
        result = runexp("ls")
    assert result.exit_code == 1
    assert remedy in result.stderr
    assert "9.9.9" in result.stderr
    assert daemon.asked == []


def test_events_come_once_each_though_the_daemon_goes_away(daemon: FakeDaemon, runexp: Runexp) -> None:
    running = experiment(seq=1)
    daemon.answer(requests.Status, requests.StatusReply(experiment=running))
    daemon.follow(
        [seen(1, OPENED), LIVE, shown(running)],
        [seen(2, CLOSED), seen(3, ENDED), LIVE, shown(OVER)],
    )
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED))
    result = runexp("attach", "words", "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["seq"] for line in lines[:-1]] == [1, 2, 3]
    assert lines[-1]["type"] == "Report"
    assert [asked.after for asked in daemon.of(requests.Follow)] == [0, 1]


def test_a_view_that_runs_ahead_of_its_events_is_not_the_end(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answer(requests.Status, requests.StatusReply(experiment=experiment(seq=1)))
    daemon.follow([seen(1, OPENED), LIVE, shown(OVER), seen(2, CLOSED), seen(3, ENDED)])
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED))
    lines = runexp("attach", "words", "--json").stdout.splitlines()
    assert [json.loads(line).get("seq") for line in lines] == [1, 2, 3, None]


def test_a_daemon_that_hangs_up_without_an_answer_is_an_error(daemon: FakeDaemon, runexp: Runexp) -> None:
    daemon.answers[requests.Ls] = lambda _: [HANG_UP]
    result = runexp("ls")
    assert result.exit_code != 0
    assert result.stderr.startswith("error: ")


def test_what_is_no_daemon_at_all_is_an_error_in_a_line(home: Path, runexp: Runexp) -> None:
    with FakeDaemon(home) as other:
        other._hello = "not a hello"  # type: ignore[assignment]
        result = runexp("ls")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")


def test_a_path_that_is_no_socket_is_an_error_in_a_line(home: Path, runexp: Runexp) -> None:
    (home / "run").mkdir()
    (home / "run" / "runexpd.sock").touch()
    result = runexp("ls")
    assert result.exit_code in (1, 7)
    assert result.stderr.startswith("error: ")


def test_names_steer_no_terminal(daemon: FakeDaemon, runexp: Runexp) -> None:
    evil = experiment(name="evil\x1b]0;mine\x07\n\u202e", dir="/exp\x1b[2J")
    daemon.answer(requests.Status, requests.StatusReply(experiment=evil))
    said = runexp("status", "words").stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(said)
