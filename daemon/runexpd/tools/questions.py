"""How questions are put together and their answers taken apart. Pure.

Questions that don't need each other's answers are asked side by side: what each asks for at one moment goes in one round.
"""

from collections.abc import Sequence
from posixpath import basename
from typing import Any, TypeVar

from runexp.text import printable
from runexpd.hosts.base import Answer, Ask, FileFact, Kind, Listing, Part, Withheld
from runexpd.tools.base import Question

A = TypeVar("A")
B = TypeVar("B")

#: No file system takes a longer path.
MOST_PATH_CHARACTERS = 4096
#: Of a line in a verdict.
MOST_LINE_CHARACTERS = 300


def ask(asks: Sequence[Ask]) -> Question[Sequence[Answer]]:
    """Some asks and no more."""
    return (yield asks) if asks else []


def both(first: Question[A], second: Question[B]) -> Question[tuple[A, B]]:
    """Two questions side by side: as many rounds as the longer one has."""
    found = yield from _side_by_side([first, second])
    return found[0], found[1]


def _side_by_side(questions: Sequence[Question[Any]]) -> Question[list[Any]]:
    results: list[Any] = [None] * len(questions)
    asked: dict[int, Sequence[Ask]] = {}
    for place, question in enumerate(questions):
        _advance(question, None, place, asked, results)
    while asked:
        answers = list((yield [ask for asks in asked.values() for ask in asks]))
        for place, asks in list(asked.items()):
            own, answers = answers[: len(asks)], answers[len(asks) :]
            _advance(questions[place], own, place, asked, results)
    return results


def _advance(
    question: Question[Any],
    answers: Sequence[Answer] | None,
    place: int,
    asked: dict[int, Sequence[Ask]],
    results: list[Any],
) -> None:
    """What it asks for next; or, where it has come to its end, its result."""
    try:
        asked[place] = next(question) if answers is None else question.send(answers)
    except StopIteration as end:
        asked.pop(place, None)
        results[place] = end.value


def entries(answer: Answer) -> tuple[FileFact, ...]:
    """Of a directory; none where it isn't there, or can't be listed."""
    return answer.entries if isinstance(answer, Listing) else ()


def text(answer: Answer) -> str:
    """Of a part of a file; empty where there is none to be had."""
    return answer.data.decode(errors="replace") if isinstance(answer, Part) else ""


def withheld(path: str, answer: Answer) -> str:
    """That a path can't be read, and why; empty where it can."""
    return f"{path} can't be read: {answer.why}" if isinstance(answer, Withheld) else ""


def is_file(fact: FileFact) -> bool:
    return fact.kind is Kind.FILE


def askable(path: str) -> bool:
    """Whether a host can be asked about a path that stands in a file."""
    if "\0" in path or len(path) > MOST_PATH_CHARACTERS:
        return False
    try:
        path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def line(text: str, most: int = MOST_LINE_CHARACTERS) -> str:
    """Text from outside as a verdict holds it: on one line that can be shown, and no longer than that."""
    shown = printable(text[: 4 * most])
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def indented(text: str, most: int) -> str:
    """As `line`, with the spaces at its beginning."""
    body = text.lstrip(" ")
    return " " * min(len(text) - len(body), most // 4) + line(body, most)


def path(path: str) -> str:
    """A path as a verdict holds it: as it is where it can be shown."""
    return path if path.isprintable() else printable(path)


def name(fact: FileFact) -> str:
    return basename(fact.path)
