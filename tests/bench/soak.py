"""Ten minutes in which experiments begin and end, and clients come and go: does the daemon's memory stay where it was?

PYTHONPATH=tests:tests/cluster python tests/bench/soak.py [--minutes MINUTES]
"""

import argparse
import itertools
import os
import random
import sqlite3
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from following import attached
from process import megabytes, spent
from stand_in import Slurm

from fakes.experiments import Run, build
from fakes.home import Home
from runexp import connection
from runexp.wire import requests

#: At a time, and of so many trainings each, with an evaluation each.
EXPERIMENTS, RUNS = 6, 20
#: Attached for some seconds each, one after another; some of them read nothing of what they are told.
READERS, DEAF = 8, 2
#: Memory is the median of so long.
SAMPLE_SECONDS = 10
CONFIG = """clusters:
  here: {{prepend: ["PATH={bin}:$PATH"], max_submit: 1000, stagger_seconds: 0, queries_per_minute: 120, results_seconds: 2}}
"""


def main(minutes: int) -> None:
    with TemporaryDirectory() as name, Slurm(Path(name) / "slurm") as slurm:
        home = Home(Path(name) / "home", CONFIG.format(bin=slurm.bin))
        home.environment["HOME"] = name
        os.environ["RUNEXP_HOME"] = str(home.dir)
        with home.running():
            Soak(home, Path(name)).run(minutes)


class Soak:
    def __init__(self, home: Home, dir: Path) -> None:
        self._home = home
        self._dir = dir
        self._is_over = threading.Event()
        #: Ids, as of the last `ls`.
        self._running: list[str] = []
        self._ended: list[str] = []
        self._slowest_seconds = 0.0
        self._attached = self._asked = 0

    def run(self, minutes: int) -> None:
        readers = [self._reader] * READERS + [self._deaf] * DEAF
        threads = [threading.Thread(target=work) for work in (self._experiments, self._asker, *readers)]
        for thread in threads:
            thread.start()
        try:
            self._watch(minutes)
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join()

    def _watch(self, minutes: int) -> None:
        """A line a minute, and what came of it."""
        held = [self._minute(number) for number in range(1, minutes + 1)]
        print(
            f"after {minutes} minutes {held[-1]:.1f} MB, {100 * (held[-1] / held[0] - 1):+.1f} % against the first; "
            f"{len(self._ended)} experiments of {2 * RUNS} jobs ended, {self._attached} clients came and went, "
            f"{self._asked} times `ls`, the slowest {self._slowest_seconds:.2f} s"
        )

    def _minute(self, number: int) -> float:
        """What is held at its end."""
        events, used = self._events(), spent(self._home)
        self._is_over.wait(60 - SAMPLE_SECONDS)
        held = statistics.median(self._samples())
        percent = (spent(self._home) - used) / 0.6
        print(
            f"minute {number}: {self._events() - events} events, {held:.1f} MB, {percent:.0f} % of a core",
            flush=True,
        )
        return held

    def _samples(self) -> Iterator[float]:
        for _ in range(SAMPLE_SECONDS):
            self._is_over.wait(1)
            yield megabytes(self._home)

    def _events(self) -> int:
        with closing(sqlite3.connect(self._home.dir / "state" / "ledger.sqlite")) as ledger:
            (seq,) = ledger.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        return int(seq)

    def _experiments(self) -> None:
        """One more as soon as one has ended."""
        begun: set[str] = set()
        for number in itertools.count():
            runs = (Run(f"r{n}", seconds=2, eval_seconds=1) for n in range(RUNS))
            dir = build(self._dir / f"e{number}", *runs, name=f"words{number}")
            begun.add(
                connection.ask(requests.Run(dir=str(dir), cluster="here"), requests.RunReply).experiment
            )
            while len(begun - set(self._ended)) >= EXPERIMENTS:
                if self._is_over.wait(0.2):
                    return

    def _asker(self) -> None:
        """How it all stands, how one of those that run does, and now and then one that is long over."""
        while not self._is_over.wait(0.5):
            began = time.monotonic()
            lines = connection.ask(requests.Ls(), requests.LsReply).experiments
            self._slowest_seconds = max(self._slowest_seconds, time.monotonic() - began)
            self._running = [line.id for line in lines if line.outcome is None]
            self._ended = [line.id for line in lines if line.outcome is not None]
            self._asked += 1
            among = self._ended if self._asked % 10 == 0 else self._running
            for id in among and [random.choice(among)]:
                connection.ask(requests.Status(experiment=id), requests.StatusReply)

    def _reader(self) -> None:
        self._follow(lambda: random.uniform(1, 10), read=True)

    def _deaf(self) -> None:
        self._follow(lambda: 20.0, read=False)

    def _follow(self, seconds: Callable[[], float], read: bool) -> None:
        """One after another, each for so long."""
        while not self._is_over.wait(0.1):
            for id in self._running and [random.choice(self._running)]:
                until = time.monotonic() + seconds()
                with attached(self._home, id, after=0) as client:
                    client.settimeout(0.5)
                    while time.monotonic() < until and not self._is_over.is_set():
                        with suppress(TimeoutError):
                            client.recv(1 << 20) if read else self._is_over.wait(0.5)
                self._attached += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=int, default=10)
    main(parser.parse_args().minutes)
