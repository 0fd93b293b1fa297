"""What a person is told to type for the daemon's sake: what runs it is what is named, and what is named works."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from client.conftest import Runexp
from fakes.daemon import FakeDaemon
from runexp import paths, tending
from runexp.wire import framing

#: As a runexpd of any version does: the ledger's lock is held, and has its holder's number.
HOLDER = """
import fcntl, os, signal, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print(os.getpid(), file=lock, flush=True)
print(flush=True)
signal.pause()
"""


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home and session, with a systemd and no units."""
    monkeypatch.delenv("RUNEXP_HOME", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(paths, "SESSIONS", tmp_path / "user")
    (tmp_path / "user" / str(os.getuid()) / "systemd").mkdir(parents=True)
    return tmp_path


def test_without_a_unit_it_is_runexp_itself(session: Path) -> None:
    assert tending.start() == "start it: runexp daemon start; or, for good: runexpd install-service"
    assert tending.restart() == "restart it: runexp daemon restart"
    assert f"{session}/state/runexp/runexpd.log" in tending.why()


def test_where_systemd_runs_it_nobody_starts_another_beside_it(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tending.units().mkdir(parents=True)
    (tending.units() / "runexpd.service").touch()
    said = " ".join((tending.start(), tending.restart(), tending.why()))
    assert "runexp daemon" not in said
    assert "start it: runexpd install-service" in said
    assert "restart it: systemctl --user restart runexpd" in said
    monkeypatch.setenv("RUNEXP_HOME", str(session / "a home"))
    assert tending.start() == f"start it: RUNEXP_HOME='{session}/a home' runexp daemon start"
    monkeypatch.delenv("RUNEXP_HOME")
    (session / "user" / str(os.getuid()) / "systemd").rmdir()
    assert "runexp daemon start" in tending.start(), "its units are there, as in a container, and no systemd"


@pytest.fixture
def other(home: Path) -> Iterator[subprocess.Popen[str]]:
    """A daemon that speaks as ours did once."""
    (home / "state").mkdir()
    argv = [sys.executable, "-c", HOLDER, str(home / "state" / "ledger.lock")]
    with (
        FakeDaemon(home, framing.Hello(framing.PROTOCOL - 1, "0.1.0")),
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_daemon_of_another_version_can_be_stopped(other: subprocess.Popen[str], runexp: Runexp) -> None:
    assert "runexp daemon restart" in runexp("ls").stderr
    done = runexp("daemon", "stop")
    assert done.exit_code == 0, done.stderr
    assert str(other.pid) in done.stdout
    assert other.wait(30) == -15


def test_whose_number_it_is_must_still_hold(other: subprocess.Popen[str], runexp: Runexp) -> None:
    other.kill()
    other.wait(30)
    done = runexp("daemon", "stop")
    assert done.exit_code == 1
    assert "protocol" in done.stderr


@pytest.mark.parametrize(
    "word", ["a", "a b", "it's", "a\nb", "\x1b[31m'\\1", "\udcff", "é\u202e", "$(id)`id`"]
)
def test_whatever_a_path_holds_it_can_be_typed_as_it_is_told(word: str) -> None:
    told = tending.typed(word)
    assert told.isprintable()
    argv = ["bash", "-c", f"printf %s {told}"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == os.fsencode(word)
