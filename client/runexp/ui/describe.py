"""An event as a line for the reader. Pure."""

import time

import msgspec

from runexp.ui import describe_job
from runexp.wire import events, settings
from runexp.wire.events import Envelope
from runexp.wire.jobs import BEFORE


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


OfPreparation = (
    events.PreparationIntended
    | events.PreparationCancelAsked
    | events.PreparationEnded
    | events.PreparationDecided
)
OfPhase = events.PhaseOpened | events.StatusChecked | events.PhaseClosed
OfUpkeep = events.ExperimentArchived | events.ExperimentUnarchived | events.LedgerRestored
Asked = (
    events.RunAsked
    | events.JobsRetired
    | events.RetryAsked
    | events.RerunAsked
    | events.CancelAsked
    | events.PolicyChanged
)


def words(event: events.Event) -> tuple[str, str]:
    """What it is about, and what is said of it."""
    match event:
        case events.ExperimentAdded():
            return event.name, f"entered, {event.dir} on {event.cluster}"
        case events.BarrierCleared():
            return "barrier", ("evaluate: " if event.evaluate else "no evaluation: ") + event.reason
        case events.ExperimentEnded():
            return "experiment", event.outcome
    if isinstance(event, OfPreparation):
        return BEFORE, _of_preparation(event)
    if isinstance(event, OfPhase):
        return event.phase, _of_phase(event)
    if isinstance(event, OfUpkeep):
        return "", _UPKEEP[type(event)]
    if isinstance(event, Asked):
        return "", _asked(event)
    return event.job, describe_job.said(event)


_UPKEEP: dict[type[OfUpkeep], str] = {
    events.ExperimentArchived: "archived: out of sight until something is asked of it",
    events.ExperimentUnarchived: "in sight again",
    events.LedgerRestored: "the ledger was restored from a backup: nothing is done until `runexp run`",
}


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


def _of_phase(event: OfPhase) -> str:
    match event:
        case events.PhaseOpened():
            return "begins"
        case events.StatusChecked():
            return ", ".join(f"{count} {state}" for state, count in event.counts.items())
        case events.PhaseClosed():
            return f"complete, {event.succeeded}/{event.total} succeeded"


def _asked(event: Asked) -> str:
    match event:
        case events.RunAsked():
            said = [f"warning: {warning}" for warning in event.warnings]
            said += [f"{id}: {why}" for id, why in event.why.items()]
            return "\n          ".join((f"run asked: {len(event.jobs)} jobs", *said))
        case events.JobsRetired():
            return f"no longer in the scaffold: {', '.join(event.jobs)}"
        case events.RetryAsked():
            return f"retry asked: {', '.join(event.jobs)}" if event.jobs else "goes on"
        case events.RerunAsked():
            return "made anew: " + ", ".join(_with_why(id, event.why) for id in event.jobs)
        case events.CancelAsked():
            return f"cancel asked: {', '.join(event.jobs)}"
        case events.PolicyChanged():
            return f"set: {settings.said(event.policy)}"


def _with_why(id: str, why: dict[str, str]) -> str:
    return f"{id} ({why[id]})" if id in why else id
