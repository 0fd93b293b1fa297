"""The words for what a job, a phase and an experiment can be.

A job has a *stage*, which the rules turn on, and a *state*, the word that is shown: Slurm's own
(https://slurm.schedmd.com/squeue.html, "JOB STATE CODES") once Slurm knows the job, ours before and after.
A word that is not listed here is kept, shown and asked about again; it never ends a job.
"""

from enum import StrEnum


class Phase(StrEnum):
    """What a job is for."""

    #: A training.
    OPTIMIZATION = "optimization"
    #: An evaluation of what was trained, or of a base model.
    EVALUATION = "evaluation"


class PhaseState(StrEnum):
    """How a phase stands."""

    #: Not begun.
    WAITING = "waiting"
    #: Begun, and something is owed or under way.
    RUNNING = "running"
    #: Nothing more is owed.
    CLOSED = "closed"
    #: The barrier decided against it: nothing of this phase is submitted.
    STOPPED = "stopped"


class Stage(StrEnum):
    """How far a job is: what the rules turn on."""

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
    #: Its results are there and good.
    VERIFIED = "verified"
    #: It failed, or left no good results; `runexp retry` submits it again.
    FAILED = "failed"
    #: It failed, and its config is being changed before it is owed again.
    MENDING = "mending"
    #: It is made anew, and what lies there of before is being moved aside.
    SETTING_ASIDE = "setting_aside"
    #: It is not submitted: what it waited for failed, or it was cancelled before.
    SKIPPED = "skipped"


#: Stages in which an attempt may exist on the cluster or is about to.
IN_FLIGHT = frozenset({Stage.SUBMITTING, Stage.UNCLEAR, Stage.QUEUED})
#: Stages in which something of it may be going on, on the cluster or here.
UNDER_WAY = IN_FLIGHT | {Stage.ENDED, Stage.MENDING, Stage.SETTING_ASIDE}
#: Stages in which nothing more is owed.
SETTLED = frozenset({Stage.VERIFIED, Stage.FAILED, Stage.SKIPPED})

# States of ours: before Slurm knows a job, after it has finished with it, and when it has forgotten it.
#: Owed, not sent.
PLANNED = "PLANNED"
#: Being sent, or sent and not answered yet.
SUBMITTING = "SUBMITTING"
#: The cluster would not take it.
SUBMIT_FAILED = "SUBMIT_FAILED"
#: Its results are there and good.
VERIFIED = "VERIFIED"
#: It ended well, and its results are missing or wrong.
UNVERIFIED = "UNVERIFIED"
#: Its results prove neither that it is done nor that it isn't.
UNCLEAR = "UNCLEAR"
#: It was asked to end, and hasn't yet.
CANCELLING = "CANCELLING"
#: It is not submitted.
SKIPPED = "SKIPPED"

#: The cluster accepted it, and neither queue nor accounting knows it any more. It is not over: it may run, or have run.
LOST = "LOST"

# Slurm's.
#: It waits in the queue; Slurm's reason stands beside it.
PENDING = "PENDING"
#: It runs.
RUNNING = "RUNNING"
#: It ended with exit code 0; its results are not judged yet.
COMPLETED = "COMPLETED"
#: It ended with another exit code.
FAILED = "FAILED"
#: It was cancelled, by a person or an administrator.
CANCELLED = "CANCELLED"
#: It reached its time limit.
TIMEOUT = "TIMEOUT"
#: Its node failed.
NODE_FAIL = "NODE_FAIL"
#: Its node could not be started.
BOOT_FAIL = "BOOT_FAIL"
#: It used more memory than it had asked for.
OUT_OF_MEMORY = "OUT_OF_MEMORY"
#: A job of higher priority took its place.
PREEMPTED = "PREEMPTED"
#: It was not over by its deadline.
DEADLINE = "DEADLINE"
#: A federation of clusters runs it elsewhere.
REVOKED = "REVOKED"

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
        OUT_OF_MEMORY,
        PREEMPTED,
        DEADLINE,
        REVOKED,
    }
)


class Preparation(StrEnum):
    """Of what is run once before the evaluations."""

    #: Not begun, or to be begun again.
    OWED = "owed"
    #: The command runs.
    RUNNING = "running"
    #: It was asked to end, and hasn't yet.
    CANCELLING = "cancelling"
    #: It ended with 0, or a person goes on without it.
    DONE = "done"
    #: The evaluations are held until a person decides.
    FAILED = "failed"
    #: It was ended, and the evaluations are held until a person decides.
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """How an experiment ended."""

    #: All that was owed is verified.
    SUCCEEDED = "succeeded"
    #: At least one training is, and not all of the rest.
    PARTIAL = "partial"
    #: No training is; where there was none to train, no evaluation.
    FAILED = "failed"
    #: What is not verified was cancelled.
    CANCELLED = "cancelled"
