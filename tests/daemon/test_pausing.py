"""One that ends by a fault right after its start, again and again, begins ever more seldom, and is never given up."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from runexp import paths
from runexpd import __main__ as program
from runexpd import daemon, pausing
from runexpd.api import activation
from runexpd.api import socket as api
from runexpd.experiments.problems import BadExperiment
from runexpd.settings import Settings


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    monkeypatch.setenv("RUNEXP_HOME", str(tmp_path / "home"))
    paths.socket().parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        monkeypatch.setenv("NOTIFY_SOCKET", listening.getsockname())
        yield listening


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited, each time; nobody ends it meanwhile."""
    waits: list[float] = []

    def waited(wait: float) -> bool:
        waits.append(wait)
        return True

    monkeypatch.setattr(pausing, "_waited", waited)
    return waits


def test_pauses_grow_and_stay_bounded(manager: socket.socket, waits: list[float]) -> None:
    assert all(pausing.pause() for _ in range(14))
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600, 600, 600], "the first four times at once"
    assert pausing.seconds(10**9) == 600
    assert b"ended 4 times" in manager.recv(1000)


def test_what_was_well_begins_at_once_the_next_time(manager: socket.socket, waits: list[float]) -> None:
    assert all(pausing.pause() for _ in range(5))
    pausing.well()
    pausing.well()
    assert all(pausing.pause() for _ in range(4))
    assert waits == [10]


def test_systemd_gives_it_the_time(manager: socket.socket, waits: list[float]) -> None:
    (paths.socket().parent / "ends").write_text("7")
    assert pausing.pause()
    assert f"EXTEND_TIMEOUT_USEC={(80 + 90) * 10**6}" in manager.recv(1000).decode()
    assert manager.recv(1000) == b"STATUS="


def test_without_systemd_nothing_is_counted(
    manager: socket.socket, waits: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET")
    assert all(pausing.pause() for _ in range(9))
    assert (waits, os.listdir(paths.socket().parent)) == ([], [])


@pytest.mark.parametrize("kept", ["", "many", "-3"])
def test_what_can_not_be_read_counts_for_nothing(
    manager: socket.socket, waits: list[float], kept: str
) -> None:
    (paths.socket().parent / "ends").write_text(kept)
    assert pausing.pause()
    assert waits == []


def test_whoever_ends_it_meanwhile_has_it_begin_at_once(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal comes while somebody who waits is turned away."""
    monkeypatch.setattr(activation, "turn_away", lambda: os.kill(os.getpid(), signal.SIGTERM))
    (paths.socket().parent / "ends").write_text("99")
    before = signal.getsignal(signal.SIGTERM)
    assert not pausing.pause()
    assert signal.getsignal(signal.SIGTERM) == before
    monkeypatch.setattr(api, "raise_descriptor_limit", lambda: None)
    assert program._served() == 0
    assert not (paths.socket().parent / "ends").exists()


def test_the_pause_ends_by_itself(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pausing, "FIRST_SECONDS", 0.01)
    (paths.socket().parent / "ends").write_text("4")
    assert pausing.pause()


@pytest.mark.parametrize(
    ("error", "code", "kept"), [(RuntimeError("ours"), 1, "1"), (BadExperiment("no key", "x", "y"), 78, None)]
)
def test_a_fault_counts_and_what_a_person_mends_does_not(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, kept: str | None
) -> None:
    async def run(settings: Settings) -> bool:
        raise error

    monkeypatch.setattr(api, "raise_descriptor_limit", lambda: None)
    monkeypatch.setattr(daemon, "run", run)
    ends = paths.socket().parent / "ends"
    assert program._served() == code
    assert (ends.read_text() if ends.exists() else None) == kept
