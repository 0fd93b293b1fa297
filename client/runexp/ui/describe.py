"""An event as a line for the reader. Pure."""

import time
from typing import assert_never

import msgspec

from runexp.wire import events, settings
from runexp.wire.events import Envelope
from runexp.wire.jobs import BEFORE, Failure
from runexp.wire.metrics import Concern

#: Of a line that is a help, in characters.
_SHORT = 80


def line(envelope: Envelope) -> str:
    """`17:04:05  rank8  RUNNING`; of an event that this client doesn't know, its name."""
    clock = time.strftime("%H:%M:%S", time.localtime(envelope.at))
    try:
        subject, said = words(msgspec.json.decode(envelope.event, type=events.Event))
    except msgspec.ValidationError:
        subject, said = "", msgspec.json.decode(envelope.event)["type"]
    return f"{clock}  {subject + '  ' if subject else ''}{said}"


#: What is more than news, by its type.
_TONES = {
    "ResultRejected": "bad",
    "SubmitRefused": "bad",
    "MendRefused": "bad",
    "SubmitDeferred": "warn",
    "SubmitUnclear": "doubt",
    "ResultUnclear": "doubt",
    "ResultAwaited": "warn",
    "MendIntended": "change",
    "Mended": "change",
    "JobRequeued": "change",
    "JobResumed": "change",
    "ConcernRaised": "doubt",
    "ConcernWithdrawn": "good",
    "ChangeSeen": "change",
    "AsideRefused": "bad",
    "JobGivenUp": "bad",
    "ResultVerified": "good",
    "BarrierCleared": "strong",
    "PhaseOpened": "strong",
    "PhaseClosed": "strong",
    "ExperimentEnded": "strong",
    "StatusChecked": "dim",
}


def tone(envelope: Envelope) -> str:
    """In which tone of the palette its line is."""
    return _TONES.get(msgspec.json.decode(envelope.event)["type"], "")


_UPKEEP: dict[type[events.Event], str] = {
    events.ExperimentArchived: "archived: out of sight until something is asked of it",
    events.ExperimentUnarchived: "in sight again",
    events.LedgerRestored: "the ledger was restored from a backup: nothing is done until `runexp run`",
}


OfPreparation = (
    events.PreparationIntended
    | events.PreparationCancelAsked
    | events.PreparationEnded
    | events.PreparationDecided
)


def words(event: events.Event) -> tuple[str, str]:  # noqa: C901 - one arm an event
    """What it is about, and what is said of it."""
    if isinstance(event, OfPreparation):
        return BEFORE, _of_preparation(event)
    match event:
        case events.ExperimentAdded():
            return event.name, f"entered, {event.dir} on {event.cluster}"
        case events.RunAsked():
            return "", _run(event)
        case events.JobsRetired() | events.RetryAsked() | events.RerunAsked() | events.CancelAsked():
            return "", _of_jobs(event)
        case events.PolicyChanged():
            return "", f"set: {settings.said(event.policy)}"
        case events.ExperimentArchived() | events.ExperimentUnarchived() | events.LedgerRestored():
            return "", _UPKEEP[type(event)]
        case events.PhaseOpened():
            return event.phase, "begins"
        case events.AttemptIntended():
            return event.job, f"submitting, attempt {event.number}"
        case events.JobAdopted():
            return event.job, f"adopted: job {event.slurm_job_id} of somebody else's runs its script"
        case events.SubmitAccepted():
            return event.job, f"submitted, job {event.slurm_job_id}"
        case events.SubmitRefused():
            return event.job, f"SUBMIT_FAILED: {event.error}"
        case events.SubmitDeferred():
            return event.job, f"put off for now: {event.reason}"
        case events.SubmitUnclear():
            return event.job, f"no word whether it was submitted, being found out: {event.reason}"
        case events.StateChanged():
            return event.job, event.state + (f" ({event.reason})" if event.reason else "")
        case events.ConcernRaised():
            return event.job, f"{_concern(event.concern)}: {event.what}" + (
                f"; {event.hint}" if event.hint else ""
            )
        case events.ConcernWithdrawn():
            return event.job, f"no longer {_concern(event.concern)}"
        case events.JobGivenUp():
            return event.job, f"ended, as --on-stall cancel has it: {event.reason}"
        case events.JobEnded():
            return event.job, f"{event.state}, exit code {event.exit_code}"
        case events.StatusChecked():
            return event.phase, ", ".join(f"{count} {state}" for state, count in event.counts.items())
        case events.ResultAwaited():
            return event.job, f"not to be seen yet, looked for again: {event.detail}"
        case events.ResultUnclear():
            return event.job, f"UNCLEAR, needs a decision: {event.detail}{_warnings(event.warnings)}"
        case events.ResultAccepted():
            return event.job, "accepted: its results are taken as they are"
        case events.ResultVerified():
            scores = "".join(f", {s.metric} {s.value:.3f}" for s in event.scores if s.metric != "stderr")
            return event.job, f"VERIFIED: {event.detail}{scores}{_warnings(event.warnings)}"
        case events.ResultRejected():
            return event.job, _failed(event.failure)
        case events.MendIntended():
            return event.job, f"OOM_RETRY {event.number} of {event.limit}: {event.remedy.summary}"
        case events.Mended():
            return event.job, "config changed"
        case events.MendRefused():
            return event.job, f"OOM_EXHAUSTED: {event.reason}"
        case events.JobRequeued() | events.JobResumed():
            return event.job, f"submitted again, {event.number} of {event.limit}: {event.reason}"
        case (
            events.RecipeRecorded()
            | events.ChangeSeen()
            | events.AsideIntended()
            | events.ResultsSetAside()
            | events.AsideRefused()
        ):
            return event.job, _of_recipe(event)
        case events.JobSkipped():
            return event.job, f"skipped: {event.reason}"
        case events.BarrierCleared():
            return "barrier", ("evaluate: " if event.evaluate else "no evaluation: ") + event.reason
        case events.PhaseClosed():
            return event.phase, f"complete, {event.succeeded}/{event.total} succeeded"
        case events.ExperimentEnded():
            return "experiment", event.outcome
        case _:
            assert_never(event)


def _of_preparation(event: OfPreparation) -> str:
    match event:
        case events.PreparationIntended():
            return f"begins: {event.command}"
        case events.PreparationCancelAsked():
            return "is to end"
        case events.PreparationEnded():
            return _prepared(event)
        case events.PreparationDecided():
            return "run again" if event.again else "left as it is: the evaluations go on without it"


def _prepared(event: events.PreparationEnded) -> str:
    if event.exit_code == 0:
        return "done"
    said = f": {event.said[-1]}" if event.said else ""
    code = "nobody can tell how it ended" if event.exit_code is None else f"exit code {event.exit_code}"
    return f"failed, the evaluations are held: {code}{said}"


def _concern(concern: Concern) -> str:
    return concern.replace("_", " ").upper()


def _run(event: events.RunAsked) -> str:
    said = [f"warning: {warning}" for warning in event.warnings]
    said += [f"{id}: {why}" for id, why in event.why.items()]
    return "\n          ".join((f"run asked: {len(event.jobs)} jobs", *said))


def _of_jobs(
    event: events.JobsRetired | events.RetryAsked | events.RerunAsked | events.CancelAsked,
) -> str:
    match event:
        case events.JobsRetired():
            return f"no longer in the scaffold: {', '.join(event.jobs)}"
        case events.RetryAsked():
            return f"retry asked: {', '.join(event.jobs)}" if event.jobs else "goes on"
        case events.RerunAsked():
            return "made anew: " + ", ".join(_with_why(id, event.why) for id in event.jobs)
        case events.CancelAsked():
            return f"cancel asked: {', '.join(event.jobs)}"
        case _:
            assert_never(event)


def _of_recipe(
    event: events.RecipeRecorded
    | events.ChangeSeen
    | events.AsideIntended
    | events.ResultsSetAside
    | events.AsideRefused,
) -> str:
    match event:
        case events.RecipeRecorded():
            return "its recipe is recorded"
        case events.ChangeSeen():
            said = "; ".join(event.changes) or "as its results were made"
            return f"changed: {said}" + ("; its results are kept" if event.kept else "")
        case events.AsideIntended():
            return f"moving its old results aside: {', '.join(event.paths)}"
        case events.ResultsSetAside():
            return "its old results are out of the way"
        case events.AsideRefused():
            return f"its old results can't be moved aside: {event.reason}"
        case _:
            assert_never(event)


def _with_why(id: str, why: dict[str, str]) -> str:
    return f"{id} ({why[id]})" if id in why else id


def _failed(failure: Failure) -> str:
    """With the last of its words, where the message doesn't hold them; they may be cut short there."""
    last = failure.said[-1].strip() if failure.said else ""
    known = not last or last[:_SHORT] in failure.message
    return f"failed, {failure.kind}: {failure.message}" + ("" if known else f"; last said: {last[:_SHORT]}")


def _warnings(warnings: tuple[str, ...]) -> str:
    return "".join(f"; warning: {warning}" for warning in warnings)
