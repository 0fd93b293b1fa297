"""Puts tools' questions to a host, in rounds: what many of them ask at one moment is fetched at once, and each is then taken a step
further in a child process.

A tool module is other people's code. In the child its question begins again with all that it has been answered so far, and whatever
it raises is a fault of its own; one that takes too much is tried apart from the others.
"""

import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

import msgspec

from runexp.text import printable
from runexpd.hosts.base import Answer, Ask, Files
from runexpd.runtime.digest import Indigestible, Lane, digest
from runexpd.tools.base import Question

A = TypeVar("A")
T = TypeVar("T")

#: What a question may ask for at one moment.
MOST_ASKS = 100_000

Fetch = Callable[[Sequence[Ask]], Awaitable[Sequence[Answer]]]
Heard = tuple[tuple[Answer, ...], ...]


class Fault(msgspec.Struct, frozen=True):
    """A tool module failed: in a line, and where."""

    what: str
    trace: str = ""
    #: Another try would end as this one did; what took too long, or found no memory, may fare better.
    lasting: bool = True


class Came(msgspec.Struct, Generic[T], frozen=True):
    """What a question came to."""

    value: T


class Wanted(msgspec.Struct, frozen=True):
    """What a question asks for next."""

    asks: tuple[Ask, ...]


Step = Came[T] | Wanted | Fault


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How much is asked, and how long it may take."""

    #: How often a question may ask.
    most_rounds: int
    #: Questions that are put together.
    together: int
    #: For a step of many in the child, and of one by itself.
    seconds: float
    alone_seconds: float
    lane: Lane = Lane.JUDGING


async def put(
    question: Callable[[A], Question[T]], about: Sequence[A], fetch: Fetch, pace: Pace
) -> list[T | Fault]:
    """What the question about each comes to, in order. Raises what `fetch` raises.

    `question` is a function of a module's, and what it is about can be handed to a child process.
    """
    found: list[T | Fault] = []
    for start in range(0, len(about), pace.together):
        found += await _put(question, about[start : start + pace.together], fetch, pace)
    return found


async def put_one(question: Callable[[A], Question[T]], about: A, fetch: Fetch, pace: Pace) -> T:
    """What one question comes to. Raises what `fetch` raises, and Indigestible where the tool fails."""
    (found,) = await put(question, [about], fetch, pace)
    if isinstance(found, Fault):
        raise Indigestible(found.what, found.trace)
    return found


def once(files: Files) -> Fetch:
    """Fetches once what many ask for."""

    async def fetched(asks: Sequence[Ask]) -> Sequence[Answer]:
        wanted = list(dict.fromkeys(asks))
        answers = dict(zip(wanted, await files.fetch(wanted), strict=True))
        return [answers[ask] for ask in asks]

    return fetched


async def _put(
    question: Callable[[A], Question[T]], about: Sequence[A], fetch: Fetch, pace: Pace
) -> list[T | Fault]:
    found: dict[int, T | Fault] = {}
    heard: dict[int, Heard] = {number: () for number in range(len(about))}
    for _ in range(pace.most_rounds):
        steps = await _steps(question, [(about[number], heard[number]) for number in heard], pace)
        asks: dict[int, tuple[Ask, ...]] = {}
        for number, step in zip(heard, steps, strict=True):
            match step:
                case Wanted():
                    asks[number] = step.asks
                case Came():
                    found[number] = step.value
                case Fault():
                    found[number] = step
        if not asks:
            break
        answers = iter(await fetch([ask for each in asks.values() for ask in each]))
        heard = {n: (*heard[n], tuple(next(answers) for _ in each)) for n, each in asks.items()}
    endless = Fault(f"it asked {pace.most_rounds} times and came to no end")
    return [found.get(number, endless) for number in range(len(about))]


async def _steps(
    question: Callable[[A], Question[T]], asked: Sequence[tuple[A, Heard]], pace: Pace
) -> Sequence[Step[T]]:
    seconds = pace.alone_seconds if len(asked) == 1 else pace.seconds
    try:
        return await digest(steps, question, asked, seconds=seconds, lane=pace.lane)
    except Indigestible as error:
        if len(asked) == 1:
            return [Fault(error.what, error.trace, lasting=False)]
    return [step for each in asked for step in await _steps(question, [each], pace)]


def steps(question: Callable[[A], Question[T]], asked: Iterable[tuple[A, Heard]]) -> list[Step[T]]:
    """In the child: a step of each."""
    return [_step(question, about, heard) for about, heard in asked]


def _step(question: Callable[[A], Question[T]], about: A, heard: Heard) -> Step[T]:
    try:
        return _after(question(about), heard)
    except Exception as error:
        return Fault(printable(f"{type(error).__name__}: {error}"), traceback.format_exc())


def _after(question: Question[T], heard: Heard) -> Came[T] | Wanted:
    """Raises whatever the tool raises."""
    try:
        asks: Iterable[Any] = next(question)
        for answers in heard:
            asks = question.send(answers)
    except StopIteration as done:
        return Came(done.value)
    asked = tuple(islice(asks, MOST_ASKS + 1))
    if len(asked) > MOST_ASKS:
        raise ValueError(f"it asks for more than {MOST_ASKS} things at once")
    return Wanted(msgspec.convert(msgspec.to_builtins(asked), tuple[Ask, ...]))
