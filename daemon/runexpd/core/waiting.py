"""What is wrong with a job that waits in a queue: it waits far longer than its siblings did, or for what will never come. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from statistics import median

import msgspec

from runexp.wire import states
from runexp.wire.metrics import Concern
from runexp.wire.states import Phase, Stage
from runexpd.core.doing import span
from runexpd.core.job import Attempt, Job
from runexpd.core.observations import Symptom
from runexpd.core.state import Experiment

#: So many times as long as its siblings, so long at least, and so many siblings that began, though they came later.
LONG_TIMES, LONG_SECONDS, OVERTAKEN = 4.0, 1800.0, 3
#: What never ends by itself is said after so long.
NEVER_SECONDS = 300.0


class Word(msgspec.Struct, frozen=True):
    """What a reason means, and what one can do. `patience_seconds`: after so long it is said; None: only of who was overtaken."""

    reason: str
    means: str
    hint: str
    patience_seconds: float | None = None


#: Slurm's reasons (https://slurm.schedmd.com/job_reason_codes.html), as patterns; the first that fits counts. JOBID is the job's.
_WORDS = (
    Word("JobHeldUser", "you hold it", "release it: scontrol release JOBID", NEVER_SECONDS),
    Word("JobHeldAdmin", "an administrator holds it", "ask your administrators why", NEVER_SECONDS),
    Word(
        "JobHoldMaxRequeue|launch[ _]failed[ _]requeued[ _]held",
        "it could not be started, and is held",
        "ask your administrators; scontrol release JOBID tries again",
        NEVER_SECONDS,
    ),
    Word(
        "DependencyNeverSatisfied",
        "it waits for a job that failed",
        "cancel it: runexp cancel",
        NEVER_SECONDS,
    ),
    Word(
        "BadConstraints",
        "no node has what it asks for",
        "mend --constraint in its script, and retry",
        NEVER_SECONDS,
    ),
    Word(
        "PartitionTimeLimit|Partition(Max|Min)?Node.*|PartitionConfig",
        "it asks for more than its partition has",
        "lower --time or --nodes in its script, and retry",
        NEVER_SECONDS,
    ),
    Word(
        "PartitionDown|PartitionInactive",
        "its partition starts no jobs now",
        "wait, or name another one with --partition",
        NEVER_SECONDS,
    ),
    Word(
        "(Invalid|.*NotAllowed).*|ReservationDeleted",
        "its account, QOS or reservation is not valid",
        "mend --account, --qos or --reservation in its script, and retry",
        NEVER_SECONDS,
    ),
    Word(
        "(QOS|Assoc)Max.*Per(Job|Node).*|QOSTimeLimit|AssociationTimeLimit",
        "it asks for more than one job may have",
        "lower what its script asks for (time, GPUs, memory), and retry",
        NEVER_SECONDS,
    ),
    Word(
        "QOSMin.*",
        "it asks for less than its QOS wants",
        "ask for more, or name another --qos, and retry",
        NEVER_SECONDS,
    ),
    Word(
        "(QOS|Assoc)Grp.*(?<!Run)Minutes(Limit)?|QOSUsageThreshold",
        "the hours of its account are used up",
        "name another --account, or ask for more",
        NEVER_SECONDS,
    ),
    Word(
        "ReqNodeNotAvail.*maintenance.*",
        "its nodes are reserved for maintenance",
        "wait, or lower --time, so that it ends before",
        NEVER_SECONDS,
    ),
    Word(
        "ReqNodeNotAvail.*",
        "the nodes that it needs are down or reserved",
        "wait, or ask for fewer or for others",
        NEVER_SECONDS,
    ),
    Word(
        "Nodes[ _]required.*",
        "nodes that it needs are down, or kept for others",
        "wait, or name another partition",
        LONG_SECONDS,
    ),
    Word("Priority", "others go before it", "wait, or ask for less: time, GPUs, another partition"),
    Word("Resources", "no node has room for it", "wait, or ask for less: memory, GPUs, another partition"),
    Word("(QOS|Assoc|Max).*", "your account or QOS runs as much as it may", "wait, or name another --qos"),
    Word("JobArrayTaskLimit|Dependency", "it waits for another job", "wait for that"),
    Word("BeginTime", "it is to begin later", "wait: its script or a requeue says so"),
    Word("Licenses", "no licence is free", "wait"),
    Word("Reservation", "its reservation has not begun", "wait"),
    Word(".*", "the scheduler gives no plain reason", "ask it: scontrol show job JOBID"),
)


def is_stuck(attempt: Attempt) -> bool:
    """Whether it waits for what doesn't come by itself: nobody knows when it begins."""
    said = (attempt.reason or "").strip("()")
    return attempt.state == states.PENDING and _word(said).patience_seconds is not None


class Begun(msgspec.Struct, frozen=True):
    """Of a phase's jobs that have begun."""

    #: When they were submitted, in order, in seconds since 1970.
    submitted: tuple[float, ...] = ()
    #: How long they waited, in the middle.
    usual_seconds: float = 0.0


def symptoms(e: Experiment, now: float) -> Iterator[tuple[Job, Symptom | None]]:
    """Of each job in the queue what is wrong, or None; `now` in seconds since 1970. As much as there are jobs, and no more."""
    begun = {phase: _begun(e, phase) for phase in Phase}
    for job in e.jobs.values():
        if job.stage is Stage.QUEUED and job.attempt is not None:
            yield job, _symptom(job.attempt, begun[job.spec.phase], now)


def _begun(e: Experiment, phase: Phase) -> Begun:
    known = [
        (a.accepted_at, a.started_at - a.accepted_at)
        for job in e.of(phase)
        if (a := job.attempt) is not None and a.started_at is not None and a.accepted_at is not None
    ]
    if not known:
        return Begun()
    return Begun(tuple(sorted(at for at, _ in known)), max(0.0, median(waited for _, waited in known)))


def _symptom(attempt: Attempt, begun: Begun, now: float) -> Symptom | None:
    if attempt.accepted_at is None or attempt.state != states.PENDING:
        return None
    waited, said = now - attempt.accepted_at, (attempt.reason or "").strip("()")
    word = _word(said)
    if word.patience_seconds is not None and waited >= word.patience_seconds:
        return _told(attempt, word, f"waits for {span(waited)}")
    later = len(begun.submitted) - bisect_left(begun.submitted, attempt.accepted_at)
    if later < OVERTAKEN or waited < max(LONG_SECONDS, LONG_TIMES * begun.usual_seconds):
        return None  # its turn may not have come
    return _told(attempt, word, f"waits for {span(waited)}, its siblings waited {span(begun.usual_seconds)}")


@lru_cache(maxsize=256)
def _word(reason: str) -> Word:
    return next(word for word in _WORDS if re.fullmatch(word.reason, reason, re.DOTALL))


def _told(attempt: Attempt, word: Word, waits: str) -> Symptom:
    why = (attempt.reason or "").strip("()").partition(",")[0] or "no reason given"
    hint = word.hint.replace("JOBID", attempt.slurm_job_id or "JOBID")
    return Symptom(Concern.QUEUE, f"{waits}: {word.means} ({why})", hint)
