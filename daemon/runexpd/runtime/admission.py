"""What is let into the ledger: events that survive being written and read back, and that fit what the ledger knows.

Tried on a copy, before anything is committed. What can't be taken is refused alone: an observation that doesn't fit is its
teller's affair, and an experiment whose own consequences can't be taken is parked. All others go on.
"""

from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.events import Recorded
from runexpd.core.apply import apply, fold
from runexpd.core.due import due
from runexpd.core.observations import Asked, Listed, Observation, Tick
from runexpd.core.observe import Fact, observe
from runexpd.core.state import Parked, State
from runexpd.ledger import codec
from runexpd.ledger.errors import LedgerError, LedgerUnwritable
from runexpd.ledger.store import Row


class Admitted(msgspec.Struct, frozen=True):
    """What an observation adds to the ledger, and the state that it leads to."""

    state: State
    recorded: tuple[Recorded, ...] = ()
    rows: tuple[Row, ...] = ()
    #: Why the observation wasn't taken, in a line; empty: it was.
    refused: str = ""
    #: What was refused on the way, and why: for the daemon's own log.
    faults: tuple[tuple[str, Exception], ...] = ()


def admit(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    """Take an observation at `now` (seconds since 1970), numbering on from `last_seq`.

    Whoever asks for something of a parked experiment has it tried once more.
    """
    if not isinstance(observation, Asked) or (left_alone := state.parked.get(observation.experiment)) is None:
        return _admitted(state, observation, now, last_seq)
    if left_alone.for_good:
        return Admitted(state, refused=left_alone.why)
    others = {id: why for id, why in state.parked.items() if id != observation.experiment}
    return _admitted(replace(state, parked=others), observation, now, last_seq)


def _admitted(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    try:
        return _taken(state, observation, now, last_seq)
    except Exception as error:
        settled = parked(state, now, last_seq)
        if settled.state.parked.keys() != state.parked.keys():
            return _joined(settled, _admitted(settled.state, observation, now, last_seq))
        return _piecemeal(state, observation, now, last_seq, error)


def _taken(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    rows = tuple(_rows(observe(state, observation, now), now, last_seq))
    recorded = tuple(Recorded(row.seq, row.at, row.experiment, codec.decode_today(row.body)) for row in rows)
    return Admitted(fold(state, recorded), recorded, rows)


def _rows(facts: Iterable[Fact], now: float, last_seq: int) -> Iterator[Row]:
    for seq, (experiment, event) in enumerate(facts, start=last_seq + 1):
        yield Row(seq, now, experiment, type(event).__name__, codec.encode(event))


def parked(
    state: State, now: float, last_seq: int, commit: Callable[[tuple[Row, ...]], None] = lambda rows: None
) -> Admitted:
    """The state without the experiments whose own consequences can't be taken, nor pass `commit`; a fault for each.

    Raises LedgerError where `commit` does.
    """
    left_out, faults = dict(state.parked), []
    for experiment in state.running():
        alone = replace(state, experiments={experiment.id: experiment}, parked={})
        try:
            commit(_taken(alone, Tick(), now, last_seq).rows)
        except LedgerError:  # no experiment's fault
            raise
        except Exception as error:
            left_out[experiment.id] = Parked(_why(error))
            faults.append((f"experiment {experiment.name} ({experiment.id}) is parked", error))
    return Admitted(replace(state, parked=left_out), faults=tuple(faults))


def without_the_undue(state: State, now: float) -> State:
    """The state without the experiments of which it can't be told what is due."""
    left_out = dict(state.parked)
    for experiment in state.running():
        try:
            list(due(replace(state, experiments={experiment.id: experiment}, parked={}), now))
        except Exception as error:
            left_out[experiment.id] = Parked(_why(error))
    return replace(state, parked=left_out)


def _piecemeal(
    state: State, observation: Observation, now: float, last_seq: int, error: Exception
) -> Admitted:
    """A round's news one by one, so that one that can't be taken hurts no other; anything else is refused."""
    if not isinstance(observation, Listed) or len(observation.reports) < 2:
        said = f"{type(observation).__name__} is refused"
        return Admitted(state, refused=_why(error), faults=((said, error),))
    after = Admitted(state)
    for report in observation.reports:
        alone = Listed(reports=(report,))
        after = _joined(after, _admitted(after.state, alone, now, last_seq + len(after.rows)))
    return replace(after, refused="")


def _joined(first: Admitted, then: Admitted) -> Admitted:
    return Admitted(
        then.state,
        (*first.recorded, *then.recorded),
        (*first.rows, *then.rows),
        then.refused,
        (*first.faults, *then.faults),
    )


def _why(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {error}")[:300]


def replayed(state: State, experiment: str, events: Iterable[Recorded]) -> State:
    """The state with one experiment's past. What can't be read, or can't have happened, is this experiment's alone.

    Raises LedgerUnwritable: the disk's trouble is no experiment's.
    """
    try:
        for recorded in events:
            state = apply(state, recorded)
    except LedgerUnwritable:
        raise
    except Exception as error:
        why = f"its past can't be read: {_why(error)}; this is a fault of runexp's: keep the ledger, and report it"
        return replace(state, parked={**state.parked, experiment: Parked(why, for_good=True)})
    return state
