"""The words for what a job, a phase and an experiment can be.

A job has a *stage*, which the rules turn on, and a *state*, the word that is shown: Slurm's own
(https://slurm.schedmd.com/squeue.html, "JOB STATE CODES") once Slurm knows the job, ours before and after.
A word that is not listed here is kept, shown and asked about again; it never ends a job.
"""

from enum import StrEnum


class Phase(StrEnum):
    OPTIMIZATION = "optimization"
    EVALUATION = "evaluation"


class PhaseState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    CLOSED = "closed"
    #: The barrier decided against it: nothing of this phase is submitted.
    STOPPED = "stopped"


class Stage(StrEnum):
    #: Owed, not sent.
    PLANNED = "planned"
    #: Its intent is in the ledger; the submission may be under way.
    SUBMITTING = "submitting"
    #: Sent, with no word whether it arrived. Resolved, never sent as a new attempt.
    UNCLEAR = "unclear"
    #: The cluster has it.
    QUEUED = "queued"
    #: The cluster has finished with it; its results are not judged yet.
    ENDED = "ended"
    #: Whether its results are good can't be told: a person decides. Neither done nor owed.
    IN_DOUBT = "in_doubt"
    VERIFIED = "verified"
    FAILED = "failed"
    #: It failed, and its config is being changed before it is owed again.
    MENDING = "mending"
    #: It is made anew, and what lies there of before is being moved aside.
    SETTING_ASIDE = "setting_aside"
    SKIPPED = "skipped"


#: Stages in which an attempt may exist on the cluster or is about to.
IN_FLIGHT = frozenset({Stage.SUBMITTING, Stage.UNCLEAR, Stage.QUEUED})
#: Stages in which something of it may be going on, on the cluster or here.
UNDER_WAY = IN_FLIGHT | {Stage.ENDED, Stage.MENDING, Stage.SETTING_ASIDE}
#: Stages in which nothing more is owed.
SETTLED = frozenset({Stage.VERIFIED, Stage.FAILED, Stage.SKIPPED})

# States of ours: before Slurm knows a job, after it has finished with it, and when it has forgotten it.
PLANNED = "PLANNED"
SUBMITTING = "SUBMITTING"
SUBMIT_FAILED = "SUBMIT_FAILED"
VERIFIED = "VERIFIED"
UNVERIFIED = "UNVERIFIED"
#: Its results prove neither that it is done nor that it isn't.
UNCLEAR = "UNCLEAR"
#: It was asked to end, and hasn't yet.
CANCELLING = "CANCELLING"
SKIPPED = "SKIPPED"

#: The cluster accepted it, and neither queue nor accounting knows it any more. It is not over: it may run, or have run.
LOST = "LOST"

# Slurm's.
PENDING = "PENDING"
RUNNING = "RUNNING"
COMPLETED = "COMPLETED"
FAILED = "FAILED"
CANCELLED = "CANCELLED"
TIMEOUT = "TIMEOUT"
NODE_FAIL = "NODE_FAIL"
BOOT_FAIL = "BOOT_FAIL"

#: Slurm's words for a job that is over. PREEMPTED, NODE_FAIL and REVOKED may still be requeued: whoever
#: reads a listing calls a job final only once the queue no longer has it.
END_STATES = frozenset(
    {
        COMPLETED,
        FAILED,
        CANCELLED,
        TIMEOUT,
        NODE_FAIL,
        BOOT_FAIL,
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "DEADLINE",
        "REVOKED",
    }
)


class Preparation(StrEnum):
    """Of what is run once before the evaluations."""

    #: Not begun, or to be begun again.
    OWED = "owed"
    RUNNING = "running"
    DONE = "done"
    #: The evaluations are held until a person decides.
    FAILED = "failed"


class Outcome(StrEnum):
    """How an experiment ended."""

    SUCCEEDED = "succeeded"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
