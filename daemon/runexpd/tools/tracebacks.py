"""Which exception ended a program, by the end of what it printed: a traceback's lines, ranks and chains. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence

import msgspec

from runexpd.tools import output, questions

#: An exception's message may go on for some lines.
_MESSAGE_LINES = 5

_EXCEPTION = re.compile(r"(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b")
HEAD = "Traceback (most recent call last)"
#: Ranks of a distributed training mark their lines, and their launcher may do so before them.
_RANK = re.compile(r"(?:\[(?:default|rank)(\d{1,6})\]:\s?)+")
#: What Python says between two exceptions of one cause.
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
#: What the launcher of ranks raises when one has failed, and the others when one is gone.
_LAUNCHER = "ChildFailedError"
_ECHO = re.compile(
    r"DistBackendError|SignalException|Connection (?:closed|reset) by peer|failed to run the command"
)
#: What the launcher says of the rank that failed first.
_ROOT = re.compile(r"Root Cause \(first observed failure\)")
_ROOT_RANK = re.compile(r"\s*rank\s*: (\d{1,6})")
#: Signs that a job went on: whatever was raised before was lived with.
_ALIVE = re.compile(r"\d{1,9}\|\d{1,9}\|Loss|Step \d|Checkpoint saved in")


class Line(msgspec.Struct, frozen=True):
    rank: str | None
    text: str


def shown_lines(text: str) -> list[Line]:
    return [_line(line) for line in output.lines(text)]


def _line(line: str) -> Line:
    marked = _RANK.match(line)
    return Line(marked[1], line[marked.end() :]) if marked else Line(None, line)


def raised(shown: Sequence[Line]) -> list[int]:
    """Where exceptions are: those that stand under frames of code, or all where none does."""
    places = [place for place, line in enumerate(shown) if _EXCEPTION.match(line.text)]
    framed = [place for place in places if place and shown[place - 1].text.startswith((" ", "\t", HEAD))]
    return framed or places


def causes(shown: Sequence[Line], outweighs: Callable[[Sequence[str]], bool]) -> list[int]:
    """Where the exception is that ended it, and before it those that it was raised in the handling of."""
    places = raised(shown)
    if any(_LAUNCHER in shown[place].text for place in places):
        return _first_rank(shown, places)
    last = _last(shown, places, outweighs)
    return _chain(shown, places, last) if last is not None else []


def _first_rank(shown: Sequence[Line], places: Sequence[int]) -> list[int]:
    """What the rank raised that failed first; else the first that isn't the echo of another's failure."""
    own = [place for place in places if _LAUNCHER not in shown[place].text]
    telling = [place for place in own if not _ECHO.search(shown[place].text)] or own
    root = next((match[1] for line in after_root(shown) if (match := _ROOT_RANK.match(line.text))), None)
    marked = [place for place in telling if root is not None and shown[place].rank == root]
    if marked:
        return _chain(shown, marked, marked[-1])
    # Without marks the ranks' tracebacks are one after the other, the first of them with its own chain.
    return _chain(shown, telling, _end_of_chain(shown, telling)) if telling else list(places[-1:])


def _end_of_chain(shown: Sequence[Line], places: Sequence[int]) -> int:
    end = places[0]
    for place in places[1:]:
        if not _is_chained(shown, end, place):
            break
        end = place
    return end


def after_root(shown: Sequence[Line]) -> Sequence[Line]:
    roots = [place for place, line in enumerate(shown) if _ROOT.match(line.text)]
    return shown[roots[-1] :] if roots else []


def _last(
    shown: Sequence[Line], places: Sequence[int], outweighs: Callable[[Sequence[str]], bool]
) -> int | None:
    """The last exception; but one for want of memory before it, if nothing was trained since: the others followed from it."""
    for number in reversed(range(len(places))):
        if outweighs(whole_message(shown, places[number])):
            return places[number]
        if went_on(shown[places[number - 1] if number else 0 : places[number]]):
            break
    return places[-1] if places else None


def went_on(shown: Sequence[Line]) -> bool:
    return any(_ALIVE.match(line.text) for line in shown)


def _chain(shown: Sequence[Line], places: Sequence[int], last: int) -> list[int]:
    chain = [last]
    for place in reversed([place for place in places if place < last]):
        if not _is_chained(shown, place, chain[-1]):
            break
        chain.append(place)
    return chain


def _is_chained(shown: Sequence[Line], earlier: int, later: int) -> bool:
    return any(line.text.startswith(_CHAINED) for line in shown[earlier + 1 : later])


def whole_message(shown: Sequence[Line], place: int) -> list[str]:
    """The exception's lines, as far as they are its own."""
    return [shown[place].text, *_follows(shown, place)]


def _follows(shown: Sequence[Line], place: int) -> Iterator[str]:
    for line in shown[place + 1 : place + 1 + _MESSAGE_LINES]:
        if line.rank != shown[place].rank or line.text.startswith((HEAD, *_CHAINED)):
            return
        yield line.text


def message(shown: Sequence[Line], place: int) -> str:
    """The exception's line; with the next one that says something, where it ends in a colon."""
    line = shown[place].text
    follows = _follows(shown, place) if line.endswith(":") else []
    more = next((text.strip() for text in follows if re.search(r"\w", text)), "")
    return questions.line(f"{line} {more}".strip())
