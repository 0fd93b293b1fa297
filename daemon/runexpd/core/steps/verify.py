"""What a tool's verdict makes of an ended job."""

from collections.abc import Iterator

from runexp.wire import events
from runexp.wire.jobs import Failure
from runexp.wire.states import Stage
from runexpd.core.observations import Judged
from runexpd.core.state import State
from runexpd.core.steps import submit


def on_judged(state: State, judged: Judged) -> Iterator[events.Event]:
    """A verdict counts once, and only for the attempt that it is about."""
    job = submit.find(state, judged.experiment, judged.job, judged.token)
    if job is None or job.stage is not Stage.ENDED:
        return
    verdict = judged.verdict
    if verdict.good:
        yield events.ResultVerified(
            job=judged.job,
            token=judged.token,
            detail=verdict.detail,
            artifacts=verdict.artifacts,
            scores=verdict.scores,
            warnings=verdict.warnings,
        )
    else:
        failure = verdict.failure or Failure("unknown", verdict.detail)
        yield events.ResultRejected(
            job=judged.job,
            token=judged.token,
            failure=failure,
            remedy=verdict.remedy,
            warnings=verdict.warnings,
        )
