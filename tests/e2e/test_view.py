"""The evaluation logs in inspect's own viewer, while they are being made."""

import json
import os
import shutil
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import BIN, Home, wait_for

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def shown(port: int) -> int:
    """How many logs the viewer lists; 0 while it isn't there yet."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/logs", timeout=5) as reply:
            return len(json.loads(reply.read())["files"])
    except OSError:
        return 0


@pytest.mark.skipif(shutil.which("inspect", path=str(BIN)) is None, reason="inspect-ai isn't installed")
def test_logs_are_shown_as_they_come_until_somebody_has_seen_enough(tmp_path: Path) -> None:
    home, port = Home(tmp_path / "home"), free_port()
    dir = build(tmp_path / "exp", Run("base", epochs=0), Run("rank8", epochs=2, eval_seconds=25.0))
    environment = {**home.environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    with home.running():
        assert home.runexp("run", "--detach", str(dir)).returncode == 0
        wait_for(lambda: home.states("words")["base/words"] == "VERIFIED", "one is there")
        with subprocess.Popen(
            [BIN / "runexp", "view", "words", "--port", str(port)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as view:
            wait_for(lambda: shown(port) >= 1, "the first is shown", 120)
            wait_for(lambda: shown(port) == 3, "the others are shown, too", 120)
            view.send_signal(signal.SIGINT)
            view.communicate(timeout=30)
        assert view.returncode == 0
        assert shown(port) == 0
    copies = list((home.dir / "cache" / "view").rglob("*.eval"))
    assert len(copies) == 3
