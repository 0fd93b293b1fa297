"""The verdicts on results, and how far jobs are, as their tools see them.

Whatever a tool module returns or raises is one job's affair, and becomes a verdict that is unclear.
"""

from collections.abc import Mapping, Sequence

import msgspec
from loguru import logger
from msgspec.structs import replace

from runexp.text import on_one_line, printable
from runexp.wire.jobs import Failure, Finding, JobSpec, Progress, Verdict
from runexpd.core import job as ledger
from runexpd.core.commands import Judge
from runexpd.hosts.base import Files
from runexpd.runtime import rounds
from runexpd.runtime.digest import Lane
from runexpd.runtime.rounds import Fault, Pace
from runexpd.tools import resources
from runexpd.tools.base import Attempt, Question, Tool

JUDGING = Pace(most_rounds=8, together=200, seconds=30.0, alone_seconds=10.0)
#: Of what is only shown.
SHOWING = Pace(most_rounds=8, together=1, seconds=3.0, alone_seconds=3.0, lane=Lane.LOOKING)
_MOST_LINES = 200


class Look(msgspec.Struct, frozen=True):
    """A job whose results are to be looked at, and the attempt they are to be of; None: of any earlier time."""

    job: JobSpec
    attempt: Attempt | None


class Seen(msgspec.Struct, frozen=True):
    verdict: Verdict
    #: Another look would see nothing else: what failed was the looking itself.
    in_vain: bool = False


def of_judge(command: Judge) -> Look:
    """What is to be looked at for an ended job."""
    attempt = Attempt(
        slurm_job_id=command.slurm_job_id,
        state=command.state,
        exit_code=command.exit_code,
        started_at=command.started_at,
        ended_at=command.ended_at,
        output=command.output,
        error=command.error,
        resumed_from=command.resumed_from,
    )
    return Look(command.job, attempt)


def of_known(job: JobSpec, known: ledger.Job | None) -> Look:
    """What is to be looked at for a job of a scaffold: its verified attempt, where it has one."""
    if known is None or known.attempt is None or known.attempt.token != known.proof:
        return Look(job, None)
    attempt = Attempt(
        slurm_job_id=known.attempt.slurm_job_id or "",
        state=known.attempt.state,
        exit_code=known.attempt.exit_code,
        started_at=known.attempt.started_at,
        ended_at=known.attempt.ended_at,
        output=known.attempt.output or known.attempt.spec.output,
        error=known.attempt.error or "",
        resumed_from=known.attempt.resume.path if known.attempt.resume else "",
    )
    return Look(job, attempt)


async def look_at(tools: Mapping[str, Tool], files: Files, looks: Sequence[Look]) -> list[Seen]:
    """The verdict on each, in order. Raises HostUnreachable."""
    asked = [(tools[look.job.tool], look) for look in looks if look.job.tool in tools]
    found = iter(await rounds.put(_verdict, asked, files.fetch, JUDGING))
    return [
        _seen(look.job, next(found)) if look.job.tool in tools else _unknown(tools, look) for look in looks
    ]


def _unknown(tools: Mapping[str, Tool], look: Look) -> Seen:
    known = ", ".join(sorted(tools))
    return _unclear(f"the tool {look.job.tool} is not installed here; known: {known}", in_vain=True)


def _verdict(about: tuple[Tool, Look]) -> Question[Verdict]:
    tool, look = about
    return _checked((yield from resources.along_with(tool.verify(look.job, look.attempt), look.attempt)))


def _checked(value: object) -> Verdict:
    """What can be stored and shown, or an error: a verdict goes into the ledger. Raises MsgspecError, TypeError."""
    if not isinstance(value, Verdict):
        raise TypeError(f"a verdict was expected, not {type(value).__name__}")
    failure = value.failure and Failure(
        printable(value.failure.kind),
        printable(value.failure.message),
        tuple(map(on_one_line, value.failure.said[:_MOST_LINES])),
    )
    shown = replace(
        value,
        detail=printable(value.detail),
        failure=failure,
        artifacts=tuple(map(printable, value.artifacts)),
        scores=tuple(
            replace(s, name=printable(s.name), metric=printable(s.metric)) for s in value.scores[:_MOST_LINES]
        ),
        warnings=tuple(map(printable, value.warnings[:_MOST_LINES])),
        blocked=printable(value.blocked),
    )
    return msgspec.json.decode(msgspec.json.encode(shown), type=Verdict)


def _seen(job: JobSpec, step: Verdict | Fault) -> Seen:
    if isinstance(step, Verdict):
        return Seen(step)
    logger.error("tool {} failed on {}: {}\n{}", job.tool, job.id, step.what, step.trace)
    return _unclear(f"the {job.tool} module could not judge it: {step.what}", in_vain=step.lasting)


def _unclear(what: str, in_vain: bool) -> Seen:
    return Seen(Verdict(finding=Finding.UNCLEAR, detail=what[:500]), in_vain)


async def progress(tool: Tool, files: Files, job: JobSpec, attempt: Attempt) -> Progress | None:
    """How far a running job is. Raises HostUnreachable, and Indigestible where the tool fails."""
    return await rounds.put_one(_progress, (tool, job, attempt), files.glance, SHOWING)


def _progress(about: tuple[Tool, JobSpec, Attempt]) -> Question[Progress | None]:
    tool, job, attempt = about
    return shown((yield from tool.progress(job, attempt)))


def shown(value: object) -> Progress | None:
    """As it can be shown. Raises TypeError, MsgspecError."""
    if value is None:
        return None
    if not isinstance(value, Progress):
        raise TypeError(f"a progress was expected, not {type(value).__name__}")
    made = replace(value, unit=printable(value.unit)[:20])
    return msgspec.json.decode(msgspec.json.encode(made), type=Progress)
