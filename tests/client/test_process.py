"""The command as a process: signals, pipes, full disks."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from fakes.daemon import FakeDaemon
from runexp.wire import requests

WAIT_SECONDS = 15.0
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


def test_a_full_disk_is_an_error_in_a_line(daemon: FakeDaemon) -> None:
    daemon.answer(requests.Ls, requests.LsReply(experiments=()))
    with open("/dev/full", "w") as full:
        process = _started("ls", stdout=full.fileno())
        _, errors = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 1
    assert errors.startswith("error: ")
    assert "Traceback" not in errors
