"""From a page of events to the text that each run log is to have. Pure but for the time zone: it may run in any thread."""

import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from runexp.wire.events import Envelope, Recorded
from runexpd.core.apply import apply, happened
from runexpd.core.held import Held
from runexpd.core.state import Experiment, State
from runexpd.experiments import logblocks
from runexpd.ledger import codec

#: What names an experiment on a command line.
Typed = Callable[[Experiment], str]


class Past(msgspec.Struct, frozen=True):
    """An experiment, folded up to an event."""

    experiment: Experiment | None = None
    seq: int = 0


class Text(msgspec.Struct, frozen=True):
    """What is to be added to one log, and the event after which it is written up to there."""

    data: bytes
    seq: int


class Folded(msgspec.Struct, frozen=True):
    past: Past
    #: By path.
    texts: dict[str, Text] = {}
    #: Why it got no further: the next event can't have happened, or its block can't be made.
    impossible: Exception | None = None
    unmade: Exception | None = None


def folded(
    past: Past,
    page: Sequence[Envelope],
    is_owed: Callable[[str, int], bool],
    typed: Typed,
    live: Experiment | None = None,
) -> Folded:
    """As far as it goes. `is_owed`: whether the log at a path is to have the text of the event of a number.

    `live`: the experiment as somebody holds it, with whom jobs are shared that were no others.
    """
    texts: dict[str, Text] = {}
    held = Held(live.jobs.spec) if live is not None else Held()
    for envelope in page:
        try:
            recorded = _decoded(envelope, held)
            after = _after(past.experiment, recorded)
        except Exception as error:
            return Folded(past, texts, impossible=error)
        try:
            made = list(_made(past.experiment, recorded, after, is_owed, typed))
        except Exception as error:
            return Folded(past, texts, unmade=error)
        for path, text in made:
            before = texts[path].data if path in texts else b""
            texts[path] = Text(before + text.encode(), recorded.seq)
        past = Past(after, recorded.seq)
    return Folded(past, texts)


def _decoded(envelope: Envelope, held: Held) -> Recorded:
    event = codec.decode(bytes(envelope.event), held)
    return Recorded(seq=envelope.seq, at=envelope.at, experiment=envelope.experiment, event=event)


def _after(experiment: Experiment | None, recorded: Recorded) -> Experiment:
    if experiment is None:
        return apply(State(), recorded).experiments[recorded.experiment]
    return replace(happened(experiment, recorded.event, recorded.at), seq=recorded.seq)


def _made(
    before: Experiment | None,
    recorded: Recorded,
    after: Experiment,
    is_owed: Callable[[str, int], bool],
    typed: Typed,
) -> Iterator[tuple[str, str]]:
    paths = {log: path for log, path in after.logs.items() if is_owed(path, recorded.seq)}
    if before is None or not paths:
        return
    for log, text in logblocks.text_of(before, recorded, after, _stamp, typed):
        if log in paths:
            yield paths[log], text


def _stamp(at: float) -> str:
    """In the workstation's own time zone, as a person reads it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
