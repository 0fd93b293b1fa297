"""What is worth telling of what happened, and in which words. Pure: text from outside is made printable here."""

import shlex
from enum import StrEnum

import msgspec

from runexp.text import printable
from runexp.wire import events
from runexp.wire.events import Recorded
from runexp.wire.jobs import Score
from runexp.wire.metrics import Health
from runexp.wire.states import Outcome, Stage
from runexpd.core.job import Job
from runexpd.core.state import Experiment, Parked
from runexpd.core.steps import prepare
from runexpd.ledger.errors import LedgerError

#: Scores that a line holds.
_MOST_SCORES = 8
#: Of what a job said of its end.
_MOST_CHARACTERS = 300


class Rule(StrEnum):
    """What an address may want to hear. These stand in configurations and in the outbox."""

    #: The first job that fails since `run` or `retry` was asked.
    FAILURE = "failure"
    #: What waits for a person: whether a job's results are good, what comes of a preparation that failed, or of an experiment with
    #: which nothing more is done.
    DECISION = "decision"
    #: All trainings have ended and were judged.
    BARRIER = "barrier"
    #: The experiment has ended; its scores are told.
    END = "end"
    #: A cluster asks for a password or a code.
    LOGIN = "login"
    #: A cluster with jobs of ours has given no answer for long, or does again; the ledger can't be written, or can again.
    UNREACHABLE = "unreachable"
    #: Something is wrong with a job that runs: it stands still, its loss is not a number.
    HEALTH = "health"


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    #: What it is about, the same for the same thing: told once.
    key: str
    rule: Rule
    #: Seconds since 1970.
    at: float
    title: str
    body: str


#: Of which experiments are looked at.
TELLING = (
    events.ResultRejected
    | events.SubmitRefused
    | events.MendRefused
    | events.ResultUnclear
    | events.BarrierCleared
    | events.ExperimentEnded
)


def of_event(recorded: Recorded, e: Experiment, asked_seq: int, typed: str) -> Notice | None:
    """What an event is worth telling; `e` is the experiment by now, `asked_seq` the newest event by which it was asked for.

    A job that failed and was mended or submitted again meanwhile is no failure. `typed` names the experiment on a command line.
    """
    name = printable(e.name)
    match recorded.event:
        case events.ResultRejected(job=id) | events.SubmitRefused(job=id) | events.MendRefused(job=id):
            if (job := e.jobs.get(id)) is None or job.stage is not Stage.FAILED:
                return None
            return Notice(
                key=f"failure:{e.id}:{asked_seq}",
                rule=Rule.FAILURE,
                at=recorded.at,
                title=f"{name}: {printable(id)} failed",
                body=f"{_why(job)}\n{_counted(e)}\nrunexp status {typed}",
            )
        case events.ResultUnclear(job=id, detail=detail):
            if (job := e.jobs.get(id)) is None or job.stage is not Stage.IN_DOUBT:
                return None
            return Notice(
                key=f"decision:{e.id}:{asked_seq}",
                rule=Rule.DECISION,
                at=recorded.at,
                title=f"{name}: {printable(id)} needs your decision",
                body=f"{printable(detail)}\nrunexp accept, retry or cancel {typed} JOB",
            )
        case events.BarrierCleared(evaluate=evaluate, reason=reason):
            decided = "the evaluations go ahead" if evaluate else "nothing is evaluated"
            return Notice(
                key=f"barrier:{recorded.seq}",
                rule=Rule.BARRIER,
                at=recorded.at,
                title=f"{name}: {_trained(recorded.event)}, {decided}",
                body=f"{printable(reason)}\nrunexp attach {typed}",
            )
        case events.ExperimentEnded(outcome=outcome):
            return Notice(
                key=f"end:{recorded.seq}",
                rule=Rule.END,
                at=recorded.at,
                title=f"{name} {_ended(outcome)}",
                body="\n".join(filter(None, [scores(e), _counted(e), f"runexp report {typed}"])),
            )
        case _:
            return None


def _why(job: Job) -> str:
    kind = f"{job.failure.kind}: " if job.failure else ""
    return printable(f"{kind}{job.detail or job.state}")[:_MOST_CHARACTERS]


def _trained(cleared: events.BarrierCleared) -> str:
    good, bad = len(cleared.succeeded), len(cleared.failed)
    return f"{good} of {good + bad} runs trained" if bad else f"all {good} runs trained"


def _ended(outcome: Outcome) -> str:
    match outcome:
        case Outcome.SUCCEEDED:
            return "is done"
        case Outcome.PARTIAL:
            return "is done in part"
        case Outcome.FAILED:
            return "failed"
        case Outcome.CANCELLED:
            return "was cancelled"


def _counted(e: Experiment) -> str:
    """`12 VERIFIED, 1 FAILED`"""
    found = {kind.state: 0 for kind, _ in e.jobs.counts() if not kind.retired}
    for kind, count in e.jobs.counts():
        if not kind.retired:
            found[kind.state] += count
    return ", ".join(f"{count} {state}" for state, count in sorted(found.items()))


def scores(e: Experiment) -> str:
    """In a line: the first metric of each evaluation, the best first; empty where there is none."""
    found = [(job.spec.id, _first(job.scores)) for job in e.current if job.scores]
    ranked = sorted(((id, s) for id, s in found if s is not None), key=lambda each: -each[1].value)
    shown = [f"{printable(id)} {score.value:.3g}" for id, score in ranked[:_MOST_SCORES]]
    more = [f"and {len(ranked) - _MOST_SCORES} more"] if len(ranked) > _MOST_SCORES else []
    return ", ".join([*shown, *more])


def _first(found: tuple[Score, ...]) -> Score | None:
    return next((score for score in found if score.metric != "stderr"), None)


def login_needed(cluster: str, why: str, at: float) -> Notice:
    return Notice(
        key=f"login:{cluster}:{at:.0f}",
        rule=Rule.LOGIN,
        at=at,
        title=f"{cluster} needs you to log in",
        body=f"{printable(why)}\nJobs go on there; nothing new is submitted.\nrunexp login {cluster}",
    )


def unreachable(cluster: str, why: str, since: float, at: float) -> Notice:
    return Notice(
        key=f"unreachable:{cluster}:{at:.0f}",
        rule=Rule.UNREACHABLE,
        at=at,
        title=f"{cluster} has given no answer for {(at - since) / 60:.0f} min",
        body=f"{printable(why)[:_MOST_CHARACTERS]}\nIt is tried again by itself.\nrunexp doctor {cluster}",
    )


def reachable(cluster: str, at: float) -> Notice:
    return Notice(
        key=f"reachable:{cluster}:{at:.0f}",
        rule=Rule.UNREACHABLE,
        at=at,
        title=f"{cluster} answers again",
        body="What happened meanwhile is being caught up with.",
    )


def unwell(name: str, typed: str, job: str, health: Health, at: float) -> Notice:
    return Notice(
        key=f"health:{typed}:{job}:{health.concern}:{at:.0f}",
        rule=Rule.HEALTH,
        at=at,
        title=f"{printable(name)}: {printable(job)}: {printable(health.what)}",
        body="\n".join(filter(None, [printable(health.hint), f"runexp attach {typed}"])),
    )


def parked(e: Experiment, typed: str, left: Parked, at: float) -> Notice:
    """An experiment with which nothing more is done; one that is not so for good is tried again by who asks for it."""
    place = e.dir if e.cluster == "local" else f"{e.cluster}:{e.dir}"
    again = f"Its jobs go on, and nobody looks.\nrunexp run {printable(shlex.quote(place))} tries again"
    ways_out = f"runexp report {typed}" if left.for_good else again
    return Notice(
        key=f"parked:{e.id}:{at:.0f}",
        rule=Rule.DECISION,
        at=at,
        title=f"{printable(e.name or e.id)}: nothing more is done with it",
        body=f"{printable(left.why)[:_MOST_CHARACTERS]}\n{ways_out}",
    )


def unprepared(e: Experiment, typed: str, at: float) -> Notice:
    """What was run before the evaluations has failed, so that they wait."""
    failed = printable(f"{e.prepared_by}: {e.preparation_said}")[:_MOST_CHARACTERS]
    return Notice(
        key=f"preparation:{e.id}:{e.preparations}:{at:.0f}",
        rule=Rule.DECISION,
        at=at,
        title=f"{printable(e.name)}: what runs before the evaluations failed",
        body=f"{failed}\n{prepare.ways_out(typed)}",
    )


def unwritable(trouble: LedgerError, at: float) -> Notice:
    return Notice(
        key=f"ledger:{at:.0f}",
        rule=Rule.UNREACHABLE,
        at=at,
        title="runexp can't write its ledger",
        body=f"{printable(trouble.what)}; {printable(trouble.hint)}\nJobs go on and are watched; nothing new is submitted.",
    )


def writable(at: float) -> Notice:
    return Notice(
        key=f"writable:{at:.0f}",
        rule=Rule.UNREACHABLE,
        at=at,
        title="runexp can write its ledger again",
        body="What happened meanwhile is being caught up with.",
    )
