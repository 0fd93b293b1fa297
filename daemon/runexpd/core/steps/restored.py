"""A ledger that was put back as it was once: what was submitted since isn't in it, and must not be submitted a second time."""

from collections.abc import Iterator

from runexp.wire import events
from runexpd.core.observations import Restored
from runexpd.core.state import State


def on_restored(state: State, told: Restored) -> Iterator[tuple[str, events.Event]]:
    """Of each experiment, those that are over too: a token that was used since is not used again."""
    for id, experiment in state.experiments.items():
        if experiment.tokens < told.tokens:
            yield id, events.LedgerRestored(tokens=told.tokens)
