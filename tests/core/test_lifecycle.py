from typing import get_args

import pytest

from runexp.wire import events
from runexp.wire.states import PhaseState, Stage
from runexpd.core import lifecycle

EVENTS: tuple[type[events.Event], ...] = get_args(events.Event)


def reached(start: set[Stage]) -> set[Stage]:
    """Every stage that the table leads to."""
    found = start | {to for (stage, _), to in lifecycle.JOB.items() if stage in start}
    return found if found == start else reached(found)


@pytest.mark.parametrize("stage", Stage)
def test_a_pair_that_is_not_in_the_table_is_illegal(stage: Stage) -> None:
    for kind in EVENTS:
        _check_pair(stage, kind)


def _check_pair(stage: Stage, kind: type[events.Event]) -> None:
    if (stage, kind) in lifecycle.JOB:
        assert lifecycle.next_stage(stage, kind) is lifecycle.JOB[stage, kind]
    else:
        with pytest.raises(lifecycle.IllegalTransition, match=kind.__name__):
            lifecycle.next_stage(stage, kind)


@pytest.mark.parametrize("state", PhaseState)
def test_so_with_phases(state: PhaseState) -> None:
    for kind in EVENTS:
        _check_phase(state, kind)


def _check_phase(state: PhaseState, kind: type[events.Event]) -> None:
    if (state, kind) in lifecycle.PHASE:
        assert lifecycle.next_phase_state(state, kind) is lifecycle.PHASE[state, kind]
    else:
        with pytest.raises(lifecycle.IllegalTransition):
            lifecycle.next_phase_state(state, kind)


def test_every_stage_can_be_reached() -> None:
    assert reached({Stage.PLANNED}) == set(Stage)


def test_nothing_sends_a_job_that_may_be_on_the_cluster_again() -> None:
    may_exist = {Stage.SUBMITTING, Stage.UNCLEAR, Stage.QUEUED, Stage.ENDED, Stage.VERIFIED}
    assert not [pair for pair in lifecycle.JOB if pair[0] in may_exist and pair[1] is events.AttemptIntended]


def test_doubt_leads_only_to_an_answer() -> None:
    answers = {events.SubmitAccepted, events.SubmitRefused, events.SubmitDeferred}
    ways_out = {
        kind for (stage, kind), to in lifecycle.JOB.items() if stage is Stage.UNCLEAR and to is not stage
    }
    assert ways_out == answers
