"""What somebody chooses otherwise of an experiment that is known."""

from collections.abc import Iterator

from runexp.wire import events
from runexpd.core.observations import SettingWanted
from runexpd.core.state import State


def on_setting(state: State, wanted: SettingWanted) -> Iterator[events.Event]:
    """Nothing where it is so already."""
    known = state.experiments.get(wanted.experiment)
    if known is not None and known.policy != wanted.policy:
        yield events.PolicyChanged(policy=wanted.policy)
