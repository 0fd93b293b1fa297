"""How a job stands, for a reader: groups in the order of urgency, each with a symbol and a tone of its own. Pure."""

from enum import Enum

from runexp.wire import states
from runexp.wire.states import LOST, PENDING, UNDER_WAY, Stage
from runexp.wire.views import JobView

#: The words for a job that waits in Slurm's queue.
_WAITING = frozenset({PENDING, "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})


class Standing(Enum):
    """In the order in which they are shown; the values are the words, the symbol and the tone."""

    FAILED = ("failed", "✗", "bad")
    DOUBT = ("needs a decision", "?", "doubt")
    AILING = ("not as it should be", "!", "doubt")
    RUNNING = ("running", "►", "busy")
    QUEUED = ("queued", "◌", "")
    PLANNED = ("planned", "·", "dim")
    DONE = ("done", "✓", "good")
    SKIPPED = ("skipped", "-", "dim")
    RETIRED = ("no longer in the scaffold", "-", "dim")

    def __init__(self, words: str, symbol: str, tone: str) -> None:
        self.words = words
        self.symbol = symbol
        self.tone = tone


#: Of these there may be thousands, and there is nothing to see: folded where they are many.
QUIET = frozenset({Standing.PLANNED, Standing.DONE, Standing.SKIPPED, Standing.RETIRED})


_STANDINGS = {
    Stage.FAILED: Standing.FAILED,
    Stage.IN_DOUBT: Standing.DOUBT,
    Stage.SUBMITTING: Standing.RUNNING,
    Stage.UNCLEAR: Standing.RUNNING,
    Stage.QUEUED: Standing.RUNNING,
    Stage.ENDED: Standing.RUNNING,
    Stage.MENDING: Standing.RUNNING,
    Stage.SETTING_ASIDE: Standing.RUNNING,
    Stage.PLANNED: Standing.PLANNED,
    Stage.VERIFIED: Standing.DONE,
    Stage.SKIPPED: Standing.SKIPPED,
}


def of(job: JobView) -> Standing:
    """Where it belongs."""
    if job.retired:
        return Standing.RETIRED
    if job.health and job.stage in UNDER_WAY:
        return Standing.AILING
    if job.stage is Stage.QUEUED and job.state == LOST:
        return Standing.DOUBT
    if job.stage is Stage.QUEUED and job.state in _WAITING:
        return Standing.QUEUED
    return _STANDINGS[job.stage]


def mark(job: JobView) -> tuple[str, str]:
    """Its symbol and its tone; a little more is told apart than the groups do."""
    match job.stage:
        case Stage.SUBMITTING:
            return "↑", "busy"
        case Stage.UNCLEAR:
            return "?", "doubt"
        case Stage.ENDED:
            return "∴", "busy"
        case Stage.MENDING | Stage.SETTING_ASIDE:
            return "↻", "change"
        case Stage.VERIFIED if job.warnings:
            return "✓", "warn"
        case _:
            standing = of(job)
            return standing.symbol, standing.tone


def of_state(state: str) -> Standing:
    """The same by the word alone, where there is no more."""
    if state in _FAILED:
        return Standing.FAILED
    if state in _WAITING:
        return Standing.QUEUED
    return _STATES.get(state, Standing.RUNNING)


_FAILED = (states.END_STATES - {states.COMPLETED}) | {states.SUBMIT_FAILED, states.UNVERIFIED}
_STATES = {
    states.UNCLEAR: Standing.DOUBT,
    states.LOST: Standing.DOUBT,
    states.PLANNED: Standing.PLANNED,
    states.VERIFIED: Standing.DONE,
    states.SKIPPED: Standing.SKIPPED,
}
