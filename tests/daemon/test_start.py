"""Whatever ends the daemon at its start is a line for a person; a fault of ours keeps its traceback."""

import errno
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runexpd import daemon, stopping
from runexpd.__main__ import EX_CONFIG, main
from runexpd.api import socket as api
from runexpd.settings import Settings

LIMIT_SECONDS = 50
CLUSTER = "clusters: {far: {host: far.example.org}}\n"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("RUNEXP_HOME", str(home))
    monkeypatch.setattr(stopping, "leave", sys.exit)
    monkeypatch.setattr(api, "raise_descriptor_limit", lambda: None)
    return home


def started(*argv: str) -> Result:
    return CliRunner().invoke(main, ["--log-level=WARNING", *argv])


def process() -> tuple[int, str]:
    """The exit code of a daemon of its own, and what it said."""
    argv = [sys.executable, "-m", "runexpd", "--log-level=WARNING"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    assert ended.stdout == ""
    return ended.returncode, ended.stderr


def error_of(ended: Result) -> str:
    """The one line, with one that says what to do."""
    assert ended.exit_code in (1, EX_CONFIG)
    assert ended.stdout == ""
    return line_of(ended.stderr)


def line_of(said: str) -> str:
    what, hint = said.splitlines()
    assert what.startswith("error: ")
    assert hint.startswith("hint: ")
    return what


def file_for_home(home: Path) -> None:
    home.rmdir()
    home.touch()


def file_for_state(home: Path) -> None:
    (home / "state").touch()


def open_to_others(home: Path) -> None:
    home.chmod(0o777)


def read_only(home: Path) -> None:
    home.chmod(0o500)


def file_for_ledger(home: Path) -> None:
    (home / "state").mkdir()
    (home / "state" / "ledger.sqlite").write_text(
        "not a ledger, but a text that is long enough to be one\n" * 99
    )


def directory_for_ledger(home: Path) -> None:
    (home / "state" / "ledger.sqlite").mkdir(parents=True)


def directory_for_lock(home: Path) -> None:
    (home / "state" / "ledger.lock").mkdir(parents=True)


def file_for_socket(home: Path) -> None:
    (home / "run").mkdir()
    (home / "run" / "runexpd.sock").touch()


def bad_config(home: Path) -> None:
    (home / "config.yaml").write_text("local: {max_runing: 3}")


def directory_for_config(home: Path) -> None:
    (home / "config.yaml").unlink(missing_ok=True)
    (home / "config.yaml").mkdir()


LAID = [
    file_for_home,
    file_for_state,
    open_to_others,
    read_only,
    file_for_ledger,
    directory_for_ledger,
    directory_for_lock,
]


@pytest.mark.parametrize("config", ["", CLUSTER], ids=["alone", "with a cluster"])
@pytest.mark.parametrize("lay", LAID)
def test_what_is_in_the_way_is_told_in_a_line(home: Path, lay: Callable[[Path], None], config: str) -> None:
    (home / "config.yaml").write_text(config)
    if lay is file_for_home:
        (home / "config.yaml").unlink()
    lay(home)
    error_of(started())


@pytest.mark.parametrize("lay", [bad_config, directory_for_config])
@pytest.mark.parametrize("option", ["--check", "--log-level=INFO"])
def test_so_is_a_configuration_that_cannot_be_used(
    home: Path, lay: Callable[[Path], None], option: str
) -> None:
    lay(home)
    ended = started(option)
    assert ended.exit_code == EX_CONFIG
    assert ended.stderr.startswith("error: ")
    assert "Traceback" not in ended.stderr
    assert str(home / "config.yaml") in ended.stderr


@pytest.mark.parametrize("config", ["", CLUSTER], ids=["alone", "with a cluster"])
def test_so_is_a_file_where_the_socket_belongs(home: Path, config: str) -> None:
    (home / "config.yaml").write_text(config)
    file_for_socket(home)
    code, said = process()
    assert code == 1
    assert "is no socket" in line_of(said)


def test_so_is_the_socket_of_another_daemon(home: Path) -> None:
    (home / "run").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(home / "run" / "runexpd.sock"))
        other.listen()
        code, said = process()
    assert code == 1
    assert "another daemon answers" in line_of(said)


@pytest.fixture
def met(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], Result]:
    """A daemon that meets this while it starts."""

    def start(error: Exception) -> Result:
        async def run(settings: Settings) -> None:
            raise error

        monkeypatch.setattr(daemon, "run", run)
        return started()

    return start


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device", "/somewhere"),
        OSError(errno.EMFILE, "Too many open files"),
        PermissionError(errno.EACCES, "Permission denied", "/a\n\x1b[2J\udcff"),
        ExceptionGroup("", [ExceptionGroup("", [OSError(errno.EROFS, "Read-only file system")])]),
        ExceptionGroup("", [OSError(errno.EIO, "Input/output error")] * 3),
    ],
)
def test_what_the_system_refuses_is_told_in_a_line(
    met: Callable[[Exception], Result], error: Exception
) -> None:
    assert error_of(met(error)).isprintable()


FAULT = ValueError("a fault")


@pytest.mark.parametrize("error", [FAULT, ExceptionGroup("", [OSError(1, "x"), FAULT])])
def test_a_fault_of_ours_keeps_its_traceback(met: Callable[[Exception], Result], error: Exception) -> None:
    ended = met(error)
    assert ended.exit_code == 1
    assert "Traceback" in ended.stderr
    assert "ValueError: a fault" in ended.stderr
    assert "CRITICAL" in ended.stderr.splitlines()[0]
