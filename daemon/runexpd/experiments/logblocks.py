"""The run logs as text: which blocks an event makes, in which log. Pure, so that a log can be written again.

The form is the one that existing readers harvest: `[time] ACTION: subject`, `Details:`, for submissions `Job ID:` on the
third line, `Result:`, and an empty line.
"""

import re
from collections.abc import Callable, Iterator

import msgspec

from runexp import report as summary
from runexp.wire import events, states
from runexp.wire.events import Recorded
from runexp.wire.jobs import Usage
from runexp.wire.states import Phase, Stage
from runexpd.core.state import Experiment, Job
from runexpd.core.steps.report import report

#: The orchestration log; the phases' logs go by the phase's name. Keys of `Experiment.logs`.
EXPERIMENT = "experiment"


class Block(msgspec.Struct, frozen=True):
    """A block of one log."""

    log: str
    action: str
    subject: str
    details: str
    result: str
    job_id: str | None = None

    def text(self, stamp: str) -> str:
        lines = [f"[{stamp}] {self.action}: {_line(self.subject)}", f"Details: {_line(self.details)}"]
        if self.job_id is not None:
            lines.append(f"Job ID: {_line(self.job_id)}")
        return "\n".join([*lines, f"Result: {self.result}", "", ""])


def text_of(
    before: Experiment, recorded: Recorded, after: Experiment, stamp: Callable[[float], str]
) -> Iterator[tuple[str, str]]:
    """The blocks of one event as (log, text); `stamp` writes seconds since 1970 as `YYYY-MM-DD HH:MM:SS`."""
    for block in blocks(before, recorded.event, after):
        yield block.log, block.text(stamp(recorded.at))


def blocks(before: Experiment, event: events.Event, after: Experiment) -> Iterator[Block]:
    match event:
        case events.RunAsked():
            yield from _run_asked(after, event)
        case events.RetryAsked() | events.CancelAsked():
            action = "RETRY" if isinstance(event, events.RetryAsked) else "CANCEL"
            yield Block(EXPERIMENT, action, after.name, f"{len(event.jobs)} jobs", ", ".join(event.jobs))
        case events.PhaseOpened():
            yield from _phase_opened(after, event.phase)
        case events.PhaseClosed():
            yield from _phase_closed(after, event)
        case events.BarrierCleared():
            yield from _barrier_cleared(after, event)
        case events.ExperimentEnded():
            yield _ended(after, event)
        case events.StatusChecked():
            yield Block(event.phase, "STATUS_CHECK", after.name, f"asked {after.cluster}", _counts(event))
        case events.ExperimentAdded() | events.AttemptIntended():
            pass
        case _:
            yield from _of_job(before.jobs[event.job], event, after.jobs[event.job])
            yield from _all_submitted(before, event, after)
            yield from _exhausted(event, after)


def _run_asked(e: Experiment, event: events.RunAsked) -> Iterator[Block]:
    types = ", ".join(f"{sum(r.type == t for r in e.runs)} {t}" for t in sorted({r.type for r in e.runs}))
    tools = f"optimization by {e.tools[Phase.OPTIMIZATION]}, evaluation by {e.tools[Phase.EVALUATION]}"
    yield Block(
        EXPERIMENT, "DISCOVER_EXPERIMENT", e.name, f"{e.dir} on {e.cluster}", f"{len(e.runs)} runs: {types}"
    )
    count = (
        f"{len(e.of(Phase.OPTIMIZATION))} optimization and {len(e.of(Phase.EVALUATION))} evaluation scripts"
    )
    yield Block(EXPERIMENT, "VERIFY_SCAFFOLDING", e.name, tools, count)
    for warning in event.warnings:
        yield Block(EXPERIMENT, "WARNING", e.name, "while reading the scaffold", _line(warning))
    trained = [job.spec.run for job in e.of(Phase.OPTIMIZATION)]
    yield Block(
        Phase.OPTIMIZATION, "IDENTIFY_RUNS", e.name, ", ".join(trained) or "none", f"{len(trained)} to train"
    )


def _phase_opened(e: Experiment, phase: Phase) -> Iterator[Block]:
    jobs = e.of(phase)
    owed = sum(job.stage is Stage.PLANNED for job in jobs)
    count = f"{owed} to submit, {len(jobs) - owed} settled before"
    yield Block(
        EXPERIMENT, f"RUN_{phase.upper()}", e.tools[phase], f"{len(jobs)} jobs, log {e.logs[phase]}", count
    )
    if phase is Phase.EVALUATION:
        names = ", ".join(job.spec.id for job in jobs)
        yield Block(phase, "IDENTIFY_EVALS", e.name, names or "none", f"{len(jobs)} evaluations")


def _phase_closed(e: Experiment, event: events.PhaseClosed) -> Iterator[Block]:
    phase = report(e).optimization if event.phase is Phase.OPTIMIZATION else report(e).evaluation
    failed = [job.id for job in phase.jobs if job.stage is Stage.FAILED]
    details = (
        f"{event.succeeded}/{event.total} succeeded, duration {summary.duration(phase.duration_seconds)}"
    )
    result = f"failed: {', '.join(failed)}" if failed else "none failed"
    yield Block(event.phase, "ALL_COMPLETE", e.name, details, result)
    yield Block(EXPERIMENT, f"{event.phase.upper()}_COMPLETE", phase.tool, details, result)


def _barrier_cleared(e: Experiment, event: events.BarrierCleared) -> Iterator[Block]:
    details = f"trained: {', '.join(event.succeeded) or 'none'}; failed: {', '.join(event.failed) or 'none'}"
    verdict = "evaluate" if event.evaluate else "no evaluation is submitted"
    yield Block(EXPERIMENT, "BARRIER", e.name, details, f"{verdict}: {_line(event.reason)}")
    count = (
        f"{len(event.succeeded)}/{len(event.succeeded) + len(event.failed)} runs have verified checkpoints"
    )
    yield Block(Phase.EVALUATION, "VERIFY_FINETUNING", e.name, details, count)


def _ended(e: Experiment, event: events.ExperimentEnded) -> Block:
    return Block(
        EXPERIMENT,
        "EXPERIMENT_COMPLETE",
        e.name,
        f"{event.outcome}; optimization log {e.logs[Phase.OPTIMIZATION]}, evaluation log {e.logs[Phase.EVALUATION]}",
        f"{event.outcome}\n\n{_plain(summary.markdown(report(e))).rstrip()}",
    )


def _of_job(before: Job, event: events.Event, after: Job) -> Iterator[Block]:
    match event:
        case events.JobAdopted():
            action = "SUBMIT_JOB" if _trains(after) else "SUBMIT_EVAL"
            adopted = "by somebody else: adopted, and watched on"
            yield Block(
                after.spec.phase,
                action,
                after.spec.id,
                f"sbatch {after.spec.script}",
                adopted,
                event.slurm_job_id,
            )
        case (
            events.SubmitAccepted()
            | events.SubmitRefused()
            | events.SubmitDeferred()
            | events.SubmitUnclear()
        ):
            yield from _answered(event, after)
        case events.StateChanged() | events.JobEnded():
            if before.state != event.state:
                yield _state_change(before, event, after)
            if isinstance(event, events.JobEnded) and event.started_at is not None:
                elapsed_seconds = max(0.0, event.ended_at - event.started_at)
                yield _utilization(elapsed_seconds, event.usage or Usage(), after)
        case events.ResultVerified():
            yield _verified(event, after)
        case events.ResultRejected():
            yield from _rejected(event, after)
        case events.MendIntended() | events.MendRefused() | events.JobRequeued():
            yield _retried(event, after)
        case events.JobSkipped():
            action = "SKIP_JOB" if _trains(after) else "SKIP_EVAL"
            yield Block(after.spec.phase, action, after.spec.id, "not submitted", _line(event.reason))


def _answered(
    event: events.SubmitAccepted | events.SubmitRefused | events.SubmitDeferred | events.SubmitUnclear,
    job: Job,
) -> Iterator[Block]:
    phase, id, command = job.spec.phase, job.spec.id, f"sbatch {job.spec.script}"
    match event:
        case events.SubmitAccepted():
            action = "SUBMIT_JOB" if _trains(job) else "SUBMIT_EVAL"
            yield Block(phase, action, id, command, "submitted", event.slurm_job_id)
        case events.SubmitRefused():
            yield Block(phase, "SUBMIT_FAILED", id, command, _line(event.error))
            yield _error(job)
        case events.SubmitDeferred():
            yield Block(phase, "SUBMIT_DEFERRED", id, event.reason, "tried again later")
        case events.SubmitUnclear():
            yield Block(phase, "SUBMIT_UNCLEAR", id, event.reason, "being found out; not submitted again")


def _verified(event: events.ResultVerified, job: Job) -> Block:
    action = "VERIFY_CHECKPOINTS" if _trains(job) else "VERIFY_EVAL"
    known = "" if event.token else "done before: "
    warnings = "".join(f"; warning: {warning}" for warning in event.warnings)
    paths = ", ".join(event.artifacts) or "no files"
    return Block(job.spec.phase, action, job.spec.id, paths, _line(f"{known}{event.detail}{warnings}"))


def _rejected(event: events.ResultRejected, job: Job) -> Iterator[Block]:
    phase, id = job.spec.phase, job.spec.id
    action = "VERIFY_EVAL"
    if _trains(job):
        action = "CHECKPOINT_MISSING" if job.state == states.UNVERIFIED else "VERIFY_FINETUNING"
    yield Block(phase, action, id, f"{event.failure.kind}, {job.state}", _line(event.failure.message))
    yield _error(job)


def _retried(event: events.MendIntended | events.MendRefused | events.JobRequeued, job: Job) -> Block:
    phase, id = job.spec.phase, job.spec.id
    match event:
        case events.MendIntended():
            tries = f"retry {event.number} of {event.limit}, {event.remedy.file}"
            return Block(phase, "OOM_RETRY", id, tries, _line(event.remedy.summary))
        case events.MendRefused():
            return Block(phase, "OOM_EXHAUSTED", id, "its config was left as it is", _line(event.reason))
        case events.JobRequeued():
            return Block(
                phase, "NODE_RETRY", id, f"retry {event.number} of {event.limit}", _line(event.reason)
            )


def _trains(job: Job) -> bool:
    return job.spec.phase is Phase.OPTIMIZATION


def _state_change(before: Job, event: events.StateChanged | events.JobEnded, after: Job) -> Block:
    job_id = after.attempt.slurm_job_id if after.attempt else ""
    exit_code = f", exit code {event.exit_code}" if isinstance(event, events.JobEnded) else ""
    details = f"{before.state} -> {event.state}{exit_code}"
    return Block(
        after.spec.phase, "STATE_CHANGE", after.spec.id, _line(details), f"job {job_id} is {event.state}"
    )


def _counts(event: events.StatusChecked) -> str:
    return f"{sum(event.counts.values())} jobs: " + ", ".join(f"{n} {s}" for s, n in event.counts.items())


def _utilization(elapsed_seconds: float, usage: Usage, job: Job) -> Block:
    job_id = job.attempt.slurm_job_id if job.attempt else ""
    used = summary.utilization(elapsed_seconds, usage)
    return Block(job.spec.phase, "COMPUTE_UTILIZATION", job.spec.id, f"job {job_id} as accounted for", used)


def _error(job: Job) -> Block:
    output = job.attempt.output if job.attempt and job.attempt.output else "none"
    return Block(EXPERIMENT, "ERROR", job.spec.id, f"{job.state}; output: {output}", _line(job.detail))


def _all_submitted(before: Experiment, event: events.Event, after: Experiment) -> Iterator[Block]:
    """Said once: at the answer that leaves no evaluation to send."""
    if not isinstance(event, events.SubmitAccepted | events.SubmitRefused) or _unsent(after):
        return
    if after.jobs[event.job].spec.phase is Phase.EVALUATION and _unsent(before):
        sent = sum(job.attempt is not None for job in after.of(Phase.EVALUATION))
        yield Block(
            Phase.EVALUATION, "ALL_SUBMITTED", after.name, f"{sent} evaluations", "none left to submit"
        )


def _exhausted(event: events.Event, after: Experiment) -> Iterator[Block]:
    if isinstance(event, events.ResultRejected) and event.remedy is not None:
        job, limit = after.jobs[event.job], after.policy.oom_retries
        if job.mends >= limit > 0:
            yield Block(
                Phase.OPTIMIZATION,
                "OOM_EXHAUSTED",
                event.job,
                f"submitted again {limit} times",
                "out of memory still",
            )


def _unsent(e: Experiment) -> bool:
    waiting = (Stage.PLANNED, Stage.SUBMITTING, Stage.UNCLEAR)
    return any(job.stage in waiting for job in e.of(Phase.EVALUATION))


def _plain(text: str) -> str:
    """Lines stay lines; what a terminal would obey goes."""
    return re.sub(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]+", " ", text)


def _line(text: str) -> str:
    """On one line: a block's lines are its form."""
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029]+", " ", text).strip()
