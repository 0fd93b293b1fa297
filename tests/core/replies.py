"""What a cluster or a person's tools may say to what is due, by the dice."""

from random import Random
from typing import Any

from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, KILLED, MISSING, OUT_OF_MEMORY, helpful
from runexp.wire import states
from runexp.wire.metrics import Concern
from runexpd.core import commands
from runexpd.core.observations import (
    Accepted,
    AsideDone,
    Deferred,
    Examined,
    Judged,
    Listed,
    MendDone,
    Observation,
    PreparationSaid,
    RecipeSeen,
    Refused,
    Report,
    Symptom,
    Unclear,
)

ABSENT = replace(BAD, is_absent=True)

#: Good more often than not, or nothing ever gets far.
VERDICTS = [GOOD, GOOD, GOOD, GOOD, BAD, ABSENT, OUT_OF_MEMORY, KILLED, MISSING, DOUBTFUL]
MANNERS = ["yes", "yes", "yes", "yes", "no", "later", "alone", "now", "lost"]
RUNNING = [states.PENDING, states.RUNNING, "REQUEUED", "LEVITATING", states.LOST, "PREEMPTED"]
ENDS = [*[states.COMPLETED] * 6, *sorted(states.END_STATES)]


def sent(dice: Random, asked: commands.Submit | commands.Resolve) -> Observation:
    """What became of a submission."""
    about: Any = {"experiment": asked.experiment, "job": asked.job.id, "token": asked.token}
    match dice.choice(MANNERS):
        case "no":
            return Refused(**about, error="invalid partition")
        case "later" | "alone" | "now" as when:
            return Deferred(**about, reason="it takes no more", at_once=when == "now", alone=when == "alone")
        case "lost":
            return Unclear(**about, reason="link lost")
        case _:
            return helpful(asked)


def prepared(dice: Random, command: commands.Prepare | commands.EndPreparation) -> PreparationSaid:
    """How what was run before the evaluations came out, whether it was to end or not."""
    code = dice.choice([0, 0, 1, 1, None])
    about: Any = {"experiment": command.experiment, "number": command.number}
    return PreparationSaid(**about, exit_code=code, said=("no space left",) if code else ())


def report(dice: Random, watch: commands.Watch, now: float) -> Report:
    final = dice.random() < 0.7
    return Report(
        experiment=watch.experiment,
        job=watch.job.id,
        token=watch.token,
        state=dice.choice(ENDS if final else RUNNING),
        final=final,
        started_at=now - 5.0,
        ended_at=now if final else None,
    )


def look(dice: Random, watch: commands.Watch) -> Examined:
    """At how a job is doing."""
    judged = dice.sample(list(Concern), dice.randint(1, len(Concern)))
    wrong = [concern for concern in judged if dice.random() < 0.5]
    return Examined(
        experiment=watch.experiment,
        job=watch.job.id,
        token=watch.token,
        judged=tuple(judged),
        symptoms=tuple(Symptom(concern, f"{concern} for 6 min", "look at it") for concern in wrong),
    )


def of(experiment: str, job: str, token: str) -> list[Observation]:
    """Of each kind one, about whatever there may be."""
    about: Any = {"experiment": experiment, "job": job, "token": token}
    return [
        Accepted(**about, slurm_job_id="13", output="/o"),
        Listed(reports=(Report(**about, state=states.FAILED, final=True),)),
        Examined(**about, judged=(Concern.STALLED,), symptoms=(Symptom(Concern.STALLED, "no step"),)),
        Judged(**about, verdict=BAD),
        MendDone(experiment=experiment, job=job, number=99),
        PreparationSaid(experiment=experiment, number=99, exit_code=1),
        AsideDone(experiment=experiment, job=job, number=99),
        RecipeSeen(**about, recipe="a1b2"),
    ]
