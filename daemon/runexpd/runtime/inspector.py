"""Puts tools' questions to a host: what many of them ask at one moment is fetched at once, and judged in a child process.

A tool module is other people's code: whatever it returns or raises is one job's affair, and becomes a verdict that is unclear.
"""

import traceback
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import msgspec
from loguru import logger
from msgspec.structs import replace

from runexp.text import on_one_line, printable
from runexp.wire.jobs import Failure, Finding, JobSpec, Progress, Verdict
from runexpd.core import job as ledger
from runexpd.core.commands import Judge
from runexpd.hosts.base import Answer, Ask, Files
from runexpd.runtime.digest import Indigestible, Lane, digest
from runexpd.tools import resources
from runexpd.tools.base import Attempt, Question, Tool

#: How often a question may ask again.
MOST_ROUNDS = 8
#: What it may ask for at one moment.
MOST_ASKS = 100_000
#: Jobs looked at together.
TOGETHER = 200
#: For one step of one job's question, and for one of many.
STEP_SECONDS, STEPS_SECONDS = 10.0, 30.0
#: For one step of what is only shown.
PROGRESS_SECONDS = 3.0
_MOST_LINES = 200


class Look(msgspec.Struct, frozen=True):
    """A job whose results are to be looked at, and the attempt they are to be of; None: of any earlier time."""

    job: JobSpec
    attempt: Attempt | None


class Fault(msgspec.Struct, frozen=True):
    """A tool module failed: in a line, and where."""

    what: str
    trace: str = ""
    #: Another try would end as this one did; what took too long, or found no memory, may fare better.
    lasting: bool = True


Step = Verdict | tuple[Ask, ...] | Fault


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
        output=known.attempt.output or "",
    )
    return Look(job, attempt)


async def look_at(tools: Mapping[str, Tool], files: Files, looks: Sequence[Look]) -> list[Seen]:
    """The verdict on each, in order. Raises HostUnreachable."""
    found: list[Seen] = []
    for start in range(0, len(looks), TOGETHER):
        found += await _look(tools, files, looks[start : start + TOGETHER])
    return found


async def _look(tools: Mapping[str, Tool], files: Files, looks: Sequence[Look]) -> list[Seen]:
    seen: dict[int, Seen] = {n: s for n, look in enumerate(looks) if (s := _unknown(tools, look))}
    heard: dict[int, tuple[tuple[Answer, ...], ...]] = {n: () for n in range(len(looks)) if n not in seen}
    for _ in range(MOST_ROUNDS):
        if not heard:
            break
        steps = await _steps([(tools[looks[n].job.tool], looks[n], heard[n]) for n in heard])
        asks = {}
        for number, step in zip(list(heard), steps, strict=True):
            if isinstance(step, tuple):
                asks[number] = step
            else:
                seen[number] = _seen(looks[number].job, step)
        answers = iter(await files.fetch([ask for each in asks.values() for ask in each]) if asks else ())
        heard = {n: (*heard[n], tuple(next(answers) for _ in each)) for n, each in asks.items()}
    for number in heard:
        seen[number] = _seen(looks[number].job, Fault(f"it asked {MOST_ROUNDS} times and came to no end"))
    return [seen[number] for number in range(len(looks))]


def _unknown(tools: Mapping[str, Tool], look: Look) -> Seen | None:
    if look.job.tool in tools:
        return None
    known = ", ".join(sorted(tools))
    return _unclear(f"the tool {look.job.tool} is not installed here; known: {known}", in_vain=True)


async def _steps(questions: Sequence[tuple[Tool, Look, tuple[tuple[Answer, ...], ...]]]) -> Sequence[Step]:
    """A step of each; one that takes too much is tried apart from the others."""
    try:
        return await digest(steps, questions, seconds=STEP_SECONDS if len(questions) == 1 else STEPS_SECONDS)
    except Indigestible as error:
        if len(questions) == 1:
            return [Fault(error.what, error.trace, lasting=False)]
    return [step for question in questions for step in await _steps([question])]


def steps(questions: Sequence[tuple[Tool, Look, tuple[tuple[Answer, ...], ...]]]) -> list[Step]:
    """In the child: each question from its start, with all that it has been answered so far."""
    return [_step(tool, look, heard) for tool, look, heard in questions]


def _step(tool: Tool, look: Look, heard: tuple[tuple[Answer, ...], ...]) -> Step:
    try:
        step = after(resources.along_with(tool.verify(look.job, look.attempt), look.attempt), heard)
        return _checked(step.value) if isinstance(step, Done) else step
    except Exception as error:
        return Fault(printable(f"{type(error).__name__}: {error}"), traceback.format_exc())


class Done(msgspec.Struct, frozen=True):
    """What a question came to, unchecked."""

    value: object


def after(question: Question[Any], heard: tuple[tuple[Answer, ...], ...]) -> tuple[Ask, ...] | Done:
    """What it asks for next. Raises whatever the tool raises."""
    try:
        asks = next(question)
        for answers in heard:
            asks = question.send(answers)
    except StopIteration as done:
        return Done(done.value)
    asked = tuple(islice(asks, MOST_ASKS + 1))
    if len(asked) > MOST_ASKS:
        raise ValueError(f"it asks for more than {MOST_ASKS} things at once")
    return msgspec.convert(msgspec.to_builtins(asked), tuple[Ask, ...])


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
    heard: tuple[tuple[Answer, ...], ...] = ()
    for _ in range(MOST_ROUNDS):
        step = await digest(
            progressed, tool, job, attempt, heard, seconds=PROGRESS_SECONDS, lane=Lane.LOOKING
        )
        if not isinstance(step, tuple):
            return step
        heard = (*heard, tuple(await files.glance(step)))
    raise Indigestible(f"{tool.name} asked {MOST_ROUNDS} times and came to no end")


def progressed(
    tool: Tool, job: JobSpec, attempt: Attempt, heard: tuple[tuple[Answer, ...], ...]
) -> tuple[Ask, ...] | Progress | None:
    """In the child: what it asks for next, or how far the job is."""
    step = after(tool.progress(job, attempt), heard)
    if not isinstance(step, Done):
        return step
    return shown(step.value)


def shown(value: object) -> Progress | None:
    """As it can be shown. Raises TypeError, MsgspecError."""
    if value is None:
        return None
    if not isinstance(value, Progress):
        raise TypeError(f"a progress was expected, not {type(value).__name__}")
    made = replace(value, unit=printable(value.unit)[:20])
    return msgspec.json.decode(msgspec.json.encode(made), type=Progress)
