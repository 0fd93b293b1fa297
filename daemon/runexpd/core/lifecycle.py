"""Which event may happen to a job or a phase in which stage, and where it leads. Everything that affects stages is here.

The tables are the whole truth: a pair that is not in them is an `IllegalTransition`, never a silent no-op. They know
nothing of times, tools or clusters. Theory: an attempt is intended, sent, accepted, ended and judged, in this order;
only a refusal, a deferral or doubt (`UNCLEAR`) branches off, and doubt leads nowhere but to an answer.
"""

from runexp.wire import events
from runexp.wire.states import PhaseState, Preparation, Stage

JOB: dict[tuple[Stage, type[events.Event]], Stage] = {
    (Stage.PLANNED, events.AttemptIntended): Stage.SUBMITTING,
    # Somebody else submitted it, and it is in the queue.
    (Stage.PLANNED, events.JobAdopted): Stage.QUEUED,
    (Stage.PLANNED, events.JobSkipped): Stage.SKIPPED,
    # Its results were there before any attempt of ours.
    (Stage.PLANNED, events.ResultVerified): Stage.VERIFIED,
    (Stage.SUBMITTING, events.SubmitAccepted): Stage.QUEUED,
    (Stage.SUBMITTING, events.SubmitRefused): Stage.FAILED,
    (Stage.SUBMITTING, events.SubmitDeferred): Stage.PLANNED,
    (Stage.SUBMITTING, events.SubmitUnclear): Stage.UNCLEAR,
    (Stage.UNCLEAR, events.SubmitAccepted): Stage.QUEUED,
    (Stage.UNCLEAR, events.SubmitRefused): Stage.FAILED,
    (Stage.UNCLEAR, events.SubmitDeferred): Stage.PLANNED,
    (Stage.QUEUED, events.StateChanged): Stage.QUEUED,
    (Stage.QUEUED, events.ConcernRaised): Stage.QUEUED,
    (Stage.QUEUED, events.ConcernWithdrawn): Stage.QUEUED,
    (Stage.QUEUED, events.JobGivenUp): Stage.QUEUED,
    (Stage.QUEUED, events.JobEnded): Stage.ENDED,
    (Stage.ENDED, events.ResultAwaited): Stage.ENDED,
    (Stage.ENDED, events.ResultVerified): Stage.VERIFIED,
    (Stage.ENDED, events.ResultRejected): Stage.FAILED,
    # Neither good nor bad: a person decides, or a later look tells.
    (Stage.ENDED, events.ResultUnclear): Stage.IN_DOUBT,
    (Stage.PLANNED, events.ResultUnclear): Stage.IN_DOUBT,
    (Stage.IN_DOUBT, events.ResultVerified): Stage.VERIFIED,
    (Stage.IN_DOUBT, events.ResultRejected): Stage.FAILED,
    (Stage.IN_DOUBT, events.ResultAccepted): Stage.VERIFIED,
    (Stage.FAILED, events.ResultAccepted): Stage.VERIFIED,
    # A person has it made anew, or gives it up.
    (Stage.IN_DOUBT, events.RetryAsked): Stage.PLANNED,
    (Stage.IN_DOUBT, events.JobSkipped): Stage.SKIPPED,
    # Looked at again, and gone.
    (Stage.VERIFIED, events.ResultRejected): Stage.FAILED,
    # Looked at again: put away since, or brought back.
    (Stage.VERIFIED, events.ResultVerified): Stage.VERIFIED,
    # Looked at again, and mended by hand.
    (Stage.FAILED, events.ResultVerified): Stage.VERIFIED,
    (Stage.FAILED, events.RetryAsked): Stage.PLANNED,
    # Mended by hand, and in the queue by hand.
    (Stage.FAILED, events.JobAdopted): Stage.QUEUED,
    # Submitted again by rule, with a change to its config or without.
    (Stage.FAILED, events.MendIntended): Stage.MENDING,
    (Stage.MENDING, events.Mended): Stage.PLANNED,
    (Stage.MENDING, events.MendRefused): Stage.FAILED,
    (Stage.FAILED, events.JobRequeued): Stage.PLANNED,
    (Stage.FAILED, events.JobResumed): Stage.PLANNED,
    # Made anew, once what lies there is out of the way.
    (Stage.PLANNED, events.AsideIntended): Stage.SETTING_ASIDE,
    (Stage.SETTING_ASIDE, events.ResultsSetAside): Stage.PLANNED,
    (Stage.SETTING_ASIDE, events.AsideRefused): Stage.FAILED,
    (Stage.SKIPPED, events.RetryAsked): Stage.PLANNED,
    # Whatever it came to.
    **{
        (stage, events.RerunAsked): Stage.PLANNED
        for stage in (Stage.VERIFIED, Stage.FAILED, Stage.SKIPPED, Stage.IN_DOUBT)
    },
    # A scaffold that was read anew changes nothing of what is under way, done, failed or in doubt.
    **{(stage, events.RunAsked): stage for stage in Stage},
    (Stage.SKIPPED, events.RunAsked): Stage.PLANNED,
    # A wish; what comes of it is a later event.
    (Stage.PLANNED, events.CancelAsked): Stage.PLANNED,
    (Stage.SUBMITTING, events.CancelAsked): Stage.SUBMITTING,
    (Stage.UNCLEAR, events.CancelAsked): Stage.UNCLEAR,
    (Stage.QUEUED, events.CancelAsked): Stage.QUEUED,
    (Stage.ENDED, events.CancelAsked): Stage.ENDED,
    (Stage.MENDING, events.CancelAsked): Stage.MENDING,
    (Stage.SETTING_ASIDE, events.CancelAsked): Stage.SETTING_ASIDE,
    (Stage.IN_DOUBT, events.CancelAsked): Stage.IN_DOUBT,
}

PHASE: dict[tuple[PhaseState, type[events.Event]], PhaseState] = {
    (PhaseState.WAITING, events.PhaseOpened): PhaseState.RUNNING,
    # Ledgers hold it twice: `retry` once closed what was running, and opened it again.
    (PhaseState.RUNNING, events.PhaseOpened): PhaseState.RUNNING,
    (PhaseState.RUNNING, events.PhaseClosed): PhaseState.CLOSED,
    # The barrier decided against the phase.
    (PhaseState.WAITING, events.BarrierCleared): PhaseState.STOPPED,
    # Under `barrier: run` evaluations are under way when the last optimization job fails; they go on.
    (PhaseState.RUNNING, events.BarrierCleared): PhaseState.RUNNING,
    **{
        (state, asked): PhaseState.WAITING
        for state in PhaseState
        for asked in (events.RunAsked, events.RetryAsked, events.RerunAsked)
    },
    # What is under way goes on beside what is asked for now.
    (PhaseState.RUNNING, events.RunAsked): PhaseState.RUNNING,
    (PhaseState.RUNNING, events.RetryAsked): PhaseState.RUNNING,
    (PhaseState.RUNNING, events.RerunAsked): PhaseState.RUNNING,
}


#: What may happen to the command before the evaluations; what an end and a decision lead to is in them: see apply.
PREPARATION = frozenset(
    {
        (Preparation.OWED, events.PreparationIntended),
        (Preparation.RUNNING, events.PreparationCancelAsked),
        (Preparation.RUNNING, events.PreparationEnded),
        (Preparation.CANCELLING, events.PreparationEnded),
        (Preparation.FAILED, events.PreparationDecided),
        (Preparation.CANCELLED, events.PreparationDecided),
    }
)


class IllegalTransition(Exception):
    """Raised when an event can't happen to a job or a phase as it stands: a fault of ours, or a damaged ledger."""


def next_stage(stage: Stage, kind: type[events.Event]) -> Stage:
    """Where a kind of event leads a job. Raises IllegalTransition."""
    try:
        return JOB[stage, kind]
    except KeyError:
        raise IllegalTransition(f"{kind.__name__} to a job that is {stage}") from None


def next_phase_state(state: PhaseState, kind: type[events.Event]) -> PhaseState:
    """Where a kind of event leads a phase. Raises IllegalTransition."""
    try:
        return PHASE[state, kind]
    except KeyError:
        raise IllegalTransition(f"{kind.__name__} to a phase that is {state}") from None


def check_preparation(preparation: Preparation, kind: type[events.Event]) -> None:
    """Raises IllegalTransition where a kind of event can't happen to the command before the evaluations."""
    if (preparation, kind) not in PREPARATION:
        raise IllegalTransition(f"{kind.__name__} to a command before the evaluations that is {preparation}")
