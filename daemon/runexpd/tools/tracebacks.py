"""Which exception ended a program, by the end of what it printed: a traceback's lines, ranks and chains. Pure."""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import msgspec

from runexpd.tools import output, questions

#: An exception's message may go on for some lines.
_MESSAGE_LINES = 5
#: Of lines that are part of no traceback, as many from the end tell what happened.
LAST_LINES = 15

_EXCEPTION = re.compile(r"(?!Error:)(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b")
HEAD = "Traceback (most recent call last)"
#: Ranks of a distributed training mark their lines, and their launcher may do so before them.
_RANK = re.compile(r"(?:\[(?:default|rank)(\d{1,6})\]:\s?)+")
#: What Python says between two exceptions of one cause.
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
#: pydantic's and yaml's exceptions tell it in their next lines.
_SAYS_LITTLE = re.compile(r"\d+ validation errors? for |^yaml\.\w+\.\w+Error: while ")
#: What the launcher of ranks raises when one has failed, and the others when one is gone.
_LAUNCHER = "ChildFailedError"
_ECHO = re.compile(
    r"DistBackendError|SignalException|Connection (?:closed|reset) by peer|failed to run the command"
)
_RANK_FAILED = re.compile(
    r"\] failed \(exitcode: -?\d{1,3}\) local_rank: |\] Sending process \d{1,9} closing signal"
)
#: What the launcher says of the rank that failed first.
_ROOT = re.compile(r"Root Cause \(first observed failure\)")
_ROOT_RANK = re.compile(r"\s*rank\s*: (\d{1,6})")
#: Signs that a job went on: whatever was raised before was lived with.
_ALIVE = re.compile(r"\d{1,9}\|\d{1,9}\|Loss|Step \d{1,9} |Checkpoint saved in [\d.]{1,9}")


class Line(msgspec.Struct, frozen=True):
    rank: str | None
    text: str


def shown_lines(text: str) -> list[Line]:
    return [_line(line) for line in output.lines(text)]


def _line(line: str) -> Line:
    marked = _RANK.match(line)
    return Line(marked[1], line[marked.end() :]) if marked else Line(None, line)


def since(shown: Sequence[Line]) -> int:
    """What stands before this line was lived with: two signs of life or more follow. (A bar may be shown once more at the end.)"""
    last = ""
    for place in reversed(range(len(shown))):
        if sign := _ALIVE.match(shown[place].text):
            if last and sign[0] != last:
                return place
            last = sign[0]
    return 0


def raised(shown: Sequence[Line]) -> list[int]:
    """Where exceptions are: those that stand under frames of code; where none does, what looks like one at the end."""
    begin = since(shown)
    places = [place for place in range(begin, len(shown)) if _EXCEPTION.match(shown[place].text)]
    framed = [place for place in places if place and shown[place - 1].text.startswith((" ", "\t", HEAD))]
    if framed:
        return framed
    end = _end(shown)
    return [place for place in places if place >= end]


def _end(shown: Sequence[Line]) -> int:
    """From where on fewer than LAST_LINES lines follow that aren't noise."""
    told = (place for place in reversed(range(len(shown))) if not output.is_noise(shown[place].text))
    return next(islice(told, LAST_LINES - 1, None), 0)


def causes(shown: Sequence[Line], outweighs: Callable[[Sequence[str]], bool]) -> list[int]:
    """Where the exception is that ended it, and before it those that it was raised in the handling of."""
    places = raised(shown)
    if any(is_launchers(shown[place]) for place in places):
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


def is_launchers(line: Line) -> bool:
    return _LAUNCHER in line.text


def launchers_words(shown: Sequence[Line]) -> int:
    """Where the launcher of ranks begins to speak of their end; behind all lines where it doesn't."""
    return next((place for place, line in enumerate(shown) if _RANK_FAILED.search(line.text)), len(shown))


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
    """The last exception; but one that outweighs it, before it: what came after followed from it."""
    weighty = [place for place in places if outweighs(whole_message(shown, place))]
    return max(weighty or places, default=None)


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
    """The exception's line; with the next ones that say something, where it ends in a colon or says less than they do."""
    line = shown[place].text
    most = 1 if line.endswith(":") else 3 if _SAYS_LITTLE.search(line) else 0
    follows = (text.strip() for text in _follows(shown, place) if re.search(r"\w", text))
    return questions.line(" ".join([line, *islice(follows, most)]).strip())


def whole_story(shown: Sequence[Line], causes: Sequence[int]) -> str:
    """The message of the first, which is the last that was raised; and what it all began with."""
    last = message(shown, causes[0])
    return questions.line(f"{last}; caused by {message(shown, causes[-1])}") if len(causes) > 1 else last
