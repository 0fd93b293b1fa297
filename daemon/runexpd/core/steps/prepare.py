"""What is run once before the first evaluation, on the cluster's login node: while it runs, or has failed, no evaluation goes.

That it failed is a person's to decide: `retry` runs it again, `accept` goes on without it. One for which no evaluation waits
any more is ended.
"""

import shlex
from collections.abc import Iterator
from posixpath import dirname

from runexp.text import printable
from runexp.wire import events
from runexp.wire.jobs import BEFORE
from runexp.wire.states import Phase, PhaseState, Preparation
from runexpd.core.job import Job
from runexpd.core.observations import PreparationSaid
from runexpd.core.state import Experiment, Limits, State

#: In which no evaluation is submitted.
HOLDING = frozenset(Preparation) - {Preparation.OWED, Preparation.DONE}
#: Which wait for a person.
UNDECIDED = frozenset({Preparation.FAILED, Preparation.CANCELLED})


def owed(state: State, experiment: Experiment) -> Iterator[events.Event]:
    """It is begun once there is an evaluation to submit, and ended when there is none left."""
    if experiment.preparation is Preparation.RUNNING and experiment.is_settled(Phase.EVALUATION):
        yield events.PreparationCancelAsked()
    command = _command(state, experiment)
    begun = experiment.evaluation is PhaseState.RUNNING and any(experiment.jobs.ready(Phase.EVALUATION))
    if command and begun and experiment.preparation is Preparation.OWED:
        yield events.PreparationIntended(command=command, number=experiment.preparations + 1)


def on_cancel(experiment: Experiment, named: tuple[str, ...]) -> Iterator[events.Event]:
    """It can be named beside jobs; with all of them it ends by itself."""
    if BEFORE in named and experiment.preparation is Preparation.RUNNING:
        yield events.PreparationCancelAsked()


def on_said(state: State, said: PreparationSaid) -> Iterator[events.Event]:
    """An answer counts once, and only for the run of it that it is about."""
    known = state.experiments.get(said.experiment)
    if known and known.preparation_runs and known.preparations == said.number:
        yield events.PreparationEnded(number=said.number, exit_code=said.exit_code, said=said.said)


def is_meant(experiment: Experiment, named: tuple[str, ...]) -> bool:
    """Whether a decision about these jobs, none named: about all that failed, is one about it."""
    return experiment.preparation in UNDECIDED and (not named or BEFORE in named)


def holds(experiment: Experiment, typed: str = "") -> str:
    """Why no evaluation goes, and what a person can do about it; empty where it holds none up."""
    command = printable(experiment.prepared_by)
    match experiment.preparation:
        case Preparation.RUNNING:
            return f"before the evaluations runs: {command}"
        case Preparation.CANCELLING:
            return f"before the evaluations is to end: {command}"
        case Preparation.FAILED:
            said = experiment.preparation_said
            return f"before the evaluations failed: {command}: {said}; {ways_out(typed)}"
        case Preparation.CANCELLED:
            return f"before the evaluations was cancelled: {command}; {ways_out(typed)}"
        case _:
            return ""


def room(experiment: Experiment) -> str:
    """Where the newest run of it leaves what it writes: a directory beside the run logs."""
    logs = dirname(experiment.logs.get("experiment", "")) or experiment.dir
    return f"{logs}/{BEFORE}/{experiment.id}-{experiment.preparations}"


def output(experiment: Experiment) -> str:
    """The file."""
    return f"{room(experiment)}/output.log"


def waiting(experiment: Experiment, job: Job) -> str:
    """Why this job waits for it, in short; empty where it doesn't."""
    held = job.spec.phase is Phase.EVALUATION and experiment.preparation in HOLDING
    return f"waits for {BEFORE}, which is {experiment.preparation}" if held else ""


def ways_out(typed: str) -> str:
    """`typed` is what names the experiment on a command line."""
    accept = f"runexp accept {typed} {shlex.quote(BEFORE)}"
    return f"`runexp retry {typed}` runs it again, `{accept}` evaluates without it"


def _command(state: State, experiment: Experiment) -> str:
    own = experiment.policy.before_evaluations
    return state.limits.get(experiment.cluster, Limits()).before_evaluations if own is None else own
