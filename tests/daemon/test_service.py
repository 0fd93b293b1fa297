"""What a service needs: systemd told how it stands, a socket that is held for us, the configuration read again, units that fit."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import anyio
import pytest

from fakes.experiments import Run, build
from fakes.home import BIN, CONFIG, Home, wait_for
from runexp import paths
from runexpd import service, service_unit, stopping


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    if home.daemon is not None:
        home.stop()


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd would listen."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        yield manager


async def test_the_loop_says_that_it_is_alive(told: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", told.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "20000")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service.keep_telling)
        for _ in range(3):
            assert await anyio.to_thread.run_sync(told.recv, 100) == b"WATCHDOG=1"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    "watched",
    [
        {},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "²"},
        {"WATCHDOG_USEC": "9" * 5000},
        {"WATCHDOG_USEC": "20000", "WATCHDOG_PID": "1"},
    ],
)
async def test_where_nobody_watches_nothing_is_said(
    watched: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    for name, value in watched.items():
        monkeypatch.setenv(name, value)
    await service.keep_telling()


@pytest.mark.long
@contextmanager
def held(home: Home) -> Iterator[socket.socket]:
    """The socket, listening before anybody is there."""
    path = home.dir / "run" / "runexpd.sock"
    path.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        yield listening


def handed(home: Home, listening: socket.socket) -> subprocess.Popen[bytes]:
    """As systemd does: the socket is descriptor 3, and the process knows its own number."""
    argv: list[str | Path] = [
        "bash",
        "-c",
        'exec env LISTEN_FDS=1 LISTEN_PID=$$ "$0" 3<&"$1"',
        BIN / "runexpd",
        str(listening.fileno()),
    ]
    return subprocess.Popen(argv, env=home.environment, pass_fds=[listening.fileno()])


def test_whoever_waits_for_one_that_cannot_start_is_not_kept_waiting(home: Home) -> None:
    (home.dir / "config.yaml").write_text("no_key: 1\n")
    with held(home) as listening, socket.socket(socket.AF_UNIX) as client:
        client.connect(str(home.dir / "run" / "runexpd.sock"))
        assert handed(home, listening).wait(30) == 78
        client.settimeout(30)
        assert client.recv(1) == b""
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):
            listening.accept()


def test_a_socket_that_is_held_for_us_is_served_and_left(home: Home, told: socket.socket) -> None:
    path = home.dir / "run" / "runexpd.sock"
    with held(home) as listening:
        home.environment |= {"NOTIFY_SOCKET": told.getsockname()}
        home.daemon = handed(home, listening)
        assert told.recv(100) == b"READY=1"
        assert home.json("ls") == []
        assert home.runexp("daemon", "reload").returncode == 0
        assert home.json("ls") == []
        home.stop()
        assert path.exists()


@pytest.mark.long
def test_the_configuration_is_read_again_and_a_wrong_one_changes_nothing(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "words", Run("r", seconds=30))
    home.start()
    assert home.daemon is not None
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    config = home.dir / "config.yaml"
    config.write_text(CONFIG.replace("poll_seconds", "pole_seconds"))
    os.utime(config, (4e9, 4e9))
    assert home.json("daemon")["config_is_newer"]
    done = home.runexp("daemon", "reload")
    assert done.returncode == 1
    assert "pole_seconds is no key here" in done.stderr
    assert "hint: is poll_seconds meant?" in done.stderr
    config.write_text(CONFIG + "clusters: {here: {}}\n")
    assert home.runexp("daemon", "reload").returncode == 0
    info = home.json("daemon")
    assert info["clusters"] == ["local", "here"]
    assert (info["pid"], info["config_is_newer"]) == (home.daemon.pid, False)
    children = (
        f"/proc/{each}/stat"
        for each in Path(f"/proc/{home.daemon.pid}/task/{home.daemon.pid}/children").read_text().split()
    )
    assert "Z" not in [Path(each).read_text().rpartition(")")[2].split()[0] for each in children]
    assert home.runexp("cancel", "--yes", "words").returncode == 0
    wait_for(lambda: home.outcome("words") == "cancelled", "its jobs, which went on, have ended")
    assert len(home.of_type("SubmitAccepted")) == 1
    assert "Traceback" not in home.log()


@pytest.mark.long
def test_it_is_asked_to_begin_again_at_any_moment_and_is_there(home: Home) -> None:
    home.start()
    assert home.daemon is not None
    for number in range(30):
        os.kill(home.daemon.pid, stopping.AGAIN)
        with suppress(subprocess.TimeoutExpired):
            home.daemon.wait(0.03 * (number % 6))
    wait_for(lambda: home.runexp("ls").returncode == 0, "it answers")
    assert home.json("daemon")["pid"] == home.daemon.pid


@pytest.mark.long
def test_it_is_started_and_stopped_without_systemd(home: Home) -> None:
    none = home.runexp("daemon", "stop")
    assert (none.returncode, none.stdout, none.stderr) == (0, "no runexpd runs\n", "")
    assert json.loads(home.runexp("daemon", "stop", "--json").stdout) == {"stopped": None}
    warned = {**home.environment, "PYTHONWARNINGS": "always"}
    argv = [str(BIN / "runexp"), "daemon", "start", "--json"]
    begun = subprocess.run(argv, env=warned, capture_output=True, text=True, check=True)
    assert begun.stderr == "", "no warning of Python's either"
    started = json.loads(begun.stdout)
    assert json.loads(home.runexp("daemon", "start", "--json").stdout)["pid"] == started["pid"]
    again = json.loads(home.runexp("daemon", "restart", "--json").stdout)
    assert again["pid"] != started["pid"]
    assert json.loads(home.runexp("daemon", "stop", "--json").stdout) == {"stopped": again["pid"]}
    assert home.runexp("daemon", "restart").returncode == 0, "which is begun where none runs"
    (home.dir / "config.yaml").write_text("no_key: 1\n")
    wrong = home.runexp("daemon", "restart")
    assert wrong.returncode == 1
    assert "\nhint: nothing is stopped; keys here: " in wrong.stderr
    assert home.runexp("ls").returncode == 0
    assert home.runexp("daemon", "stop").returncode == 0
    done = home.runexp("daemon", "start")
    assert done.returncode == 7
    assert "runexpd doesn't start: no_key is no key here" in done.stderr


@pytest.mark.parametrize("umask", ["000", "002"])
def test_a_home_that_is_new_is_private_whatever_the_umask(tmp_path: Path, umask: str) -> None:
    new = tmp_path / "above" / "new"
    environment = {**os.environ, "RUNEXP_HOME": str(new)}
    for verb, code in (("start", 0), ("stop", 0)):
        command = ["sh", "-c", f'umask {umask}; exec "$@"', "sh", str(BIN / "runexp"), "daemon", verb]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    everything = [new, *(path for path in new.rglob("*") if not path.is_symlink())]
    assert [str(path) for path in everything if path.stat().st_mode & 0o077] == []


def test_what_a_person_has_to_mend_is_not_tried_again(home: Home) -> None:
    (home.dir / "config.yaml").write_text("no_key: 1\n")
    done = subprocess.run([BIN / "runexpd"], env=home.environment, capture_output=True, check=False)
    assert done.returncode == 78
    assert "RestartPreventExitStatus=78" in service_unit._filled("runexpd.service")


def test_units_name_this_installation(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    odd = tmp_path / 'a "b" 100% $c' / "bin"
    odd.mkdir(parents=True)
    for name in ("runexpd", "runexp", "python"):
        (odd / name).touch()
    monkeypatch.setattr(sys, "executable", str(odd / "python"))
    unit = service_unit._filled("runexpd.service")
    assert "StartLimitIntervalSec=0" in unit, "a person may start it as often as she likes"
    assert "OOMPolicy=continue" in unit, "a job without memory is not the service's end"
    assert f'ExecStart="{tmp_path}/a \\"b\\" 100%% $$c/bin/runexpd"\n' in unit
    assert "@" not in unit
    assert "@" not in service_unit._filled("runexpd.socket")


@pytest.mark.parametrize("session", [True, False])
def test_both_sides_meet_whatever_the_environment_says(
    session: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "user" / str(os.getuid())
    if session:
        own.mkdir(parents=True)
    monkeypatch.delenv("RUNEXP_HOME", raising=False)
    monkeypatch.setattr(paths, "SESSIONS", tmp_path / "user")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    found = set()
    for directory in ("", "/nowhere"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
        found.add(paths.socket())
    assert found == {
        (own if session else tmp_path / "state" / "runexp")
        / ("runexp" if session else "run")
        / "runexpd.sock"
    }


def test_one_that_began_without_a_session_is_still_found_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNEXP_HOME", raising=False)
    monkeypatch.setattr(paths, "SESSIONS", tmp_path / "user")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    before = paths.socket()
    before.parent.mkdir(parents=True)
    before.touch()
    (tmp_path / "user" / str(os.getuid())).mkdir(parents=True)
    assert paths.socket() == before


def test_where_there_is_no_systemd_nothing_is_written(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}
    argv = [sys.executable, "-m", "runexpd", "install-service"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: there is no systemctl here\nhint: without systemd: runexp daemon start\n"
    assert list(tmp_path.iterdir()) == []


def test_without_a_session_of_systemd_nothing_is_installed(tmp_path: Path) -> None:
    systemctl = tmp_path / "systemctl"
    systemctl.write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n")
    systemctl.chmod(0o700)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    argv = [sys.executable, "-m", "runexpd", "install-service"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        "Failed to connect to bus\nhint: without a session of systemd's: runexp daemon start" in done.stderr
    )
    assert list(tmp_path.iterdir()) == [systemctl]
