"""Takes a test cluster down once nobody holds the other end of its input: where a run of tests is killed, too.

Usage: guard.py DIR
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cluster


@contextmanager
def guarded(dir: Path) -> Iterator[None]:
    """While this process lives, and not longer, the cluster in `dir` may be up. It is down afterwards."""
    argv = [sys.executable, __file__, str(dir)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, start_new_session=True):
        yield
    cluster.reap()


if __name__ == "__main__":
    sys.stdin.read()
    cluster.down(Path(sys.argv[1]))
