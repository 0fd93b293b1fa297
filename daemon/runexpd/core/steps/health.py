"""What a look at how a job is doing means: each concern is raised once, and withdrawn when it is over."""

from collections.abc import Iterator, Sequence

from runexp.wire import events
from runexp.wire.jobs import OnStall
from runexp.wire.metrics import Concern
from runexp.wire.states import Stage
from runexpd.core.job import Job
from runexpd.core.observations import Examined
from runexpd.core.state import Experiment, State
from runexpd.core.steps import submit


def on_examined(state: State, examined: Examined) -> Iterator[events.Event]:
    """Only for the attempt that it is about, while it is under way. What could not be judged stays as it was said."""
    job = submit.find(state, examined.experiment, examined.job, examined.token)
    if job is None or job.attempt is None or job.stage is not Stage.QUEUED:
        return
    said = {each.concern for each in job.attempt.health}
    found = {each.concern: each for each in examined.symptoms}
    for concern in dict.fromkeys(examined.judged):
        if concern in found and concern not in said:
            symptom = found[concern]
            yield events.ConcernRaised(
                job=examined.job,
                token=examined.token,
                concern=concern,
                what=symptom.what,
                hint=symptom.hint,
            )
        elif concern in said and concern not in found:
            yield events.ConcernWithdrawn(job=examined.job, token=examined.token, concern=concern)


def owed(experiment: Experiment, touched: Sequence[Job]) -> Iterator[events.Event]:
    """Jobs that stand still, where the policy wants them ended, of those to which something has happened."""
    if experiment.policy.on_stall is not OnStall.CANCEL:
        return
    for job in touched:
        attempt = job.attempt
        if attempt is None or job.stage is not Stage.QUEUED or job.cancel_asked or attempt.given_up:
            continue
        for stall in (each for each in attempt.health if each.concern is Concern.STALLED):
            yield events.JobGivenUp(job=job.spec.id, token=attempt.token, reason=stall.what)
