"""The live view, in a real pseudo-terminal: what is shown, how it is left, and that the terminal is put back."""

import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import ioctl
from pathlib import Path

import pytest

from fakes.daemon import LIVE, FakeDaemon, experiment, job, report, seen, shown
from runexp.wire import events, requests
from runexp.wire.jobs import Progress
from runexp.wire.states import Outcome, Phase, Stage
from runexp.wire.views import ExperimentView

WAIT_SECONDS = 15.0
OPENED = events.PhaseOpened(phase=Phase.OPTIMIZATION)
TRAINING = job("rank8", progress=Progress(epoch=0, epochs=2, done=31, total=124, loss=0.412))


class Screen:
    """`runexp` in a terminal of 100 x 30, and all that it wrote."""

    def __init__(self, argv: list[str]) -> None:
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execv(sys.executable, [sys.executable, "-c", "from runexp.cli import main; main()", *argv])
        ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(self.terminal)
        self.text = ""

    def read(self, seconds: float) -> bool:
        """More of it; False at its end."""
        if select.select([self.terminal], [], [], seconds)[0]:
            try:
                data = os.read(self.terminal, 65536)
            except OSError:
                return False
            self.text += data.decode(errors="replace")
            return bool(data)
        return True

    def until(self, words: str) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while words not in self.text:
            assert time.monotonic() < deadline, f"no {words!r} in {self.text!r}"
            assert self.read(0.1), f"ended without {words!r}: {self.text!r}"

    def press(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    def end(self) -> int:
        """Its exit code, or minus the signal that killed it. The terminal must be as it was."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            self.after = termios.tcgetattr(self.terminal)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            assert time.monotonic() < deadline, f"it goes on: {self.text!r}"
            self.read(0.05)
        while select.select([self.terminal], [], [], 0)[0] and self.read(0):
            pass
        return os.waitstatus_to_exitcode(status)


@contextmanager
def attached(daemon: FakeDaemon, view: ExperimentView, *argv: str) -> Iterator[Screen]:
    daemon.answer(requests.Status, requests.StatusReply(experiment=view))
    screen = Screen(["attach", "words", *argv])
    try:
        yield screen
    finally:
        if _alive(screen):
            os.kill(screen.pid, signal.SIGKILL)
            os.waitpid(screen.pid, 0)
        os.close(screen.terminal)


def _alive(screen: Screen) -> bool:
    try:
        return os.waitpid(screen.pid, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


@pytest.fixture
def running(daemon: FakeDaemon) -> FakeDaemon:
    daemon.follow([seen(1, OPENED), LIVE, shown(experiment(TRAINING, seq=1))])
    return daemon


def test_it_shows_jobs_progress_and_how_to_leave(running: FakeDaemon) -> None:
    with attached(running, experiment(TRAINING)) as screen:
        for words in ("words", "rank8", "RUNNING", "31/124", "detach"):
            screen.until(words)
        screen.press(b"d")
        assert screen.end() == 6


@pytest.mark.parametrize("key", [b"d", b"q", b"\x03"])
def test_leaving_says_how_to_come_back_and_puts_the_terminal_back(running: FakeDaemon, key: bytes) -> None:
    with attached(running, experiment(TRAINING)) as screen:
        screen.until("31/124")
        screen.press(key)
        assert screen.end() == 6
        assert "Come back: runexp attach words" in screen.text
        assert termios.tcgetattr(screen.terminal) == screen.before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_kill_puts_the_terminal_back(running: FakeDaemon, number: signal.Signals) -> None:
    with attached(running, experiment(TRAINING)) as screen:
        screen.until("31/124")
        os.kill(screen.pid, number)
        screen.end()
        assert termios.tcgetattr(screen.terminal) == screen.before
        assert screen.text.rindex("\x1b[?25h") > screen.text.rindex("\x1b[?25l")


def test_ctrl_z_gives_the_shell_its_terminal_and_comes_back(running: FakeDaemon) -> None:
    with attached(running, experiment(TRAINING)) as screen:
        screen.until("31/124")
        screen.press(b"\x1a")
        _, status = os.waitpid(screen.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status)
        assert termios.tcgetattr(screen.terminal) == screen.before
        os.kill(screen.pid, signal.SIGCONT)
        screen.text = ""
        screen.until("31/124")
        screen.press(b"d")
        assert screen.end() == 6


def test_names_that_differ_at_their_end_can_be_told_apart(daemon: FakeDaemon) -> None:
    cells = [job(f"rank{rank}/capitalization/epoch{epoch}") for rank in (4, 8) for epoch in (0, 1)]
    daemon.follow([LIVE, shown(experiment(*cells))])
    with attached(daemon, experiment(TRAINING)) as screen:
        for cell in cells:
            screen.until(cell.id)
        screen.press(b"d")
        assert screen.end() == 6


def test_leaving_works_while_the_daemon_is_away(running: FakeDaemon) -> None:
    with attached(running, experiment(TRAINING)) as screen:
        screen.until("31/124")
        running.stop()
        screen.until("went away")
        screen.press(b"\x03")
        assert screen.end() == 6
        assert "Come back: runexp attach words" in screen.text


def test_the_end_prints_the_report_and_exits_by_it(daemon: FakeDaemon) -> None:
    done = job("rank8", Stage.VERIFIED, "VERIFIED", ended_at=1009.0)
    daemon.follow([LIVE, shown(experiment(done, outcome=Outcome.SUCCEEDED, seq=0))])
    daemon.answer(requests.ReportAsk, report(Outcome.SUCCEEDED, done))
    with attached(daemon, experiment(TRAINING)) as screen:
        screen.until("1/1 runs completed successfully")
        assert screen.end() == 0
        assert termios.tcgetattr(screen.terminal) == screen.before


def test_more_jobs_than_lines_shows_the_failed_and_counts_the_rest(daemon: FakeDaemon) -> None:
    jobs = [job(f"done{n}", Stage.VERIFIED, "VERIFIED") for n in range(80)]
    broken = job("broken", Stage.FAILED, "FAILED", detail="no such model")
    daemon.follow([LIVE, shown(experiment(*jobs, broken))])
    with attached(daemon, experiment(TRAINING)) as screen:
        screen.until("broken")
        screen.until("done")
        screen.until("80")
        screen.press(b"d")
        assert screen.end() == 6


def test_a_resize_is_coped_with(running: FakeDaemon) -> None:
    with attached(running, experiment(TRAINING)) as screen:
        screen.until("31/124")
        for rows, columns in ((5, 20), (50, 200)):
            ioctl(screen.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
            screen.text = ""
            screen.until("words" if columns == 20 else "31/124")
        screen.press(b"d")
        assert screen.end() == 6


def test_plain_prints_a_line_an_event_on_a_terminal_too(running: FakeDaemon) -> None:
    with attached(running, experiment(TRAINING), "--plain") as screen:
        screen.until("optimization")
        screen.press(b"\x03")
        assert screen.end() == 6
        assert "31/124" not in screen.text


@pytest.fixture(autouse=True)
def _plain_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)
