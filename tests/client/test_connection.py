"""A daemon that is absent, foreign, of another version, or goes away."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from client.conftest import Runexp
from fakes.daemon import HANG_UP, LIVE, FakeDaemon, experiment, report, seen, shown
from runexp import connection, talk
from runexp.wire import events, framing, requests
from runexp.wire.refusals import Code, Refused
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
    assert f"RUNEXP_HOME={home} runexp daemon start" in hint


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


SILENT = requests.LsReply(experiments=())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "FIRST_WORD_SECONDS", 0.01)
    monkeypatch.setattr(talk, "EVERY_SECONDS", 0.02)


def answers_after(daemon: FakeDaemon, words: int) -> Callable[[float], None]:
    """The daemon answers `ls` once that many words were said about its silence, to what is returned here."""
    said, enough = [0], threading.Event()

    def waiting(seconds: float) -> None:
        said[0] += 1
        if said[0] == words:
            enough.set()

    daemon.answers[requests.Ls] = lambda _: [SILENT] if enough.wait(30) else [HANG_UP]
    return waiting


@pytest.mark.usefixtures("impatient")
def test_while_there_is_no_answer_that_is_said_again_and_again(daemon: FakeDaemon) -> None:
    assert connection.ask(requests.Ls(), requests.LsReply, answers_after(daemon, 3)) == SILENT


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_the_word_goes_to_a_person_and_the_answer_to_whoever_reads(
    daemon: FakeDaemon, options: tuple[str, ...]
) -> None:
    heard = threading.Event()
    daemon.answers[requests.Ls] = lambda _: [SILENT] if heard.wait(30) else [HANG_UP]
    script = "from runexp import talk; talk.FIRST_WORD_SECONDS = 0.01; from runexp.cli import main; main()"
    argv, pipe = [sys.executable, "-c", script, "ls", *options], subprocess.PIPE
    with subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == (
            "no answer from runexpd for 0 s; still waiting (Ctrl-C leaves, nothing stops)\n"
        )
        heard.set()
        answer, _ = process.communicate(timeout=30)
    assert "no answer" not in answer
    assert process.returncode == 0


def test_words_are_said_after_5_seconds_and_then_every_30(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    said: list[float] = []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    patience = talk.Patience(said.append)
    while now[0] < 191.0:
        now[0] += max(patience.look(), 0.25)
    assert said == [5.0, 30.0, 60.0, 90.0]


@pytest.mark.usefixtures("impatient")
def test_a_daemon_that_does_not_even_greet_is_given_up_where_one_can_do_without(home: Path) -> None:
    (home / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(str(home / "run" / "runexpd.sock"))
        deaf.listen()
        with pytest.raises(connection.NoDaemon, match="no answer"):
            connection.ask(requests.Ls(), requests.LsReply, connection.give_up)


@pytest.mark.usefixtures("impatient")
def test_so_is_one_whose_queue_is_full(home: Path) -> None:
    (home / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as deaf, socket.socket(socket.AF_UNIX) as first:
        deaf.bind(str(home / "run" / "runexpd.sock"))
        deaf.listen(0)
        first.connect(str(home / "run" / "runexpd.sock"))
        with pytest.raises(connection.NoDaemon, match="no answer"):
            connection.ask(requests.Ls(), requests.LsReply, connection.give_up)


@pytest.mark.usefixtures("impatient")
def test_one_that_has_answered_may_be_silent(daemon: FakeDaemon) -> None:
    said: list[float] = []
    daemon.answer(requests.Follow, LIVE)
    replies = connection.stream(requests.Follow(experiment="words", after=0), said.append)
    assert next(replies) == LIVE
    before = len(said)
    threading.Timer(0.2, daemon.stop).start()  # ten words' time
    assert list(replies) == []
    assert len(said) == before


@pytest.mark.usefixtures("impatient")
def test_a_login_that_hangs_says_so(daemon: FakeDaemon) -> None:
    said = threading.Event()
    done = requests.LoggedIn(cluster="della", status="connected")
    daemon.answers[requests.Login] = lambda _: [done] if said.wait(30) else [HANG_UP]
    assert connection.log_in("della", lambda _: None, lambda _: said.set()) == done


@pytest.mark.parametrize("is_there", [True, False], ids=["with a daemon", "without one"])
@pytest.mark.parametrize(
    "command",
    ["run -d", "plan", "attach", "status", "logs", "report", "cancel --yes", "retry -d", "doctor", "login"],
)
@pytest.mark.parametrize("name", ["\udcff\udcfe", "/exp/\udcff\udcfe"])
def test_what_is_not_utf8_is_wrong_usage_in_a_line(
    home: Path, runexp: Runexp, command: str, name: str, is_there: bool
) -> None:
    if is_there:
        with FakeDaemon(home) as daemon:
            result = runexp(*command.split(), name)
        assert daemon.asked == []
    else:
        result = runexp(*command.split(), name)
    assert (result.exit_code, result.stdout) == (2, "")
    what, hint = [line for line in result.stderr.splitlines() if not line.startswith("looking ")]
    assert what.startswith("error: not UTF-8")
    assert what.endswith("\\xff\\xfe")
    assert hint.startswith("hint: ")


def test_what_was_typed_at_a_prompt_is_not_shown_though_it_cannot_be_sent(daemon: FakeDaemon) -> None:
    asked = requests.Asked(title="", instructions="", questions=(requests.Question("Code: ", False),))
    daemon.answer(requests.Login, asked)
    with pytest.raises(connection.Unsendable) as raised:
        connection.log_in("della", lambda _: ["secret\udcff"])
    assert "secret" not in raised.value.what + raised.value.hint


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"Levitated"}',
        b"[]",
        b'{"type":"LsReply","experiments":7}',
        b'{"type":"LsReply","x":' + b"[" * 100_000,
        b'{"type":"Refused","code":"unknown","what":"\xff"}',
        b'{"type":"Refused","code":"unknown","what":"\\ud800"}',
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error_in_a_line(
    daemon: FakeDaemon, runexp: Runexp, line: bytes
) -> None:
    daemon.answers[requests.Ls] = lambda _: [msgspec.Raw(line)]  # type: ignore[list-item]
    result = runexp("ls")
    assert result.exit_code == 1
    what, hint = result.stderr.splitlines()
    assert what.startswith("error: an answer that can't be read")
    assert hint.startswith("hint: ")


def test_an_answer_that_was_cut_off_is_a_daemon_that_went_away(daemon: FakeDaemon, runexp: Runexp) -> None:
    def cut(asked: requests.Ls) -> list[requests.Reply]:
        daemon._clients[-1].sendall(b'{"type":"LsReply","exper')
        return [HANG_UP]

    daemon.answers[requests.Ls] = cut
    result = runexp("ls")
    assert result.exit_code == 7
    assert "went away" in result.stderr


def test_a_daemon_that_says_why_it_hangs_up_is_heard(home: Path, runexp: Runexp) -> None:
    (home / "run").mkdir()
    refused = Refused(code=Code.UNREACHABLE, what="all places are taken")

    def turn_away(listener: socket.socket) -> None:
        client, _ = listener.accept()
        with client:
            client.sendall(framing.pack(framing.Hello(framing.PROTOCOL, "0")) + framing.pack(refused))

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "run" / "runexpd.sock"))
        listener.listen()
        thread = threading.Thread(target=turn_away, args=(listener,))
        thread.start()
        result = runexp("ls")
        thread.join()
    assert result.stderr.startswith("error: all places are taken")


def test_an_argument_that_no_system_takes_is_an_error_in_a_line(daemon: FakeDaemon, runexp: Runexp) -> None:
    result = runexp("logs", "a" * 5000)
    assert result.exit_code == 1
    # From Python 3.14 on it is no path there, and the daemon's to refuse.
    assert result.stderr.startswith("error: ")
    assert "\nhint: " in result.stderr


def test_a_current_directory_that_is_gone_is_an_error_in_a_line(
    runexp: Runexp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    monkeypatch.setenv("RUNEXP_HOME", "here")
    (tmp_path / "gone").rmdir()
    result = runexp("ls")
    assert result.exit_code == 1
    assert result.stderr == "error: the current directory is gone\nhint: cd to one that is there\n"
