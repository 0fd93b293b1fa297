"""What happened to a job, in words, in the order of its life. Pure."""

from runexp.wire import events
from runexp.wire.jobs import Failure
from runexp.wire.metrics import Concern

#: Of a line that is a help, in characters.
_SHORT = 80

OfSubmission = (
    events.AttemptIntended
    | events.JobAdopted
    | events.SubmitAccepted
    | events.SubmitRefused
    | events.SubmitDeferred
    | events.SubmitUnclear
)
OfTheCluster = (
    events.StateChanged
    | events.ConcernRaised
    | events.ConcernWithdrawn
    | events.JobGivenUp
    | events.JobEnded
    | events.JobSkipped
)
OfResult = (
    events.ResultAwaited
    | events.ResultVerified
    | events.ResultUnclear
    | events.ResultAccepted
    | events.ResultRejected
)
Again = events.MendIntended | events.Mended | events.MendRefused | events.JobRequeued | events.JobResumed
OfRecipe = (
    events.RecipeRecorded
    | events.ChangeSeen
    | events.AsideIntended
    | events.ResultsSetAside
    | events.AsideRefused
)
#: All that happens to one job.
OfJob = OfSubmission | OfTheCluster | OfResult | Again | OfRecipe


def said(event: OfJob) -> str:
    """What is said of it; the job is named beside."""
    if isinstance(event, OfSubmission):
        return _of_submission(event)
    if isinstance(event, OfTheCluster):
        return _of_the_cluster(event)
    if isinstance(event, OfResult):
        return _of_result(event)
    return _again(event) if isinstance(event, Again) else _of_recipe(event)


def _of_submission(event: OfSubmission) -> str:
    match event:
        case events.AttemptIntended():
            return f"submitting, attempt {event.number}"
        case events.JobAdopted():
            return f"adopted: job {event.slurm_job_id} of somebody else's runs its script"
        case events.SubmitAccepted():
            return f"submitted, job {event.slurm_job_id}"
        case events.SubmitRefused():
            return f"SUBMIT_FAILED: {event.error}"
        case events.SubmitDeferred():
            return f"put off for now: {event.reason}"
        case events.SubmitUnclear():
            return f"no word whether it was submitted, being found out: {event.reason}"


def _of_the_cluster(event: OfTheCluster) -> str:
    match event:
        case events.StateChanged():
            return event.state + (f" ({event.reason})" if event.reason else "")
        case events.ConcernRaised():
            return f"{_concern(event.concern)}: {event.what}" + (f"; {event.hint}" if event.hint else "")
        case events.ConcernWithdrawn():
            return f"no longer {_concern(event.concern)}"
        case events.JobGivenUp():
            return f"ended, as --on-stall cancel has it: {event.reason}"
        case events.JobEnded():
            return f"{event.state}, exit code {event.exit_code}"
        case events.JobSkipped():
            return f"skipped: {event.reason}"


def _concern(concern: Concern) -> str:
    return concern.replace("_", " ").upper()


def _of_result(event: OfResult) -> str:
    match event:
        case events.ResultAwaited():
            return f"not to be seen yet, looked for again: {event.detail}"
        case events.ResultUnclear():
            return f"UNCLEAR, needs a decision: {event.detail}{_warnings(event.warnings)}"
        case events.ResultAccepted():
            return "accepted: its results are taken as they are"
        case events.ResultVerified():
            scores = "".join(f", {s.metric} {s.value:.3f}" for s in event.scores if s.metric != "stderr")
            return f"VERIFIED: {event.detail}{scores}{_warnings(event.warnings)}"
        case events.ResultRejected():
            return _failed(event.failure)


def _again(event: Again) -> str:
    match event:
        case events.MendIntended():
            return f"OOM_RETRY {event.number} of {event.limit}: {event.remedy.summary}"
        case events.Mended():
            return "config changed"
        case events.MendRefused():
            return f"OOM_EXHAUSTED: {event.reason}"
        case events.JobRequeued() | events.JobResumed():
            return f"submitted again, {event.number} of {event.limit}: {event.reason}"


def _of_recipe(event: OfRecipe) -> str:
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


def _failed(failure: Failure) -> str:
    """With the last of its words, where the message doesn't hold them; they may be cut short there."""
    last = failure.said[-1].strip() if failure.said else ""
    known = not last or last[:_SHORT] in failure.message
    return f"failed, {failure.kind}: {failure.message}" + ("" if known else f"; last said: {last[:_SHORT]}")


def _warnings(warnings: tuple[str, ...]) -> str:
    return "".join(f"; warning: {warning}" for warning in warnings)
