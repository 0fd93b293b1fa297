"""What can't have happened is an error, and changes nothing."""

import pytest

from fakes.builders import ID, World, owed, scaffold
from runexp.wire import events
from runexp.wire.events import Event, Recorded
from runexpd.core.apply import apply
from runexpd.core.commands import Resolve
from runexpd.core.lifecycle import IllegalTransition
from runexpd.core.observations import Unclear

ADDED = events.ExperimentAdded(name="words", dir="/exp", cluster="local")


@pytest.mark.parametrize(
    ("experiment", "event", "said"),
    [
        (ID, ADDED, "added twice"),
        ("e9", events.CancelAsked(jobs=()), "never added"),
        (ID, events.JobSkipped(job="rank99", reason="none"), "is not in experiment"),
        (ID, events.SubmitRefused(job="rank4", token="e1-99", error="no"), "is not the newest"),
    ],
)
def test_an_event_that_does_not_fit_is_refused(experiment: str, event: Event, said: str) -> None:
    world = World()
    world.see(scaffold())
    with pytest.raises(IllegalTransition, match=said):
        apply(world.state, Recorded(seq=99, at=0.0, experiment=experiment, event=event))


def test_a_submission_in_doubt_is_resolved_under_its_own_key() -> None:
    world = World()
    world.see(scaffold())
    world.see(Unclear(experiment=ID, job="rank4", token="e1-1", reason="lost"))
    (resolve,) = [c for c in owed(world.state, world.now) if isinstance(c, Resolve)]
    assert resolve.key == "send e1-1"
