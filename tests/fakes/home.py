"""A private daemon for a test: real processes below one directory, started, killed and stopped by pid."""

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from fakes import commands
from fakes.commands import BIN as BIN

CONFIG = "local: {max_running: 4, stagger_seconds: 0, poll_seconds: 0.1, kill_wait_seconds: 1.0, results_seconds: 0.5}\n"


class Home:
    def __init__(self, dir: Path, config: str = CONFIG) -> None:
        self.dir = dir
        self.environment = {**os.environ, "RUNEXP_HOME": str(dir), "COLUMNS": "160"}
        self.daemon: commands.Born | subprocess.Popen[bytes] | None = None
        dir.mkdir(parents=True, exist_ok=True)
        (dir / "config.yaml").write_text(config)

    def start(self) -> None:
        """Returns once the daemon answers."""
        with (self.dir / "daemon.log").open("ab") as log, open(os.devnull) as nothing:
            self.daemon = commands.start("runexpd", (), self.environment, (nothing, log, log))
        wait_for(self._answers, "the daemon answers", 20)

    def _answers(self) -> bool:
        assert self.daemon is not None
        if self.daemon.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log()}")
        with socket.socket(socket.AF_UNIX) as client:
            try:
                client.connect(str(self.dir / "run" / "runexpd.sock"))
            except OSError:
                return False
        return True

    def kill(self) -> None:
        """As a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    @contextmanager
    def running(self) -> Iterator[None]:
        self.start()
        try:
            yield
        finally:
            self.stop()

    def _end(self, with_signal: signal.Signals) -> None:
        if self.daemon is not None:
            self.daemon.send_signal(with_signal)
            self.daemon.wait(20)
            self.daemon = None

    def runexp(
        self, *args: str, stdin: str = "", timeout_seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return commands.run(args, self.environment, stdin, timeout_seconds)

    def json(self, *args: str) -> Any:
        return json.loads(self.runexp(*args, "--json").stdout)

    def states(self, name: str) -> dict[str, str]:
        """The state of each job, as `runexp status` shows it."""
        jobs = self.json("status", name)["jobs"]
        return {job["id"]: job["state"] for job in jobs}

    def outcome(self, name: str) -> str | None:
        outcome: str | None = self.json("status", name)["outcome"]
        return outcome

    def log(self) -> str:
        return (self.dir / "daemon.log").read_text()

    def events(self) -> list[dict[str, Any]]:
        """The ledger, read from its file beside a daemon that may be dead."""
        with closing(sqlite3.connect(self.dir / "state" / "ledger.sqlite")) as ledger, ledger:
            rows = ledger.execute("SELECT body FROM events ORDER BY seq").fetchall()
        return [json.loads(body) for (body,) in rows]

    def seconds_between(self, first: str, last: str, count: int) -> float:
        """From the first to the last of the newest `count` events of these types, by the ledger's times."""
        with closing(sqlite3.connect(self.dir / "state" / "ledger.sqlite")) as ledger, ledger:
            newest = "SELECT at FROM events WHERE type = ? ORDER BY seq DESC LIMIT ?"
            began = min(at for (at,) in ledger.execute(newest, (first, count)))
            ended = max(at for (at,) in ledger.execute(newest, (last, count)))
        return float(ended - began)

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["type"] == kind]


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Poll until it holds, the less often the longer that takes; fails with `what` was awaited."""
    began = time.monotonic()
    while not condition():
        waited_seconds = time.monotonic() - began
        if waited_seconds > seconds:
            raise AssertionError(f"waited {seconds} s in vain until {what}")
        time.sleep(min(0.02 + waited_seconds / 20, 0.2))


def blocks(log: Path) -> list[str]:
    """The blocks of a run log, without their times."""
    text = log.read_text()
    found = re.split(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ", text, flags=re.MULTILINE)
    assert found[0] == "", f"{log} doesn't begin with a block: {found[0]!r}"
    return found[1:]


def harvested(log: Path, action: str) -> list[tuple[str, str]]:
    """(subject, job id) of each submission, by the expression that existing readers use."""
    subject = r"[\w.-]+" if action == "SUBMIT_JOB" else r"[\w./-]+"
    return re.findall(rf"{action}: ({subject})\n.*?\nJob ID: (\d+)", log.read_text())
