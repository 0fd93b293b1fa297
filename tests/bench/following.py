"""Who looks on: an experiment with a long past attached to once, and by fifty at once.

PYTHONPATH=tests:tests/cluster python tests/bench/following.py [RUNS]
"""

import socket
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from process import megabytes, spent
from scale import ended

from fakes.home import Home
from runexp.wire import framing, requests
from runexpd.ledger import codec
from runexpd.ledger.store import Ledger, Row

FOLLOWERS = 50


def main(runs: int) -> None:
    past = ended(runs).ledger
    with TemporaryDirectory() as dir:
        home = Home(Path(dir) / "home")
        (home.dir / "state").mkdir(mode=0o700)
        with Ledger(home.dir / "state" / "ledger.sqlite") as ledger:
            ledger.append(
                [
                    Row(n, each.at, each.experiment, type(each.event).__name__, codec.encode(each.event))
                    for n, each in enumerate(past, 1)
                ]
            )
        with home.running():  # takes the ledger over
            home.json("ls")
            time.sleep(10)
        with home.running():
            home.json("ls")
            measure(home, len(past))


def measure(home: Home, events: int) -> None:
    before, began = spent(home), time.monotonic()
    held = [Follower(home, events)]
    print(
        f"{events} events: the first whole picture after {time.monotonic() - began:.2f} s, "
        f"{spent(home) - before:.2f} s of the daemon's CPU; {held[0].size / 1e6:.1f} MB"
    )
    before, began = spent(home), time.monotonic()
    threads = [threading.Thread(target=lambda: held.append(Follower(home, events))) for _ in range(FOLLOWERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken, used = time.monotonic() - began, spent(home)
    time.sleep(30)
    after = spent(home)
    print(
        f"{FOLLOWERS} at once: all served after {taken:.1f} s, {used - before:.1f} s of the daemon's CPU; "
        f"then {(after - used) / 0.3:.1f} % of a core while nothing happens; {megabytes(home, 'VmHWM'):.0f} MB at most"
    )


class Follower:
    """Attached, and past its first picture."""

    def __init__(self, home: Home, events: int) -> None:
        self._socket = attached(home, "words", after=max(0, events - 20))
        lines = self._socket.makefile("rb")
        self.size = next(len(line) for line in lines if line.startswith(b'{"type":"Shown"'))


def attached(home: Home, experiment: str, after: int) -> socket.socket:
    """A client that has asked to follow, and has read nothing yet."""
    client = socket.socket(socket.AF_UNIX)
    client.connect(str(home.dir / "run" / "runexpd.sock"))
    asked = requests.Follow(experiment=experiment, after=after)
    client.sendall(framing.pack(framing.Hello(framing.PROTOCOL, "0")) + framing.pack(asked))
    return client


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
