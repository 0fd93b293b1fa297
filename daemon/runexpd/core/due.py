"""due(state, touched) -> what is owed to the world for the jobs to which something has happened, and when to look again."""

from collections.abc import Iterator
from sys import intern

import msgspec

from runexp.wire import states
from runexp.wire.jobs import Barrier
from runexp.wire.states import Phase, Preparation, Stage
from runexpd.core import commands
from runexpd.core.job import Attempt, Job, last_end
from runexpd.core.state import Experiment, State
from runexpd.core.steps import prepare, submit
from runexpd.core.touched import Touched

_NOT_QUEUED = frozenset(
    {Stage.PLANNED, Stage.SUBMITTING, Stage.UNCLEAR, Stage.MENDING, Stage.SETTING_ASIDE, Stage.IN_DOUBT},
)
#: What a job writes may have a time so much after its end: it shows late, and clocks differ.
LATE_SECONDS = 60.0

#: In place of a job's id, for what an experiment owes as a whole.
OF_NO_JOB = ""


class Due(msgspec.Struct, frozen=True):
    """What is owed to the world, whether or not it is being worked on already."""

    #: Of each touched job, by experiment and job, and of each touched experiment: everything, in place of what it was before. Nothing: nothing is owed any more.
    jobs: dict[tuple[str, str], tuple[commands.Command, ...]]
    #: Gates that nothing but the ends of queued jobs keeps shut.
    gates: frozenset[str]
    #: When something may be owed though nothing else happens, in seconds since 1970; None: not by itself.
    wake_at: float | None


def due(state: State, touched: Touched, now: float) -> Due:
    """What these jobs owe at `now` (seconds since 1970)."""
    owed = {}
    for id in touched:
        if (experiment := state.experiments.get(id)) is not None:
            runs = state.is_running(experiment)
            if touched.is_whole(id) or not runs:
                owed[id, OF_NO_JOB] = tuple(_prepared(experiment)) if runs else ()
            for job in touched.of(experiment):
                owed[id, job.spec.id] = tuple(_allowed(state, experiment, _owed(experiment, job)))
    gates = (gate for experiment in state.running() for gate in _open_gates(experiment))
    return Due(owed, frozenset(gates), submit.wake_at(state, now))


def _allowed(
    state: State, experiment: Experiment, owed: Iterator[commands.Command]
) -> Iterator[commands.Command]:
    """Of a ledger that was put back: what tells how things stand, and changes nothing."""
    if state.is_running(experiment):
        return owed
    only_looks = (c for c in owed if isinstance(c, commands.Watch | commands.Judge))
    return only_looks if state.is_watched(experiment) else iter(())


def _open_gates(experiment: Experiment) -> Iterator[str]:
    """One opens with the ends of jobs that are all in the queue."""
    shut = {
        kind.phase for kind, _ in experiment.jobs.counts() if kind.stage in _NOT_QUEUED and not kind.retired
    }
    yield from (_gate(experiment, phase) for phase in Phase if phase not in shut)


def _gate(experiment: Experiment, phase: Phase) -> str:
    """Of many jobs: held once."""
    return intern(f"{experiment.id} {phase}")


def _gate_of(experiment: Experiment, job: Job, token: str) -> str:
    """What the job's end helps to open: its phase's gate, or one of its own, named by its token."""
    alone = experiment.policy.barrier is Barrier.RUN and job.spec.phase is Phase.OPTIMIZATION
    return token if alone else _gate(experiment, job.spec.phase)


def _prepared(e: Experiment) -> Iterator[commands.Command]:
    if e.preparation is Preparation.RUNNING:
        yield commands.Prepare(e.cluster, e.id, e.dir, prepare.room(e), e.prepared_by, e.preparations)
    elif e.preparation is Preparation.CANCELLING:
        yield commands.EndPreparation(e.cluster, e.id, e.dir, prepare.room(e), e.preparations)


def _owed(experiment: Experiment, job: Job) -> Iterator[commands.Command]:
    if job.stage is Stage.SETTING_ASIDE:
        yield commands.SetAside(experiment.cluster, experiment.id, job.spec, job.aside, job.asides)
    elif job.attempt is not None:
        yield from _for(experiment, job, job.attempt)
        yield from _recorded(experiment, job, job.attempt)


def _recorded(experiment: Experiment, job: Job, attempt: Attempt) -> Iterator[commands.Record]:
    if not attempt.recipe and job.stage in states.IN_FLIGHT | {Stage.ENDED}:
        yield commands.Record(experiment.cluster, experiment.id, experiment.dir, attempt.spec, attempt.token)


def _looked_at(experiment: Experiment, job: Job) -> float:
    """When what the job leaves was last looked at: for `run`, or when an earlier attempt had ended.

    For `retry` when it was asked: what failed is submitted again, whatever lies there.
    """
    asked = experiment.asked_at if experiment.looked_at is None else experiment.looked_at
    return max(asked, last_end(job.attempts[:-1]) + LATE_SECONDS)


def _for(experiment: Experiment, job: Job, attempt: Attempt) -> Iterator[commands.Command]:
    cluster, id, spec, token = experiment.cluster, experiment.id, attempt.spec, attempt.token
    match job.stage:
        case Stage.SUBMITTING:
            variable = attempt.resume.variable if attempt.resume else ""
            yield commands.Submit(cluster, id, spec, token, variable, _looked_at(experiment, job))
        case Stage.UNCLEAR:
            yield commands.Resolve(cluster, id, spec, token)
        case Stage.QUEUED:
            if job.cancel_asked or attempt.given_up:
                yield commands.Cancel(cluster, id, spec, token, attempt.slurm_job_id or "", attempt.mark)
            yield commands.Watch(
                cluster,
                id,
                spec,
                token,
                attempt.slurm_job_id or "",
                attempt.state,
                attempt.output or spec.output,
                attempt.started_at,
                _gate_of(experiment, job, token),
                attempt.mark,
                attempt.number,
                attempt.error or "",
                attempt.reason,
            )
        case Stage.ENDED:
            yield commands.Judge(
                cluster,
                id,
                spec,
                token,
                attempt.slurm_job_id or "",
                attempt.state,
                attempt.exit_code,
                attempt.output or spec.output,
                attempt.started_at,
                attempt.ended_at,
                attempt.error or "",
                experiment.dir,
                attempt.recipe,
                attempt.resume.path if attempt.resume else "",
            )
        case Stage.MENDING:
            assert job.remedy is not None  # it is what was intended
            yield commands.Mend(cluster, id, spec.id, job.mends, job.remedy)
        case _:
            pass
