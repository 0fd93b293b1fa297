"""The full screen in a real terminal (tmux), of three sizes, against a real daemon."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build, executions, write_run
from fakes.home import BIN, Home, wait_for
from runexp.ui import cells

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="there is no tmux: apt-get install tmux")
SIZES = [(80, 24), (60, 15), (200, 50)]


class Tmux:
    """A terminal in a server of its own."""

    def __init__(self, home: Home, dir: Path, size: tuple[int, int]) -> None:
        self.size = size
        self._socket = dir / "tmux"
        self._environment = {**home.environment, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        for name in ("COLUMNS", "LINES", "TMUX"):
            self._environment.pop(name, None)
        width, height = map(str, size)
        self._run("-f", os.devnull, "new-session", "-d", "-x", width, "-y", height, "bash --norc")

    def _run(self, *args: str) -> str:
        command = ["tmux", "-S", str(self._socket), *args]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=True)
        return done.stdout

    def type(self, *keys: str) -> None:
        self._run("send-keys", *keys)

    def shown(self) -> list[str]:
        return self._run("capture-pane", "-p").splitlines()

    def until(self, words: str) -> list[str]:
        try:
            wait_for(lambda: any(words in line for line in self.shown()), f"{words!r} is shown", 20)
        except AssertionError as error:
            raise AssertionError("\n".join([str(error), *self.shown()])) from None
        return self.shown()

    def end(self) -> None:
        self._run("kill-server")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


@pytest.fixture
def words(home: Home, tmp_path: Path) -> Iterator[Path]:
    long = Run("rank8_a_name_that_is_far_too_long_for_any_terminal_seed0", seconds=60)
    dir = build(tmp_path / "exp", Run("rank4", fate="bad_config"), Run("rank16", seconds=60), long)
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    wait_for(lambda: home.states("words")["rank4"] == "FAILED", "one fails")
    yield dir
    home.runexp("cancel", "words", "--yes")
    wait_for(lambda: home.outcome("words") is not None, "it ends")


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_a_day_at_the_terminal(home: Home, words: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    terminal = Tmux(home, tmp_path, size)
    try:
        terminal.type(f"{shlex.quote(str(BIN / 'runexp'))} attach; echo code $?", "Enter")
        terminal.until("1 running, 0 ended")
        terminal.type("Enter")
        screen = terminal.until("RUNNING")
        assert len(screen) == size[1]
        assert all(cells.width(line) <= size[0] for line in screen)
        failed = next(place for place, line in enumerate(screen) if "FAILED" in line)
        running = next(place for place, line in enumerate(screen) if "RUNNING" in line)
        assert failed < running, "what failed is on top"
        assert any("_seed0" in line for line in screen), "a name keeps its end"
        terminal.type("/", "rank16", "Enter")
        terminal.until("of 6 jobs" if size[0] > 60 else "rank16")
        terminal.type("Escape")
        terminal.until("rank4")  # Escape and a key at once are another key
        terminal.type("Home", "Down", "3")
        terminal.until("bad_config")
        terminal.type("?")
        terminal.until("detach; the jobs go on")
        terminal.type("x")
        terminal.until("d detach")
        terminal.type("d")
        terminal.until("Come back: runexp attach")
        terminal.until("code 0")
        assert home.outcome("words") is None
    finally:
        terminal.end()


@pytest.fixture
def undecided(home: Home, tmp_path: Path) -> Path:
    """One run failed, and one was finished by hand, without logs: nobody can tell whether it made all its steps."""
    dir = build(tmp_path / "exp", Run("rank4", fate="bad_config"), Run("rank16", fate="silent"))
    by_hand = ["bash", "-c", "mkdir -p artifacts; SLURM_JOB_ID=by-hand bash finetune.slurm"]
    subprocess.run(by_hand, cwd=dir / "rank16", check=True, timeout=20)
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    wait_for(lambda: home.states("words")["rank4"] == "FAILED", "one fails")
    return dir


def chosen(terminal: Tmux, typed: str, key: str) -> list[str]:
    """What stands on the screen once a key is pressed on the one job that these words leave."""
    terminal.type("/", typed, "Enter", "End", key)
    return terminal.until("any other key")


@pytest.mark.long
def test_what_failed_is_retried_and_what_is_unclear_accepted(
    home: Home, undecided: Path, tmp_path: Path
) -> None:
    write_run(undecided, Run("rank4"))
    terminal = Tmux(home, tmp_path, (80, 24))
    try:
        terminal.type(f"{shlex.quote(str(BIN / 'runexp'))} attach words; echo code $?", "Enter")
        terminal.until("UNCLEAR")
        assert any("Retry" in line for line in chosen(terminal, "rank4 failed", "r"))
        terminal.type("n")
        terminal.until("d detach")
        assert executions(undecided).count("rank4") == 1, "no is no"
        terminal.type("r")
        terminal.until("any other key")
        terminal.type("y")
        wait_for(lambda: home.states("words")["rank4"] == "VERIFIED", "it runs, mended")
        assert executions(undecided).count("rank4") == 2
        terminal.type("Escape")
        terminal.until("UNCLEAR")
        assert any("Accept" in line for line in chosen(terminal, "rank16 whole", "a"))
        terminal.type("y")
        terminal.until("code 0")
        assert home.outcome("words") == "succeeded"
        assert executions(undecided).count("rank16") == 1, "taken as it is"
    finally:
        terminal.end()


@pytest.mark.long
def test_what_is_made_anew_runs_again_with_its_evaluation(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "exp", Run("rank8"), Run("rank4", seconds=60))
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    wait_for(lambda: home.states("words")["rank8"] == "VERIFIED", "one is whole")
    terminal = Tmux(home, tmp_path, (60, 15))
    try:
        terminal.type(f"{shlex.quote(str(BIN / 'runexp'))} attach words; echo code $?", "Enter")
        terminal.until("RUNNING")
        assert any("Rerun" in line for line in chosen(terminal, "rank8 verified", "R"))
        assert executions(dir).count("rank8") == 1, "it asks first"
        terminal.type("y")
        wait_for(lambda: executions(dir).count("rank8") == 2, "it runs anew")
        wait_for(lambda: home.states("words")["rank8"] == "VERIFIED", "it is whole again")
    finally:
        terminal.end()
        home.runexp("cancel", "words", "--yes")
        wait_for(lambda: home.outcome("words") is not None, "it ends")


def test_what_is_cancelled_is_cancelled(home: Home, words: Path, tmp_path: Path) -> None:
    terminal = Tmux(home, tmp_path, (80, 24))
    try:
        terminal.type(f"{shlex.quote(str(BIN / 'runexp'))} attach words; echo code $?", "Enter")
        terminal.until("RUNNING")
        terminal.type("/", "rank16 running", "Enter", "End", "c")
        terminal.until("any other key")
        terminal.type("y")
        wait_for(lambda: home.states("words")["rank16"] == "CANCELLED", "it is cancelled")
        terminal.type("Escape")
        terminal.until("rank4")
        terminal.type("q")
        terminal.until("Come back: runexp attach words")
    finally:
        terminal.end()
