"""What one may wait for in an experiment, and whether it has come. Pure: of a view alone, so that nothing is missed."""

from collections import Counter
from enum import StrEnum

import msgspec

from runexp.wire.states import Outcome, Phase, PhaseState, Stage
from runexp.wire.views import ExperimentView, JobView


class Goal(StrEnum):
    #: Every training has ended and was judged.
    BARRIER = "barrier"
    END = "end"
    #: A job has failed, and nothing more is done about it by itself.
    FAILURE = "failure"


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """What was waited for, or that it can't come any more."""

    goal: Goal
    experiment: str
    name: str
    #: Of the experiment; for the barrier, of its trainings; for a failure, `failed`.
    outcome: Outcome
    #: For the reader.
    what: str
    #: The failed ones among those that it is about.
    failed: tuple[str, ...] = ()


def reached(goal: Goal, view: ExperimentView) -> Reached | None:
    """None: not yet. An experiment that is over has reached all that it will."""
    match goal:
        case Goal.BARRIER if view.optimization in (PhaseState.CLOSED, PhaseState.STOPPED):
            return _trained(view)
        case Goal.FAILURE if failed := _failed(view.jobs):
            first = next(job for job in view.jobs if job.id == failed[0])
            return _as(
                goal, view, Outcome.FAILED, f"{first.id} failed: {first.detail or first.state}", failed
            )
        case _ if view.outcome is not None:
            return _as(goal, view, view.outcome, f"{view.outcome}: {counted(view.jobs)}", _failed(view.jobs))
        case _:
            return None


def counted(jobs: tuple[JobView, ...]) -> str:
    """`6 VERIFIED, 1 FAILED`, retired ones left out."""
    counts = Counter(job.state for job in jobs if not job.retired)
    return ", ".join(f"{count} {state}" for state, count in counts.most_common()) or "no jobs"


def _trained(view: ExperimentView) -> Reached:
    trainings = tuple(job for job in view.jobs if job.phase is Phase.OPTIMIZATION and not job.retired)
    good = sum(job.stage is Stage.VERIFIED for job in trainings)
    outcome = Outcome.SUCCEEDED if good == len(trainings) else Outcome.PARTIAL if good else Outcome.FAILED
    if good < len(trainings) and view.outcome is Outcome.CANCELLED:
        outcome = Outcome.CANCELLED
    what = f"{good}/{len(trainings)} trainings succeeded: {counted(trainings)}"
    return _as(Goal.BARRIER, view, outcome, what, _failed(trainings))


def _failed(jobs: tuple[JobView, ...]) -> tuple[str, ...]:
    return tuple(job.id for job in jobs if job.stage is Stage.FAILED and not job.retired)


def _as(goal: Goal, view: ExperimentView, outcome: Outcome, what: str, failed: tuple[str, ...]) -> Reached:
    return Reached(goal=goal, experiment=view.id, name=view.name, outcome=outcome, what=what, failed=failed)
