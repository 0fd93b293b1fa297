"""What is let into the ledger: events that survive being written and read back, and that fit what the ledger knows.

Tried on a copy, before anything is committed. What can't be taken is refused alone: an observation that doesn't fit is its
teller's affair, and an experiment whose own consequences can't be taken is parked. All others go on.
"""

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.events import Event, Recorded, RunAsked
from runexpd.core.apply import apply, fold
from runexpd.core.due import due
from runexpd.core.held import Held
from runexpd.core.observations import Asked, Begun, Listed, Observation
from runexpd.core.observe import observe
from runexpd.core.state import Parked, State
from runexpd.core.touched import Touched
from runexpd.ledger import codec
from runexpd.ledger.errors import LedgerError, LedgerUnwritable
from runexpd.ledger.store import Row


class Admitted(msgspec.Struct, frozen=True):
    """What an observation adds to the ledger, and the state that it leads to."""

    state: State
    recorded: tuple[Recorded, ...] = ()
    rows: tuple[Row, ...] = ()
    #: Of which it must be told anew what is due.
    touched: Touched = Touched()
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
    if state.is_lost(observation.experiment):
        return Admitted(state, refused=left_alone.why)
    others = {id: why for id, why in state.parked.items() if id != observation.experiment}
    begun = Begun(experiments=(observation.experiment,))
    again = _admitted(replace(state, parked=others), begun, now, last_seq)
    return joined(again, _admitted(again.state, observation, now, last_seq + len(again.rows)))


def _admitted(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    try:
        return _taken(state, observation, now, last_seq)
    except Exception as error:
        settled = parked(state, now, last_seq)
        if settled.state.parked.keys() != state.parked.keys():
            return joined(settled, _admitted(settled.state, observation, now, last_seq))
        return _piecemeal(state, observation, now, last_seq, error)


def _taken(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    happened = observe(state, observation, now, last_seq)
    rows = tuple(map(_row, happened.recorded))
    recorded = tuple(
        Recorded(row.seq, row.at, row.experiment, _read_back(row, meant.event))
        for row, meant in zip(rows, happened.recorded, strict=True)
    )
    # What is read back is what counts, also where it isn't what was meant.
    after = happened.state if recorded == tuple(happened.recorded) else fold(state, recorded)
    return Admitted(after, recorded, rows, happened.touched)


def _row(recorded: Recorded) -> Row:
    event = recorded.event
    return Row(recorded.seq, recorded.at, recorded.experiment, type(event).__name__, codec.encode(event))


def _read_back(row: Row, meant: Event) -> Event:
    """Of jobs that come back as they were, none is made anew."""
    specs = {spec.id: spec for spec in meant.jobs} if isinstance(meant, RunAsked) else {}
    return codec.decode_today(row.body, Held(specs.get))


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
            begun = Begun(experiments=(experiment.id,))
            taken = _taken(alone, begun, now, last_seq)
            due(taken.state, taken.touched, now)
            commit(taken.rows)
        except LedgerError:  # no experiment's fault
            raise
        except Exception as error:
            left_out[experiment.id] = Parked(_why(error))
            faults.append((f"experiment {experiment.name} ({experiment.id}) is parked", error))
    touched = Touched(left_out.keys() - state.parked.keys())
    return Admitted(replace(state, parked=left_out), touched=touched, faults=tuple(faults))


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
        after = joined(after, _admitted(after.state, alone, now, last_seq + len(after.rows)))
    return replace(after, refused="")


def joined(first: Admitted, then: Admitted) -> Admitted:
    """One after the other."""
    return Admitted(
        then.state,
        (*first.recorded, *then.recorded),
        (*first.rows, *then.rows),
        first.touched | then.touched,
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
