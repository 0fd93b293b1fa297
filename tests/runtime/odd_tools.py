"""Tool modules of every kind: the child process imports them from here."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec.structs import replace

from fakes.builders import GOOD
from runexp.wire.jobs import JobSpec, Progress, Score, Verdict
from runexp.wire.states import Phase
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import Ask, Part, ReadPart, StatPath
from runexpd.tools.base import Attempt, Ingredients, Question, Source


class OddTool:
    """Its questions are as a function puts them, which is given the job's id."""

    phase = Phase.OPTIMIZATION
    log_name = "odd"

    def __init__(self, name: str, question: Callable[[str], Any]) -> None:
        self.name = name
        self._question = question

    def discover(self, scaffold: Scaffold) -> Discovery:
        raise NotImplementedError

    def verify(self, job: JobSpec, attempt: Attempt | None) -> Question[Verdict]:
        question: Question[Verdict] = self._question(job.id)
        return question

    def ingredients(self, job: JobSpec) -> Question[Ingredients]:
        (script,) = yield [ReadPart(job.script)]
        return Ingredients(sources=(Source("script", job.script, str(script)),))

    def progress(self, job: JobSpec, attempt: Attempt) -> Question[Progress | None]:
        question: Question[Progress | None] = self._question(job.id)
        return question


def reading(job: str) -> Question[Verdict]:
    """Three rounds: is it there, its first byte, its second."""
    (found,) = yield [StatPath(f"/{job}")]
    data = b""
    for offset in range(2):
        (part,) = yield [ReadPart(f"/{job}", offset, 1)]
        data += part.data if isinstance(part, Part) else b"?"
    return replace(GOOD, detail=f"{type(found).__name__} {data.decode()}")


def at_once(job: str) -> Question[Verdict]:
    return replace(GOOD, detail=job)
    yield


def counting(job: str) -> Question[Progress | None]:
    (part,) = yield [ReadPart(f"/{job}")]
    return Progress(done=len(part.data), unit="\x1b[31msteps\ud800") if isinstance(part, Part) else None


def nothing_yet(job: str) -> Question[Progress | None]:
    return None
    yield


def returning(value: Any) -> Question[Any]:
    return value
    yield


def raising(job: str) -> Question[Any]:
    raise ZeroDivisionError("\x1b[31min the\ntool\ud800")
    yield


def by_name(job: str) -> Question[Any]:
    """That of this name, or one that reads."""
    return (
        yield from {"raising": raising, "asking_for_ever": asking_for_ever, "leaving": leaving}.get(
            job, reading
        )(job)
    )


def unsayable(job: str) -> Question[Any]:
    raise Unsayable
    yield


def leaving(job: str) -> Question[Any]:
    sys.exit(3)
    yield


def recursing(job: str) -> Question[Any]:
    return next(recursing(job))
    yield


def spinning(job: str) -> Question[Any]:
    while True:
        time.monotonic()
    yield


def sleeping(job: str) -> Question[Any]:
    time.sleep(3600)
    yield []


def hoarding(job: str) -> Question[Any]:
    return bytearray(8 * 1024**3)
    yield


def asking_for_ever(job: str) -> Question[Any]:
    while True:
        yield [StatPath("/")]


def asking_endlessly(job: str) -> Question[Any]:
    yield Endless()


def asking_for(*asks: Any) -> Question[Any]:
    answers = yield asks
    return replace(GOOD, detail=" ".join(type(answer).__name__ for answer in answers))


def asking_nonsense(job: str) -> Question[Any]:
    yield from asking_for(42, "x", None)


def asking_nothing_that_is_a_list(job: str) -> Question[Any]:
    yield 7  # type: ignore[misc]


def not_a_question(job: str) -> Any:
    return 7


def no_verdict(job: str) -> Question[Any]:
    return (yield from returning(None))


def a_text(job: str) -> Question[Any]:
    return (yield from returning("good"))


def a_class(job: str) -> Question[Any]:
    return (yield from returning(Verdict))


def no_detail(job: str) -> Question[Any]:
    return (yield from returning(replace(GOOD, detail=None)))


def no_finding(job: str) -> Question[Any]:
    return (yield from returning(replace(GOOD, finding="excellent")))


def score_of_nan(job: str) -> Question[Any]:
    return (yield from returning(replace(GOOD, scores=(Score("match", "accuracy", float("nan")),))))


def artifacts_of_numbers(job: str) -> Question[Any]:
    return (yield from returning(replace(GOOD, artifacts=(1, 2))))


def failure_of_text(job: str) -> Question[Any]:
    return (yield from returning(replace(GOOD, failure="failed")))


def odd_texts(job: str) -> Question[Any]:
    texts = ("/exp/\udcff\x1b[2J", "two\nlines")
    yield from ()
    return replace(GOOD, detail="\ud800", artifacts=texts, warnings=("\x00",) * 10_000)


class Unsayable(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Endless(Sequence[Ask]):
    """More asks than there is memory for."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[Ask]:
        while True:
            yield StatPath("/")

    def __getitem__(self, place: Any) -> Any:
        return StatPath("/")


#: What comes of each, where it is not a verdict: what is said of it.
UNFIT: dict[str, tuple[Callable[[str], Any], str]] = {
    "raises": (raising, r"ZeroDivisionError: in the tool\ud800"),
    "raises what can't be said": (unsayable, "ValueError: no words"),
    "leaves": (leaving, "SystemExit"),
    "calls itself": (recursing, "RecursionError"),
    "asks for ever": (asking_for_ever, "times and came to no end"),
    "asks for more than there is": (asking_endlessly, "it asks for more than"),
    "asks for nonsense": (asking_nonsense, "ValidationError"),
    "asks for a number": (asking_nothing_that_is_a_list, "TypeError"),
    "is no question": (not_a_question, "TypeError"),
    "returns nothing": (no_verdict, "a verdict was expected, not NoneType"),
    "returns a text": (a_text, "a verdict was expected, not str"),
    "returns a class": (a_class, "a verdict was expected, not"),
    "returns no detail": (no_detail, "TypeError"),
    "returns no finding": (no_finding, "ValidationError"),
    "returns a score that is no number": (score_of_nan, "ValidationError"),
    "returns artifacts that are no texts": (artifacts_of_numbers, "TypeError"),
    "returns a failure that is none": (failure_of_text, "AttributeError"),
    "takes too much memory": (hoarding, "Memory"),
}
