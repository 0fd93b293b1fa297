"""How a job stands, for a reader: groups in the order of urgency, each with a symbol and a tone of its own. Pure."""

from enum import Enum
from typing import assert_never

from runexp.wire.states import LOST, PENDING, Stage
from runexp.wire.views import JobView

#: The words for a job that waits in Slurm's queue.
_WAITING = frozenset({PENDING, "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"})


class Standing(Enum):
    """In the order in which they are shown; the values are the words, the symbol and the tone."""

    FAILED = ("failed", "✗", "bad")
    DOUBT = ("needs a decision", "?", "doubt")
    RUNNING = ("running", "►", "busy")
    QUEUED = ("queued", "◌", "")
    PLANNED = ("planned", "·", "dim")
    DONE = ("done", "✓", "good")
    SKIPPED = ("skipped", "-", "dim")
    RETIRED = ("no longer in the scaffold", "-", "dim")

    @property
    def words(self) -> str:
        return self.value[0]

    @property
    def symbol(self) -> str:
        return self.value[1]

    @property
    def tone(self) -> str:
        return self.value[2]


#: Of these there may be thousands, and there is nothing to see: folded where they are many.
QUIET = frozenset({Standing.PLANNED, Standing.DONE, Standing.SKIPPED, Standing.RETIRED})


def of(job: JobView) -> Standing:
    if job.retired:
        return Standing.RETIRED
    match job.stage:
        case Stage.FAILED:
            return Standing.FAILED
        case Stage.IN_DOUBT:
            return Standing.DOUBT
        case Stage.QUEUED if job.state == LOST:
            return Standing.DOUBT
        case Stage.QUEUED if job.state in _WAITING:
            return Standing.QUEUED
        case Stage.QUEUED | Stage.SUBMITTING | Stage.UNCLEAR | Stage.ENDED | Stage.MENDING:
            return Standing.RUNNING
        case Stage.PLANNED:
            return Standing.PLANNED
        case Stage.VERIFIED:
            return Standing.DONE
        case Stage.SKIPPED:
            return Standing.SKIPPED
        case _:
            assert_never(job.stage)


def mark(job: JobView) -> tuple[str, str]:
    """Its symbol and its tone; a little more is told apart than the groups do."""
    match job.stage:
        case Stage.SUBMITTING:
            return "↑", "busy"
        case Stage.UNCLEAR:
            return "?", "doubt"
        case Stage.ENDED:
            return "∴", "busy"
        case Stage.MENDING:
            return "↻", "change"
        case Stage.VERIFIED if job.warnings:
            return "✓", "warn"
        case _:
            standing = of(job)
            return standing.symbol, standing.tone
