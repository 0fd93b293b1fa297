"""What is wrong with a job that waits in a queue: it waits far longer than its siblings did, or for what will never come. Pure."""

from bisect import bisect_left
from collections.abc import Iterator
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
#: Slurm's words (https://slurm.schedmd.com/job_reason_codes.html): what they mean, and what one can do.
_NEVER = {
    "JobHeldUser": ("you hold it", "release it: scontrol release JOBID"),
    "JobHeldAdmin": ("an administrator holds it", "ask your administrators why"),
    "DependencyNeverSatisfied": ("it waits for a job that failed", "cancel it: runexp cancel"),
    "BadConstraints": ("no node has what it asks for", "mend --constraint in its script, and retry"),
    "PartitionTimeLimit": (
        "its time limit is above the partition's",
        "lower --time in its script, and retry",
    ),
    "PartitionNodeLimit": ("it asks for more nodes than the partition has", "lower --nodes, and retry"),
    "PartitionDown": ("its partition is down", "wait, or name another one with --partition"),
    "PartitionInactive": ("its partition takes no jobs", "name another one with --partition"),
    "AssocMaxJobsLimit": ("your account runs as many jobs as it may", "wait for others, or ask for more"),
    "AssocGrpCPUMinutesLimit": ("your account's hours are used up", "use another --account, or ask for more"),
    "AssocGrpGRESMinutes": ("your account's GPU hours are used up", "use another --account, or ask for more"),
    "QOSMaxWallDurationPerJobLimit": ("its time limit is above its QOS's", "lower --time, and retry"),
    "InvalidAccount": ("its account is not valid", "mend --account in its script, and retry"),
    "InvalidQOS": ("its QOS is not valid", "mend --qos in its script, and retry"),
    "ReqNodeNotAvail": ("a node that it needs is down or reserved", "wait, or ask for no node by name"),
}
_USUAL = {
    "Priority": ("others go before it", "wait, or ask for less: time, GPUs, another partition"),
    "Resources": ("no node has room for it", "wait, or ask for less: memory, GPUs, another partition"),
    "QOSMaxJobsPerUserLimit": ("as many of yours run as may", "wait for them"),
    "QOSMaxGRESPerUser": ("your jobs hold as many GPUs as they may", "wait for them"),
    "MaxJobsPerAccount": ("your account runs as many jobs as it may", "wait for them"),
    "Dependency": ("it waits for another job", "wait for that"),
    "BeginTime": ("it is to begin later", "wait: its script or a requeue says so"),
}


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
    waited, reason = now - attempt.accepted_at, (attempt.reason or "").partition(",")[0].strip("()")
    if reason in _NEVER and waited >= NEVER_SECONDS:
        words, hint = _NEVER[reason]
        return Symptom(Concern.QUEUE, f"waits for {span(waited)}: {words} ({reason})", hint)
    later = len(begun.submitted) - bisect_left(begun.submitted, attempt.accepted_at)
    if later < OVERTAKEN or waited < max(LONG_SECONDS, LONG_TIMES * begun.usual_seconds):
        return None  # its turn may not have come
    words, hint = _USUAL.get(
        reason, ("the scheduler gives no plain reason", "ask it: scontrol show job JOBID")
    )
    usual, why = span(begun.usual_seconds), reason or "no reason given"
    return Symptom(
        Concern.QUEUE, f"waits for {span(waited)}, its siblings waited {usual}: {words} ({why})", hint
    )
