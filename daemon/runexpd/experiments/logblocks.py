"""The run logs as text: which blocks an event makes, in which log. Pure, so that a log can be written again."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import assert_never

from runexp import report as summary
from runexp.reporting import content, plain
from runexp.wire import events, settings
from runexp.wire.events import Recorded
from runexp.wire.jobs import BEFORE
from runexp.wire.states import Phase, Stage
from runexpd.core.state import Experiment
from runexpd.core.steps import prepare
from runexpd.core.steps.report import report
from runexpd.experiments.actions import Action
from runexpd.experiments.blocks import EXPERIMENT as EXPERIMENT
from runexpd.experiments.blocks import Block
from runexpd.experiments.jobblocks import of_job

#: What names an experiment on a command line.
Typed = Callable[[Experiment], str]


def text_of(
    before: Experiment, recorded: Recorded, after: Experiment, stamp: Callable[[float], str], typed: Typed
) -> Iterator[tuple[str, str]]:
    """The blocks of one event as (log, text); `stamp` writes seconds since 1970 as `YYYY-MM-DD HH:MM:SS`."""
    for block in blocks(before, recorded.event, after, typed):
        yield block.log, block.text(stamp(recorded.at))


def blocks(before: Experiment, event: events.Event, after: Experiment, typed: Typed) -> Iterator[Block]:
    match event:
        case events.RunAsked():
            yield from _run_asked(after, event)
        case (
            events.JobsRetired()
            | events.RetryAsked()
            | events.RerunAsked()
            | events.CancelAsked()
            | events.PolicyChanged()
            | events.LedgerRestored()
        ):
            yield from _asked(before, event, after)
        case events.PhaseOpened():
            yield from _phase_opened(after, event.phase)
        case events.PhaseClosed():
            yield from _phase_closed(after, event, typed)
        case events.BarrierCleared():
            yield from _barrier_cleared(after, event)
        case (
            events.PreparationIntended()
            | events.PreparationCancelAsked()
            | events.PreparationEnded()
            | events.PreparationDecided()
        ):
            yield from _prepared(after, event, typed)
        case events.ExperimentEnded():
            yield _ended(after, event, typed)
        case events.StatusChecked():
            yield Block(
                event.phase, Action.STATUS_CHECK, after.name, f"asked {after.cluster}", _counts(event)
            )
        case (
            events.ExperimentAdded()
            | events.AttemptIntended()
            | events.Mended()
            | events.RecipeRecorded()
            | events.ResultsSetAside()
            | events.ExperimentArchived()
            | events.ExperimentUnarchived()
        ):
            pass
        case _:
            yield from of_job(before.jobs[event.job], event, after.jobs[event.job], lambda: typed(after))
            yield from _all_submitted(before, event, after)
            yield from _exhausted(event, after)


def _asked(
    before: Experiment,
    event: events.JobsRetired
    | events.RetryAsked
    | events.RerunAsked
    | events.CancelAsked
    | events.PolicyChanged
    | events.LedgerRestored,
    e: Experiment,
) -> Iterator[Block]:
    if isinstance(event, events.PolicyChanged):
        yield Block(EXPERIMENT, Action.SETTINGS, e.name, "changed", settings.said(event.policy))
    elif isinstance(event, events.LedgerRestored):
        yield Block(
            EXPERIMENT, Action.LEDGER_RESTORED, e.name, "as it was once", "nothing is done until `runexp run`"
        )
    else:
        yield from _of_jobs(event, e)
    if isinstance(event, events.RetryAsked | events.RerunAsked):
        yield from _warned(e, [each for each in event.warnings or () if each not in before.warnings])


def _of_jobs(
    event: events.JobsRetired | events.RetryAsked | events.RerunAsked | events.CancelAsked, e: Experiment
) -> Iterator[Block]:
    count, names = f"{len(event.jobs)} jobs", ", ".join(event.jobs)
    match event:
        case events.JobsRetired():
            yield Block(EXPERIMENT, Action.RETIRE, e.name, f"{count}, no longer in the scaffold", names)
        case events.RetryAsked():
            if event.jobs:
                yield Block(EXPERIMENT, Action.RETRY, e.name, count, names)
        case events.RerunAsked():
            for id in event.jobs:
                yield Block(EXPERIMENT, Action.RERUN, id, event.why.get(id, "asked for"), "made anew")
        case events.CancelAsked():
            yield Block(EXPERIMENT, Action.CANCEL, e.name, count, names)
        case _:
            assert_never(event)


def _warned(e: Experiment, warnings: Iterable[str]) -> Iterator[Block]:
    for warning in warnings:
        yield Block(EXPERIMENT, Action.WARNING, e.name, "while reading the scaffold", warning)


def _run_asked(e: Experiment, event: events.RunAsked) -> Iterator[Block]:
    types = ", ".join(f"{sum(r.type == t for r in e.runs)} {t}" for t in sorted({r.type for r in e.runs}))
    tools = f"optimization by {e.tools[Phase.OPTIMIZATION]}, evaluation by {e.tools[Phase.EVALUATION]}"
    yield Block(
        EXPERIMENT,
        Action.DISCOVER_EXPERIMENT,
        e.name,
        f"{e.dir} on {e.cluster}",
        f"{len(e.runs)} runs: {types}",
    )
    count = (
        f"{len(e.of(Phase.OPTIMIZATION))} optimization and {len(e.of(Phase.EVALUATION))} evaluation scripts"
    )
    yield Block(EXPERIMENT, Action.VERIFY_SCAFFOLDING, e.name, tools, count)
    yield from _warned(e, event.warnings)
    for id, why in event.why.items():
        yield Block(EXPERIMENT, Action.TRAIN_ANEW, id, why, "owed again")
    trained = [job.spec.run for job in e.of(Phase.OPTIMIZATION)]
    yield Block(
        Phase.OPTIMIZATION,
        Action.IDENTIFY_RUNS,
        e.name,
        ", ".join(trained) or "none",
        f"{len(trained)} to train",
    )


def _phase_opened(e: Experiment, phase: Phase) -> Iterator[Block]:
    jobs = e.of(phase)
    owed = sum(job.stage is Stage.PLANNED for job in jobs)
    count = f"{owed} to submit, {len(jobs) - owed} settled before"
    yield Block(
        EXPERIMENT,
        Action(f"RUN_{phase.upper()}"),
        e.tools[phase],
        f"{len(jobs)} jobs, log {e.logs[phase]}",
        count,
    )
    if phase is Phase.EVALUATION:
        names = ", ".join(job.spec.id for job in jobs)
        yield Block(phase, Action.IDENTIFY_EVALS, e.name, names or "none", f"{len(jobs)} evaluations")


def _phase_closed(e: Experiment, event: events.PhaseClosed, typed: Typed) -> Iterator[Block]:
    whole = report(e, typed(e))
    phase = whole.optimization if event.phase is Phase.OPTIMIZATION else whole.evaluation
    failed = [job.id for job in phase.jobs if job.stage is Stage.FAILED]
    details = (
        f"{event.succeeded}/{event.total} succeeded, duration {summary.duration(phase.duration_seconds)}"
    )
    result = f"failed: {', '.join(failed)}" if failed else "none failed"
    yield Block(event.phase, Action.ALL_COMPLETE, e.name, details, result)
    yield Block(EXPERIMENT, Action(f"{event.phase.upper()}_COMPLETE"), phase.tool, details, result)


def _barrier_cleared(e: Experiment, event: events.BarrierCleared) -> Iterator[Block]:
    details = f"trained: {', '.join(event.succeeded) or 'none'}; failed: {', '.join(event.failed) or 'none'}"
    verdict = "evaluate" if event.evaluate else "no evaluation is submitted"
    yield Block(EXPERIMENT, Action.BARRIER, e.name, details, f"{verdict}: {event.reason}")
    count = (
        f"{len(event.succeeded)}/{len(event.succeeded) + len(event.failed)} runs have verified checkpoints"
    )
    yield Block(Phase.EVALUATION, Action.VERIFY_FINETUNING, e.name, details, count)


Prepared = (
    events.PreparationIntended
    | events.PreparationCancelAsked
    | events.PreparationEnded
    | events.PreparationDecided
)
#: Lines by which what builds caches tells which: they become blocks of their own, as their readers know them.
_CACHE = re.compile(r"(CACHE_BUILT|CACHE_FAILED): (.+)")


def _prepared(e: Experiment, event: Prepared, typed: Typed) -> Iterator[Block]:
    phase = Phase.EVALUATION
    match event:
        case events.PreparationIntended():
            place = f"on the login node of {e.cluster}, in {e.dir}"
            yield Block(phase, Action.CACHE_PREBUILD, e.name, event.command, f"begun, {place}")
        case events.PreparationCancelAsked():
            yield Block(phase, Action.CACHE_PREBUILD_CANCELLED, e.name, e.prepared_by, "is to end")
        case events.PreparationEnded():
            for action, path in (match.groups() for line in event.said if (match := _CACHE.fullmatch(line))):
                yield Block(phase, Action(action), path, e.prepared_by, "as the command says")
            ok = event.exit_code == 0
            result = e.preparation_said if ok else f"{e.preparation_said}; {prepare.ways_out(typed(e))}"
            action = Action.CACHE_PREBUILD_COMPLETE if ok else Action.CACHE_PREBUILD_FAILED
            yield Block(phase, action, e.name, e.prepared_by, result)
            if not ok:
                yield Block(EXPERIMENT, Action.ERROR, BEFORE, e.prepared_by, e.preparation_said)
        case events.PreparationDecided():
            decided = "run again" if event.again else "the evaluations go on without it"
            yield Block(phase, Action.CACHE_PREBUILD_DECIDED, e.name, "a person decided", decided)
        case _:
            assert_never(event)


def _ended(e: Experiment, event: events.ExperimentEnded, typed: Typed) -> Block:
    logs = f"optimization log {e.logs[Phase.OPTIMIZATION]}, evaluation log {e.logs[Phase.EVALUATION]}"
    return Block(
        EXPERIMENT,
        Action.EXPERIMENT_COMPLETE,
        e.name,
        f"{event.outcome}; {logs}",
        event.outcome,
        body=plain.markdown(content.of(report(e, typed(e)))).rstrip().split("\n"),
    )


def _counts(event: events.StatusChecked) -> str:
    return f"{sum(event.counts.values())} jobs: " + ", ".join(f"{n} {s}" for s, n in event.counts.items())


def _all_submitted(before: Experiment, event: events.Event, after: Experiment) -> Iterator[Block]:
    """Said once: at the answer that leaves no evaluation to send."""
    if not isinstance(event, events.SubmitAccepted | events.SubmitRefused) or _unsent(after):
        return
    if after.jobs[event.job].spec.phase is Phase.EVALUATION and _unsent(before):
        sent = sum(job.attempt is not None for job in after.of(Phase.EVALUATION))
        yield Block(
            Phase.EVALUATION, Action.ALL_SUBMITTED, after.name, f"{sent} evaluations", "none left to submit"
        )


def _exhausted(event: events.Event, after: Experiment) -> Iterator[Block]:
    if isinstance(event, events.ResultRejected) and event.remedy is not None:
        job, limit = after.jobs[event.job], after.policy.oom_retries
        if job.mends >= limit > 0:
            yield Block(
                Phase.OPTIMIZATION,
                Action.OOM_EXHAUSTED,
                event.job,
                f"submitted again {limit} times",
                "out of memory still",
            )


def _unsent(e: Experiment) -> bool:
    waiting = (Stage.PLANNED, Stage.SUBMITTING, Stage.UNCLEAR)
    return any(
        kind.phase is Phase.EVALUATION and kind.stage in waiting and not kind.retired
        for kind, _ in e.jobs.counts()
    )
