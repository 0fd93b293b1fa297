"""The command as a process: signals, pipes, full disks."""

import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable

import pytest

from fakes.daemon import FakeDaemon
from runexp.wire import requests, views
from runexp.wire.states import Outcome, PhaseState

WAIT_SECONDS = 15.0
LINE = views.ExperimentLine(
    id="e1",
    name="words",
    cluster="della",
    dir="/scratch/gpfs/me/experiments/words",
    outcome=Outcome.SUCCEEDED,
    optimization=PhaseState.CLOSED,
    evaluation=PhaseState.CLOSED,
    asked_at=1000.0,
    ended_at=1100.0,
    counts={"VERIFIED": 25},
)
RUNEXP = [sys.executable, "-c", "from runexp.cli import main; main()"]


def _started(*argv: str, **options: int) -> subprocess.Popen[str]:
    return subprocess.Popen([*RUNEXP, *argv], text=True, stderr=subprocess.PIPE, **options)  # type: ignore[call-overload,no-any-return]


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("command", [("logs", "-f", "words"), ("ls",)])
def test_ctrl_c_exits_130_and_says_no_more(daemon: FakeDaemon, command: tuple[str, ...]) -> None:
    for request in (requests.Logs, requests.Ls):
        daemon.stay_silent(request)
    process = _started(*command)
    _until(lambda: daemon.asked)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 130
    assert errors.strip() == ""


def test_a_reader_that_has_enough_is_no_error(daemon: FakeDaemon) -> None:
    chunk = requests.Chunk(text="a line\n" * 10_000)
    daemon.answer(requests.Logs, *[chunk] * 20, requests.LogsEnd(path="/x"))
    reader, writer = os.pipe()
    process = _started("logs", "words", stdout=writer)
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert errors == ""


@pytest.mark.parametrize(("count", "shown"), [(5, 6), (5000, 3)])
def test_in_a_terminal_what_is_longer_than_its_screen_is_paged(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch, count: int, shown: int
) -> None:
    monkeypatch.setenv("PAGER", "head -n 3")
    daemon.answer(requests.Ls, requests.LsReply(experiments=(LINE,) * count))
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    process = _started("ls", stdin=slave, stdout=slave)
    assert process.wait(WAIT_SECONDS) == 0
    assert os.read(master, 65536).count(b"\r\n") == shown
    assert process.communicate()[1] == ""
    for end in (master, slave):
        os.close(end)


def test_into_a_pipe_all_of_it_goes_at_once(daemon: FakeDaemon) -> None:
    daemon.answer(requests.Ls, requests.LsReply(experiments=(LINE,) * 5000))
    process = _started("ls", stdout=subprocess.PIPE)
    assert process.communicate(timeout=WAIT_SECONDS)[0].count("\n") == 5001


def test_a_full_disk_is_an_error_in_a_line(daemon: FakeDaemon) -> None:
    daemon.answer(requests.Ls, requests.LsReply(experiments=()))
    with open("/dev/full", "w") as full:
        process = _started("ls", stdout=full.fileno())
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert errors.startswith("error: ")
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("program", "words"),
    [("runexp.cli", ("--help",)), ("runexp.cli", ("run", "--help")), ("runexpd.__main__", ("--help",))],
)
def test_a_full_disk_is_told_in_a_line_whatever_is_written(program: str, words: tuple[str, ...]) -> None:
    begun = [sys.executable, "-c", f"from {program} import main; main()", *words]
    with open("/dev/full", "w") as full:
        done = subprocess.run(begun, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr.startswith("error: No space left on device")
    assert "Traceback" not in done.stderr
    assert done.returncode == 1
