"""The child's side of runexpd.runtime.digest: takes a question, answers it within its limits, takes the next.

Never imported by the daemon for what it does, and imports nothing itself that a question doesn't need.
"""

import gc
import math
import os
import pickle
import resource
import signal
import sys
import traceback
from typing import IO, Any

LARGEST_ANSWER = 64 * 1024 * 1024
MOST_MEMORY = 1536 * 1024 * 1024
#: Who once held so much hardly gives it back: a fresh child takes over.
_MEMORY_KEPT_KILOBYTES = 512 * 1024
READY, STAYS, LEAVES = b"r", b"s", b"l"


class Returned:
    def __init__(self, value: Any) -> None:
        self.value = value


class Raised:
    """An exception that the question expects."""

    def __init__(self, error: Exception) -> None:
        self.error = error


class Failed:
    """Anything else: a line, and the traceback where there is one."""

    def __init__(self, what: str, trace: str = "") -> None:
        self.what = what
        self.trace = trace


Answer = Returned | Raised | Failed


def serve() -> None:
    """Answer until there are no more questions: until the daemon is gone."""
    questions, answers = _channels()
    _confine()
    gc.set_threshold(200_000, 20, 20)  # most of what a question makes is alive until it is answered
    answers.write(READY)
    answers.flush()
    while _serve_one(questions, answers):
        _let_go()


def prepare() -> None:
    """Import what most questions need."""
    import omegaconf  # noqa: F401

    from runexpd.runtime import understand  # noqa: F401
    from runexpd.tools import registry

    registry.load()


def _let_go() -> None:
    """Of what a question left. What it imported stays: to look through that each time takes ten times as long as most questions."""
    gc.collect()
    gc.freeze()


def _channels() -> tuple[IO[bytes], IO[bytes]]:
    """Ours alone: a tool module that prints, or reads its input, meets /dev/null."""
    questions, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    return questions, answers


def _confine() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA):
        _limit(kind, MOST_MEMORY)
    _limit(resource.RLIMIT_CORE, 0)


def _limit(kind: int, value: int) -> None:
    """As far as our own limits allow."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _serve_one(questions: IO[bytes], answers: IO[bytes]) -> bool:
    try:
        seconds, sys.path[:] = pickle.load(questions)
    except EOFError:
        return False
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds))
    answer, stays = _answer(questions)
    stays = stays and _most_memory_kilobytes() < _MEMORY_KEPT_KILOBYTES
    answers.write((STAYS if stays else LEAVES) + len(answer).to_bytes(8, "big"))
    answers.write(answer)
    answers.flush()
    return stays


def _most_memory_kilobytes() -> int:
    """What we held at most. (Not ru_maxrss: that begins with what our parent held.)"""
    with open("/proc/self/status") as status:
        return next((int(line.split()[1]) for line in status if line.startswith("VmHWM:")), 0)


def _answer(questions: IO[bytes]) -> tuple[bytes, bool]:
    """The answer, and whether the next question can be read."""
    stays = False
    expected: tuple[type[Exception], ...] = ()
    try:
        work, args, expected = pickle.load(questions)
        stays = True
        return _packed(Returned(work(*args))), stays
    except MemoryError:
        return _packed(Failed("it takes too much memory")), False
    except expected as error:
        return _raised(error), stays
    except BaseException as error:  # a tool module may raise anything, SystemExit too
        return _failed(error), stays


def _raised(error: Exception) -> bytes:
    try:
        packed = _packed(Raised(error))
        pickle.loads(packed)
    except Exception:
        return _failed(error)
    return packed


def _failed(error: BaseException) -> bytes:
    try:
        said = f"{type(error).__name__}: {error}"
        trace = "".join(traceback.format_exception(error))
    except Exception:
        said = trace = type(error).__name__
    return _packed(Failed(said[:2000], trace[-8000:]))


def _packed(answer: Answer) -> bytes:
    packed = pickle.dumps(answer, pickle.HIGHEST_PROTOCOL)
    if len(packed) > LARGEST_ANSWER:
        return _packed(Failed(f"what was made of it is larger than {LARGEST_ANSWER // 1024 // 1024} MB"))
    return packed
