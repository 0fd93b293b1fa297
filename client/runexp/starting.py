"""The daemon's start and end, as a person without systemd asks for them."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from runexp import connection, paths, tending
from runexp.connection import Lost, NoDaemon, NotRunning, Refusal
from runexp.wire import requests
from runexp.wire.refusals import Code
from runexp.wire.reloading import Reload, ReloadReply

#: For a start, which serves before it has read its ledger; and for an end, which takes ten seconds at most.
START_SECONDS, STOP_SECONDS = 30.0, 20.0
_PAUSE_SECONDS = 0.05
_SAID_BYTES = 2000


def info() -> requests.InfoReply | None:
    """What the daemon says of itself; None where there is none."""
    try:
        return connection.ask(requests.Info(), requests.InfoReply, connection.say_nothing)
    except (NoDaemon, Lost):
        return None


def start() -> requests.InfoReply:
    """The daemon that runs, begun if need be. Raises NoDaemon where it doesn't come up, with its own words."""
    if (there := info()) is not None:
        return there
    path = tending.log()
    paths.make_private(path.parent)
    with open(path, "ab", opener=_private) as file:
        begin = file.tell()
        process = _begun(file)
    found = _until(lambda: info() or process.poll() is not None, START_SECONDS)
    if isinstance(found, requests.InfoReply):
        process.returncode = 0  # it goes on, and is no longer ours: the interpreter would warn of it
        return found
    said = " ".join(path.read_bytes()[begin:][-_SAID_BYTES:].decode(errors="replace").split())
    said = said.removeprefix("error: ")
    raise NoDaemon(f"runexpd doesn't start: {said or 'it says nothing'}", f"all that it said is in {path}")


def _begun(said: BinaryIO) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [program("runexpd")],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        start_new_session=True,
        cwd="/",
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def stop() -> int | None:
    """End the daemon that runs, of whatever version; its process id, or None where none runs.

    Raises NoDaemon where it doesn't end, and Refusal where it can't be told who it is.
    """
    try:
        pid = _pid()
    except NotRunning:
        return None
    os.kill(pid, signal.SIGTERM)
    if not _until(lambda: not _is_there(pid), STOP_SECONDS):
        raise NoDaemon(f"runexpd (pid {pid}) doesn't end", f"kill -9 {pid}; nothing is lost")
    return pid


def _pid() -> int:
    """Of one that speaks otherwise than we do: by the ledger, which each holds while it is there."""
    try:
        return connection.ask(requests.Info(), requests.InfoReply).pid
    except Refusal as refusal:
        held = _holder(paths.state() / "ledger.lock") if refusal.refused.code is Code.VERSION else None
        if held is None:
            raise
        return held


def _holder(lock: Path) -> int | None:
    """Who holds it says so in it."""
    with suppress(OSError, ValueError), lock.open("rb") as file:
        said = int(file.read(32))
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return said
    return None


def reload() -> requests.InfoReply:
    """The daemon, with the configuration as it stands. Raises Refusal where that is wrong, and NoDaemon."""
    before = connection.ask(requests.Info(), requests.InfoReply)
    with suppress(Lost, NoDaemon):  # it may be gone before it has said so
        connection.ask(Reload(), ReloadReply, connection.say_nothing)

    def again() -> requests.InfoReply | None:
        now = info()
        return now if now is not None and now.started_at != before.started_at else None

    found = _until(again, START_SECONDS)
    if not isinstance(found, requests.InfoReply):
        raise NoDaemon("runexpd doesn't come back", tending.why())
    return found


def wrong_configuration() -> tuple[str, str] | None:
    """What the daemon's program says is wrong with the configuration as it stands, and its hint; None where nothing is."""
    done = subprocess.run(
        [program("runexpd"), "--check"], capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    if not done.returncode:
        return None
    what, _, hint = " ".join(done.stderr.split()).removeprefix("error: ").partition(" hint: ")
    return what or "the configuration is wrong", hint or "mend that first"


def program(name: str) -> str:
    """The command that belongs to this installation; without links that an upgrade would leave behind. Raises NoDaemon."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        raise NoDaemon(f"there is no command {name} beside {sys.executable}", "install runexp again")
    return found


def _until(look: Callable[[], object], seconds: float) -> object:
    """What is found, or None."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(_PAUSE_SECONDS)
    return None


def _is_there(pid: int) -> bool:
    """Not so one that has ended and is only remembered."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
