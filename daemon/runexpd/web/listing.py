"""Which of thousands of experiments a page shows: those that are asked for, so many at a time. Pure."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

import msgspec

from runexp.wire.states import Outcome
from runexp.wire.views import ExperimentLine

#: Of a page, and of those that one can choose from.
MOST_ROWS, MOST_CHOICES = 50, 24
#: A list that is as short as this needs no help to be looked through.
SHORT = 8
ARCHIVED = "archived"
_STATES = ("running", *map(str, Outcome), ARCHIVED)


class Tab(msgspec.Struct, frozen=True):
    #: As in an address; empty: all but the archived ones.
    state: str
    words: str
    count: int


class Listing(msgspec.Struct, frozen=True):
    rows: tuple[ExperimentLine, ...]
    #: How many of each kind fit the words; kinds of which there is none are left out, unless they are shown.
    tabs: tuple[Tab, ...]
    #: What was asked for.
    words: str
    state: str
    page: int
    pages: int
    is_short: bool


class Choices(msgspec.Struct, frozen=True):
    rows: tuple[ExperimentLine, ...]
    #: How many more fit the words.
    left_out: int
    words: str


def listing(known: Iterable[ExperimentLine], words: str, state: str, page: int) -> Listing:
    """`words`: what an experiment's name, id, place or state has to hold; `state`: a word of `runexp ls`, `archived`, or nothing.

    `page` counts from 0; the nearest there is.
    """
    every = list(known)
    fitting = [line for line in every if _fits(line, words)]
    chosen = state if state in _STATES else ""
    rows = sorted((line for line in fitting if _is_of(line, chosen)), key=_urgency)
    pages = max(1, -(-len(rows) // MOST_ROWS))
    place = max(0, min(page, pages - 1))
    return Listing(
        rows=tuple(rows[place * MOST_ROWS : (place + 1) * MOST_ROWS]),
        tabs=tuple(_tabs(fitting, chosen)),
        words=words,
        state=chosen,
        page=place,
        pages=pages,
        is_short=len(every) <= SHORT and not any(line.archived for line in every) and not (words or chosen),
    )


def choices(known: Iterable[ExperimentLine], chosen: Collection[str], words: str) -> Choices:
    """Those to choose from: what is chosen already, by id, then the newest that hold the words."""
    every = sorted(known, key=_urgency)
    first = [line for line in every if line.id in chosen]
    others = [line for line in every if line.id not in chosen and not line.archived and _fits(line, words)]
    return Choices((*first, *others[:MOST_CHOICES]), max(0, len(others) - MOST_CHOICES), words)


def _urgency(line: ExperimentLine) -> tuple[bool, float]:
    """What runs, then the newest."""
    return line.outcome is not None, -line.asked_at


def _state(line: ExperimentLine) -> str:
    return ARCHIVED if line.archived else line.outcome or "running"


def _is_of(line: ExperimentLine, state: str) -> bool:
    return _state(line) == state if state else not line.archived


def _fits(line: ExperimentLine, words: str) -> bool:
    if not words:
        return True
    text = f"{line.name} {line.id} {line.cluster}:{line.dir} {line.outcome or 'running'}".casefold()
    return all(word in text for word in words.casefold().split())


def _tabs(fitting: Sequence[ExperimentLine], chosen: str) -> Iterable[Tab]:
    counted = Counter(map(_state, fitting))
    yield Tab("", "all", counted.total() - counted[ARCHIVED])
    for state in _STATES:
        if counted[state] or state == chosen:
            yield Tab(state, state, counted[state])
