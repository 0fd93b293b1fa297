"""What the child of runexpd.runtime.digest is given to do in tests: it imports this, and nothing that only tests need."""

import os
import signal
import sys
import time
from pathlib import Path

from runexpd.experiments.problems import BadExperiment


def own_id() -> int:
    return os.getpid()


def add(one: int, other: int) -> int:
    return one + other


def spin() -> None:
    while True:
        pass


def sleep_long(note: str) -> None:
    Path(note).write_text(str(os.getpid()))
    time.sleep(3600)


def hold(bytes_: int) -> int:
    return len(bytearray(bytes_))


def answer_of(bytes_: int) -> bytes:
    return bytes(bytes_)


def raise_bad() -> None:
    raise BadExperiment("what", "where", "hint")


class Unpicklable(BadExperiment):
    def __init__(self) -> None:
        super().__init__("it is bad", "where", "hint")

    def __reduce__(self) -> tuple[type[BadExperiment], tuple[str, str, str]]:
        raise TypeError("never")


class Unsayable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


def raise_unpicklable() -> None:
    raise Unpicklable


def raise_unsayable() -> None:
    raise Unsayable


def raise_odd() -> None:
    raise ValueError("\x1b[31mtwo\nlines\ud800")


def leave() -> None:
    sys.exit(3)


def die() -> None:
    os._exit(7)


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def recurse() -> None:
    recurse()


def talk() -> str:
    print("hello")
    os.write(1, b"s" * 100)
    return sys.stdin.read() + os.read(0, 10).decode()


def unpicklable_answer() -> object:
    return lambda: None


def deep_answer() -> list[object]:
    deep: list[object] = []
    for _ in range(1_000_000):
        deep = [deep]
    return deep


def surroundings() -> tuple[str, bool, bool]:
    return os.getcwd(), "" in sys.path, os.getsid(0) == os.getpid()


def loaded() -> set[str]:
    return set(sys.modules)
