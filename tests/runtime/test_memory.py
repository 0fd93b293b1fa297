"""What was let go of is given back, whichever thread had it."""

import subprocess
import sys

HELD_AND_LET_GO_OF = """
import threading
from runexpd.runtime import memory

def resident_megabytes():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmRSS"))

def hold():
    held = [bytes([1]) * 2000 for _ in range(5000)]
    kept.append(held[-1])

memory.keep_one_heap()
kept, before = [], resident_megabytes()
threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
memory.give_back()
print(resident_megabytes() - before)
"""


def test_what_threads_let_go_of_is_given_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HELD_AND_LET_GO_OF], capture_output=True, text=True, timeout=15, check=True
    )
    assert float(done.stdout) < 5
