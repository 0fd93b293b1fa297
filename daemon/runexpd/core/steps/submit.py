"""Who may go now, and what the cluster's answer means.

At most `max_submit` jobs of ours are in flight on a cluster, and few of them unanswered; submissions of a phase keep their stagger between them, and evaluations wait for
what is run before them (see prepare).
A token is the experiment's id and a count of all its tokens, which only grows: made of what the ledger holds, so a replay
makes the same ones, and no two attempts ever share one, whatever happens to the scaffold in between.
"""

from collections.abc import Iterator
from typing import assert_never

from runexp.wire import events, states
from runexp.wire.states import Phase, PhaseState, Stage
from runexpd.core.job import Job
from runexpd.core.observations import Accepted, Answer, Deferred, Refused, Unclear
from runexpd.core.state import Experiment, Limits, State
from runexpd.core.steps import prepare

#: So many of a cluster's are on their way at a time: it takes them a batch after another anyway, and no event is to be followed by
#: ten thousand others at once.
MOST_ON_THEIR_WAY = 200
#: A cluster that takes no more is asked again as soon as a job of ours has ended there, or after this long.
DEFER_SECONDS = 20.0


def on_answer(state: State, answer: Answer, now: float) -> Iterator[events.Event]:
    """An answer counts once, and only for the attempt that it is about."""
    job = find(state, answer.experiment, answer.job, answer.token)
    if job is None or job.stage not in (Stage.SUBMITTING, Stage.UNCLEAR):
        return
    match answer:
        case Accepted():
            yield events.SubmitAccepted(
                job=answer.job, token=answer.token, slurm_job_id=answer.slurm_job_id, output=answer.output
            )
        case Refused():
            yield events.SubmitRefused(job=answer.job, token=answer.token, error=answer.error)
        case Deferred():
            yield _deferred(state, answer, now)
        case Unclear():
            if job.stage is Stage.SUBMITTING:
                yield events.SubmitUnclear(job=answer.job, token=answer.token, reason=answer.reason)
        case _:
            assert_never(answer)


def _deferred(state: State, answer: Deferred, now: float) -> events.SubmitDeferred:
    cluster = state.experiments[answer.experiment].cluster
    return events.SubmitDeferred(
        job=answer.job,
        token=answer.token,
        reason=answer.reason,
        until=now if answer.at_once else now + DEFER_SECONDS,
        held=0 if answer.alone else _count(state, cluster, frozenset({Stage.QUEUED})),
        alone=answer.alone,
    )


def find(state: State, experiment: str, job: str, token: str) -> Job | None:
    """The job whose newest attempt has this token; None where the ledger has moved on."""
    known = state.experiments.get(experiment)
    found = known.jobs.get(job) if known else None
    return found if found and found.attempt and found.attempt.token == token else None


def intended(state: State, now: float) -> Iterator[tuple[str, events.Event]]:
    """Owed: the next submissions of each cluster, as (experiment id, event)."""
    for cluster in sorted({e.cluster for e in state.running()}):
        limits = state.limits.get(cluster, Limits())
        room = _most(state, cluster, limits, now) - _count(state, cluster, states.IN_FLIGHT)
        on_their_way = _count(state, cluster, frozenset({Stage.SUBMITTING}))
        yield from _next(state, cluster, limits, min(room, MOST_ON_THEIR_WAY - on_their_way), now)


def _next(
    state: State, cluster: str, limits: Limits, room: int, now: float
) -> Iterator[tuple[str, events.Event]]:
    """As many as there is room for."""
    pace = _Pace(state, cluster, limits, now)
    for experiment in (each for each in _on(state, cluster) if not _is_put_off(each, now)):
        tokens, own = experiment.tokens, _own_room(experiment)
        for phase in _running(experiment):
            for job in _in_turn(experiment.jobs.ready(phase)):
                if min(room, own) <= 0 or pace.free_at(experiment, phase) > now:
                    break
                pace.went(phase)
                room, own, tokens = room - 1, own - 1, tokens + 1
                token, number = token_of(experiment.id, tokens), len(job.attempts) + 1
                yield experiment.id, events.AttemptIntended(job=job.spec.id, number=number, token=token)


def wake_at(state: State, now: float) -> float | None:
    """When `intended` may have more to say though nothing else happens; None: not by itself."""
    times = []
    for cluster in {e.cluster for e in state.running()}:
        limits = state.limits.get(cluster, Limits())
        in_flight = _count(state, cluster, states.IN_FLIGHT)
        if in_flight >= limits.max_submit:
            continue
        room_at = now if in_flight < _most(state, cluster, limits, now) else _held_until(state, cluster, now)
        pace = _Pace(state, cluster, limits, now)
        for e in (each for each in _on(state, cluster) if _own_room(each) > 0):
            own_at = max(room_at, e.put_off_until if _is_put_off(e, now) else now)
            times += [max(own_at, pace.free_at(e, p)) for p in _running(e) if any(e.jobs.ready(p))]
    later = [at for at in times if at > now]
    return min(later, default=None)


class _Pace:
    """How far apart a cluster's submissions keep: those of a phase from the last one of theirs, whoseever it was."""

    def __init__(self, state: State, cluster: str, limits: Limits, now: float) -> None:
        self._experiments = [e for e in state.experiments.values() if e.cluster == cluster]
        self._limits = limits
        self._now = now
        self._went: set[Phase] = set()
        self._known: dict[tuple[Phase, float], float] = {}

    def went(self, phase: Phase) -> None:
        """One goes now."""
        self._went.add(phase)

    def free_at(self, experiment: Experiment, phase: Phase) -> float:
        """From when on the experiment's next one keeps its distance."""
        seconds = self._stagger_seconds(experiment, phase)
        if phase in self._went or seconds == 0:
            return self._now + seconds
        if (phase, seconds) not in self._known:
            self._known[phase, seconds] = self._last(phase, seconds) + seconds
        return self._known[phase, seconds]

    def _last(self, phase: Phase, seconds: float) -> float:
        """As for times ahead: see _is_ahead."""
        trains = phase is Phase.OPTIMIZATION
        known = (e.trained_at if trains else e.evaluated_at for e in self._experiments)
        return max((at for at in known if at <= self._now + seconds), default=float("-inf"))

    def _stagger_seconds(self, experiment: Experiment, phase: Phase) -> float:
        if phase is Phase.OPTIMIZATION:
            own = experiment.policy.stagger_seconds
            return self._limits.stagger_seconds if own is None else own
        own = experiment.policy.stagger_evaluations_seconds
        return self._limits.stagger_evaluations_seconds if own is None else own


def may_go(experiment: Experiment, job: Job) -> bool:
    """Whether a job waits for nothing but its turn."""
    return experiment.phase(job.spec.phase) is PhaseState.RUNNING and experiment.jobs.is_ready(job)


def trainings_of(experiment: Experiment, run: str) -> tuple[Job, ...]:
    """The run's optimization jobs; none for a control or eval-only run."""
    return experiment.jobs.of_run(run, Phase.OPTIMIZATION)


def _own_room(experiment: Experiment) -> float:
    """How many more of its jobs may be in flight, by what was chosen for it alone."""
    most = experiment.policy.max_submit
    return float("inf") if most is None else most - experiment.jobs.in_stages(states.IN_FLIGHT)


def _in_turn(ready: Iterator[Job]) -> Iterator[Job]:
    """Those that were put off alone come after all others, the longest put off first."""
    put_off = []
    for job in ready:
        if job.put_off_until:
            put_off.append(job)
        else:
            yield job
    yield from sorted(put_off, key=lambda job: job.put_off_until)


def _on(state: State, cluster: str) -> Iterator[Experiment]:
    return (experiment for experiment in state.running() if experiment.cluster == cluster)


def _running(experiment: Experiment) -> Iterator[Phase]:
    """Of which jobs may be submitted."""
    held = Phase.EVALUATION if prepare.holds(experiment) else None
    return (phase for phase in Phase if experiment.phase(phase) is PhaseState.RUNNING and phase is not held)


def _most(state: State, cluster: str, limits: Limits, now: float) -> int:
    """How many of ours may be in flight: our own limit, or what the cluster held when it last took no more."""
    held = (e.held_at for e in state.running() if e.cluster == cluster and _is_held(e, now))
    return min((limits.max_submit, *held))


def _held_until(state: State, cluster: str, now: float) -> float:
    held = (e.held_until for e in state.running() if e.cluster == cluster and _is_held(e, now))
    return max(held, default=0.0)


def _is_held(experiment: Experiment, now: float) -> bool:
    return _is_ahead(experiment.held_until, now)


def _is_put_off(experiment: Experiment, now: float) -> bool:
    return _is_ahead(experiment.put_off_until, now)


def _is_ahead(until: float, now: float) -> bool:
    """A clock that was set back leaves times behind that lie too far ahead: they hold nobody up."""
    return now < until <= now + DEFER_SECONDS


def _count(state: State, cluster: str, stages: frozenset[Stage]) -> int:
    return sum(e.jobs.in_stages(stages) for e in state.running() if e.cluster == cluster)


def token_of(experiment: str, number: int) -> str:
    """The name of an experiment's so manieth submission. Older ledgers hold tokens of three parts: none is like it."""
    return f"{experiment}-{number}"
