"""The live view in a real (pseudo) terminal: what it shows, how one leaves, and that the terminal is put back."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import Home, wait_for
from fakes.terminal import Terminal

#: They share a daemon, and an experiment that goes on until the last of them cancels it.
pytestmark = [pytest.mark.xdist_group("terminal"), pytest.mark.long]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("terminal") / "home")
    home.start()
    yield home
    home.stop()


@pytest.fixture(scope="module")
def running(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its name."""
    runs = Run("rank4", seconds=300), Run("rank8", seconds=300)
    dir = build(tmp_path_factory.mktemp("terminal") / "exp", *runs, name="going")
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    yield "going"
    home.runexp("cancel", "going", "--yes")
    wait_for(lambda: home.outcome("going") is not None, "it ends")


@pytest.mark.parametrize("key", ["d", "q"])
def test_a_key_detaches_and_says_how_to_come_back(home: Home, running: str, key: str) -> None:
    terminal = Terminal(home, "attach", running)
    terminal.until("RUNNING")
    terminal.until("waits for the barrier")
    terminal.press(key)
    assert terminal.exit_code() == 6
    assert f"Come back: runexp attach {running}" in terminal.seen
    terminal.close()
    assert home.outcome(running) is None


def test_control_c_detaches_too(home: Home, running: str) -> None:
    terminal = Terminal(home, "attach", running)
    terminal.until("RUNNING")
    os.kill(terminal.process.pid, 2)
    assert terminal.exit_code() == 6
    assert "Come back" in terminal.seen
    terminal.close()


#: As where the terminal takes no more: the event loop waits for a lock that nobody opens.
STUCK = """
import threading
from textual.screen import Screen
from runexp.screen import app, leaving

class Stuck(Screen):
    def on_mount(self):
        self.app._driver.write("it waits")
        threading.Event().wait()

leaving._SECONDS = 0.5
app._shown(lambda full: Stuck())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_it_whatever_it_waits_for(home: Home, number: int) -> None:
    terminal = Terminal(home, "-c", STUCK, program="python")
    terminal.until("it waits")
    os.kill(terminal.process.pid, number)
    assert terminal.exit_code() == 128 + number
    terminal.close()


@pytest.mark.parametrize("controls", [True, False])
def test_it_never_outlives_its_terminal(home: Home, running: str, controls: bool) -> None:
    """Whether a signal tells it or not, and whatever it waits for."""
    for args, program, seen in (
        (("attach", running), "runexp", "RUNNING"),
        (("-c", STUCK), "python", "it waits"),
    ):
        terminal = Terminal(home, *args, program=program, controls=controls)
        terminal.until(seen)
        terminal.hang_up()
        assert terminal.process.wait(20) == 128 + signal.SIGHUP
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


def test_a_daemon_that_comes_back_is_followed_again(home: Home, running: str) -> None:
    terminal = Terminal(home, "attach", running)
    terminal.until("RUNNING")
    home.kill()
    terminal.until("the daemon went away")
    home.start()
    terminal.press("x")
    home.runexp("cancel", running, "--yes")
    assert terminal.exit_code() == 5
    terminal.close()
