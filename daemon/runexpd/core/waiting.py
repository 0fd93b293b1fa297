"""What is wrong with a job that waits in a queue: it waits far longer than its siblings did, or for what will never come. Pure."""

from collections.abc import Sequence
from statistics import median

from runexp.wire import states
from runexp.wire.metrics import Concern
from runexp.wire.states import Stage
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


def symptom(e: Experiment, job: Job, now: float) -> Symptom | None:
    """Of a job in the queue; `now` in seconds since 1970."""
    attempt = job.attempt
    if attempt is None or attempt.accepted_at is None or job.stage is not Stage.QUEUED:
        return None
    if attempt.state != states.PENDING:
        return None
    waited, reason = now - attempt.accepted_at, (attempt.reason or "").partition(",")[0].strip("()")
    if reason in _NEVER and waited >= NEVER_SECONDS:
        words, hint = _NEVER[reason]
        return Symptom(Concern.QUEUE, f"waits for {span(waited)}: {words} ({reason})", hint)
    usual = _overtaken(e, job, attempt.accepted_at, waited)
    if usual is None:
        return None
    words, hint = _USUAL.get(
        reason, ("the scheduler gives no plain reason", "ask it: scontrol show job JOBID")
    )
    what = f"waits for {span(waited)}, its siblings waited {span(usual)}: {words} ({reason or 'no reason given'})"
    return Symptom(Concern.QUEUE, what, hint)


def _overtaken(e: Experiment, job: Job, accepted_at: float, waited: float) -> float | None:
    """How long siblings waited, where several that came later have begun; None: its turn may not have come."""
    if waited < LONG_SECONDS:
        return None
    begun = [a for a in _siblings(e, job) if a.started_at is not None and a.accepted_at is not None]
    later = [a for a in begun if a.accepted_at is not None and a.accepted_at >= accepted_at]
    waits = [
        a.started_at - a.accepted_at for a in begun if a.started_at is not None and a.accepted_at is not None
    ]
    if len(later) < OVERTAKEN or waited < LONG_TIMES * median(waits):
        return None
    return median(waits)


def _siblings(e: Experiment, job: Job) -> Sequence[Attempt]:
    return [other.attempt for other in e.of(job.spec.phase) if other is not job and other.attempt is not None]
