"""What is over, or adrift, can be put out of sight, and back; whatever is asked of it brings it back by itself."""

from collections.abc import Iterator

from runexp.wire import events
from runexpd.core.observations import SightWanted
from runexpd.core.state import State


def on_sight(state: State, wanted: SightWanted) -> Iterator[events.Event]:
    """Nothing for one that is under way, or where it is so already."""
    known = state.experiments.get(wanted.experiment)
    if known is None or known.archived == wanted.archived:
        return
    if not wanted.archived:
        yield events.ExperimentUnarchived()
    elif known.outcome is not None or state.is_adrift(known):
        yield events.ExperimentArchived()
