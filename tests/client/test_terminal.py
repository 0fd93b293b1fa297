"""The live view in a real (pseudo) terminal: what it shows, how one leaves, and that the terminal is put back."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import BIN, Home, wait_for


class Terminal:
    """`runexp` in a terminal of its own."""

    def __init__(self, home: Home, *args: str) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (40, 120))
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [BIN / "runexp", *args],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**home.environment, "TERM": "xterm-256color", "COLUMNS": "120"},
            start_new_session=True,
        )
        self.seen = ""

    def read(self, seconds: float = 0.05) -> str:
        """All that has been shown so far."""
        while select.select([self.master], [], [], seconds)[0]:
            with suppress(OSError):
                self.seen += os.read(self.master, 65536).decode(errors="replace")
        return self.seen

    def until(self, text: str) -> None:
        wait_for(lambda: text in self.read(), f"{text!r} is shown", 20)

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def exit_code(self) -> int:
        deadline = time.monotonic() + 20
        while self.process.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read()
        code = self.process.wait(1)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal was not put back"
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    home.start()
    yield home
    home.stop()


@pytest.fixture
def running(home: Home, tmp_path: Path) -> Iterator[Path]:
    dir = build(tmp_path / "exp", Run("rank4", seconds=30), Run("rank8", seconds=30))
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    yield dir
    home.runexp("cancel", "words", "--yes")
    wait_for(lambda: home.outcome("words") is not None, "it ends")


@pytest.mark.parametrize("key", ["d", "q"])
def test_a_key_detaches_and_says_how_to_come_back(home: Home, running: Path, key: str) -> None:
    terminal = Terminal(home, "attach", "words")
    terminal.until("RUNNING")
    terminal.until("waits for the barrier")
    terminal.press(key)
    assert terminal.exit_code() == 6
    assert "Come back: runexp attach words" in terminal.seen
    terminal.close()
    assert home.outcome("words") is None


def test_control_c_detaches_too(home: Home, running: Path) -> None:
    terminal = Terminal(home, "attach", "words")
    terminal.until("RUNNING")
    os.kill(terminal.process.pid, 2)
    assert terminal.exit_code() == 6
    assert "Come back" in terminal.seen
    terminal.close()


def test_progress_is_shown_while_it_is_made(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "exp", Run("rank4", seconds=4))
    terminal = Terminal(home, "run", str(dir))
    terminal.until("loss")
    assert terminal.exit_code() == 0
    terminal.close()


def test_at_the_end_the_report_is_printed_with_its_exit_code(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "exp", Run("rank4"), Run("rank8", fate="bad_config"))
    terminal = Terminal(home, "run", str(dir))
    assert terminal.exit_code() == 3
    assert "RUN EXPERIMENT COMPLETE, IN PART" in terminal.seen
    terminal.close()


def test_a_daemon_that_comes_back_is_followed_again(home: Home, running: Path) -> None:
    terminal = Terminal(home, "attach", "words")
    terminal.until("RUNNING")
    home.kill()
    terminal.until("the daemon went away")
    home.start()
    terminal.press("x")
    home.runexp("cancel", "words", "--yes")
    assert terminal.exit_code() == 5
    terminal.close()
