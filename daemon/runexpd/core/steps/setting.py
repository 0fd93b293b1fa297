"""What somebody chooses otherwise of an experiment that is known."""

from collections.abc import Iterator

from runexp.wire import events
from runexpd.core.observations import SettingWanted
from runexpd.core.state import State


def on_setting(state: State, wanted: SettingWanted) -> Iterator[events.Event]:
    """Nothing where it is so already."""
    known = state.experiments.get(wanted.experiment)
    if known is None:
        return
    policy = wanted.typed.put_into(known.policy)
    if policy != known.policy:
        yield events.PolicyChanged(policy=policy)
