"""Ledgers of earlier commits, each made by that commit's own daemon, opened by today's: by hand, some minutes.

    PYTHONPATH=tests .venv/bin/python tests/ledger/commits.py [--count 30] [--keep DIR] [COMMIT ...]

Of the commits that changed the ledger, the core or the events so many are taken, evenly spread, and each one that changed the
schema. The daemon of each runs one small local experiment to its end, and is killed in the middle of another. Then today's looks
the ledger over, opens it, shows both, and takes the second to its end: each job is to have run once. `--keep`: the ledgers as they
were, `COMMIT.sqlite`, for tests/ledger/earlier. The first need `sdnotify`, somewhere on PYTHONPATH. Prints a line a commit; exits with 1 if one didn't go on.
"""

import argparse
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from fakes.experiments import build, executions
from fakes.home import BIN, Home, wait_for

ROOT = Path(__file__).parents[2]
SCHEMA = ("daemon/runexpd/ledger/migrations",)
CHANGED = ("daemon/runexpd/ledger", "daemon/runexpd/core", "client/runexp/wire/events.py", *SCHEMA)
#: Of the code of each: what its daemon is made of.
PARTS = ("client", "daemon", "pyproject.toml")
CONFIG = "local: {max_running: 2, stagger_seconds: 0}\n"
CLIENT = "from runexp.cli import main; main()"
START_SECONDS, RUN_SECONDS = 30.0, 180.0


def chosen(count: int) -> list[str]:
    """Commits, the earliest first."""
    every = _commits(*CHANGED)
    spread = {every[round(at * (len(every) - 1) / max(count - 1, 1))] for at in range(count)}
    taken = spread | set(_commits(*SCHEMA))
    return [commit for commit in every if commit in taken]


def _commits(*paths: str) -> list[str]:
    return _git("log", "--reverse", "--topo-order", "--format=%h", "--", *paths).split()


def _git(*words: str) -> str:
    return subprocess.run(["git", "-C", ROOT, *words], check=True, capture_output=True, text=True).stdout


class Earlier:
    """A commit's daemon and client, on a home."""

    def __init__(self, commit: str, dir: Path) -> None:
        self.home = dir / "home"
        self.home.mkdir(parents=True)
        (self.home / "config.yaml").write_text(CONFIG)
        self._code = dir / "code"
        self._code.mkdir()
        packed = subprocess.run(
            ["git", "-C", ROOT, "archive", commit, *PARTS], check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", self._code], input=packed, check=True)
        paths = f"{self._code}/client:{self._code}/daemon:{os.environ.get('PYTHONPATH', '')}"
        self.environment = {**os.environ, "RUNEXP_HOME": str(self.home), "PYTHONPATH": paths}

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Killed in the end."""
        with (self.home / "daemon.log").open("ab") as log:
            argv = [sys.executable, "-m", "runexpd"]
            daemon = subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log, cwd=self._code)
        try:
            wait_for(lambda: self._answers(daemon), "the earlier daemon answers", START_SECONDS)
            yield daemon
        finally:
            with suppress(ProcessLookupError):
                daemon.send_signal(signal.SIGKILL)
            daemon.wait()

    def _answers(self, daemon: subprocess.Popen[bytes]) -> bool:
        assert daemon.poll() is None, f"it ended: {(self.home / 'daemon.log').read_text()[-600:]}"
        with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
            client.connect(str(self.home / "run" / "runexpd.sock"))
            return True
        return False

    def begin(self, dir: Path) -> None:
        """Leave it as soon as it is in the ledger."""
        argv = [sys.executable, "-c", CLIENT, "run", str(dir)]
        log = (self.home / "client.log").open("ab")
        client = subprocess.Popen(
            argv, env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
        before = Counter(self.types())["ExperimentAdded"]
        try:
            wait_for(
                lambda: client.poll() is not None or Counter(self.types())["ExperimentAdded"] > before,
                "it is begun",
                START_SECONDS,
            )
        finally:
            client.kill()
            client.wait()
            log.close()

    def types(self) -> list[str]:
        """Of all events."""
        path = self.home / "state" / "ledger.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(path)) as ledger:
            return [kind for (kind,) in ledger.execute("SELECT type FROM events ORDER BY seq")]


def made(commit: str, dir: Path) -> Home:
    """A home with an experiment that has ended, `ended`, and one that hasn't, `halfway`."""
    earlier = Earlier(commit, dir)
    with earlier.running():
        for name, kind in (("ended", "ExperimentEnded"), ("halfway", "JobEnded")):
            before = Counter(earlier.types())[kind]
            earlier.begin(build(dir / name, name=name))
            wait_for(
                lambda kind=kind, before=before: Counter(earlier.types())[kind] > before,  # type: ignore[misc]
                f"there is a {kind} of {name}",
                RUN_SECONDS,
            )
    return Home(earlier.home)


def gone_on(home: Home, dir: Path) -> str:
    """Taken up by today's daemon; what it came to in words. Raises AssertionError."""
    checked = subprocess.run(
        [BIN / "runexpd", "ledger", "check"],
        env=home.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    with home.running():
        assert home.outcome("ended") is not None
        wait_for(lambda: home.outcome("halfway") is not None, "today's daemon ends it", RUN_SECONDS)
        said = f"ended {home.outcome('ended')}, halfway {home.outcome('halfway')}"
        for name in ("ended", "halfway"):
            ran = executions(dir / name)
            assert sorted(set(ran)) == ran, f"{name}: twice: {ran}"
            for words in (("report", name), ("logs", name), ("status", name)):
                done = home.runexp(*words)
                assert done.returncode in (0, 4), f"{words}: {done.stderr}"
        assert all(name in home.runexp("ls").stdout for name in ("ended", "halfway"))
        assert "succeeded" in home.outcome("halfway"), f"{said}: {home.states('halfway')}"  # type: ignore[operator]
    return said


def tried(commit: str, keep: Path | None) -> str:
    """A word on it. Raises AssertionError where today's daemon can't go on with what it left."""
    with tempfile.TemporaryDirectory(prefix="runexp-") as place:
        dir = Path(place)
        try:
            home = made(commit, dir)
        except AssertionError as why:
            return f"makes none: {str(why).splitlines()[-1][:160]}"
        if keep is not None:
            _keep(home.dir / "state" / "ledger.sqlite", keep / f"{commit}.sqlite")
        return gone_on(home, dir)


def _keep(ledger: Path, kept: Path) -> None:
    kept.parent.mkdir(parents=True, exist_ok=True)
    copy = Path(tempfile.mkdtemp())
    for part in ledger.parent.glob("ledger.sqlite*"):
        shutil.copy(part, copy)
    with closing(sqlite3.connect(copy / "ledger.sqlite")) as source, closing(sqlite3.connect(kept)) as target:
        source.backup(target)
    shutil.rmtree(copy)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("commits", nargs="*")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args(argv)
    failed = 0
    for commit in asked.commits or chosen(asked.count):
        try:
            said = tried(commit, asked.keep)
        except Exception as why:
            failed, said = failed + 1, f"FAILED: {type(why).__name__}: {why}"
        title = _git("log", "-1", "--format=%ad %s", "--date=format:%m-%d %H:%M", commit).strip()
        print(f"{commit} {title[:70]:70}  {said}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
