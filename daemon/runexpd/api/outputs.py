"""What jobs print, and the logs of experiments: as they lie there, and as they grow."""

import codecs
from collections.abc import AsyncIterator

import anyio

from runexp.wire import requests
from runexp.wire.jobs import BEFORE
from runexp.wire.outputs import Awaited, Chunk, Logs, LogsEnd
from runexp.wire.refusals import Code
from runexp.wire.states import SETTLED
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.core.state import Experiment
from runexpd.core.steps import prepare
from runexpd.experiments.logblocks import EXPERIMENT
from runexpd.hosts.base import FileMissing, Host

FOLLOW_SECONDS = 0.5
CHUNK_BYTES = 256 * 1024
#: So far back the last lines are looked for.
MOST_TAIL_BYTES = 4 * 1024 * 1024


async def logs(context: Context, asked: Logs) -> AsyncIterator[requests.Reply]:
    experiment = await find.experiment(context, asked.experiment)
    job = find.job(context, experiment, asked.job) if asked.job else None
    host = find.cluster(context, experiment.cluster).host
    path, is_said = _path(context, experiment, job, asked.attempt), False
    while path is None:
        known = await context.at_hand(experiment.id)
        if not asked.follow or job is None or _is_over(known, job):
            raise _without_output(context, known, job or "", asked.attempt)
        if not is_said:
            yield Awaited(job=job, state=known.jobs[job].state)
        is_said = True
        await anyio.sleep(FOLLOW_SECONDS)
        path = _path(context, await context.at_hand(experiment.id), job, asked.attempt)
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    offset = await _begin(host, path, asked)
    while True:
        over = _is_over(await context.at_hand(experiment.id), job)
        try:
            data = await host.read(path, offset, CHUNK_BYTES)
        except FileMissing:
            data = b""
        offset += len(data)
        if data:
            yield Chunk(text=decode(data))
        elif over or not asked.follow:
            break
        else:
            await anyio.sleep(FOLLOW_SECONDS)
    yield LogsEnd(path=path)


async def _begin(host: Host, path: str, asked: Logs) -> int:
    """From which byte on it is told."""
    fact = await host.stat(path)
    if fact is None and not asked.follow:
        raise Refusal(Code.UNKNOWN, "there is no such file (yet)", path, hint="-f waits for it")
    if fact is None:
        return 0
    if asked.tail_lines is not None:
        return await _last_lines(host, path, fact.size_bytes, asked.tail_lines)
    return 0 if asked.tail_bytes is None else max(0, fact.size_bytes - asked.tail_bytes)


async def _last_lines(host: Host, path: str, size: int, count: int) -> int:
    """Where the last so many lines begin, as far back as is looked."""
    begin, end = size, b""
    while begin > 0 and end[:-1].count(b"\n") < count and size - begin < MOST_TAIL_BYTES:
        earlier = max(0, begin - CHUNK_BYTES)
        end, begin = await host.read(path, earlier, begin - earlier) + end, earlier
    lines = end.splitlines(keepends=True)
    return begin + len(end) - sum(map(len, lines[len(lines) - count :] if count else []))


def _path(context: Context, experiment: Experiment, job: str | None, number: int | None) -> str | None:
    """None: it has none yet."""
    if job is None:
        return experiment.logs[EXPERIMENT]
    if job == BEFORE and job not in experiment.jobs:
        return prepare.output(experiment)
    attempts = experiment.jobs[job].attempts
    chosen = [each for each in attempts if number in (None, each.number)]
    return chosen[-1].output if chosen else None


def _without_output(context: Context, e: Experiment, job: str, number: int | None) -> Refusal:
    hint = f"`runexp status {context.typed(e)}` shows why"
    if number is not None:
        known = ", ".join(str(each.number) for each in e.jobs[job].attempts) or "none"
        return Refusal(Code.UNKNOWN, f"{job} has no output of attempt {number}", hint=f"attempts: {known}")
    if e.jobs[job].attempts:
        what = f"{job} has no output yet: it is {e.jobs[job].state}, and only its start tells where it prints"
        return Refusal(Code.UNKNOWN, what, hint="-f waits for it")
    what = f"{job} has no output: it is {e.jobs[job].state} and was never submitted here"
    return Refusal(Code.UNKNOWN, what, hint=hint)


def _is_over(experiment: Experiment, job: str | None) -> bool:
    """Whether nothing more will be written. Asked before the read that may be the last."""
    if job is None:
        return experiment.outcome is not None
    if job == BEFORE and job not in experiment.jobs:
        return not experiment.preparation_runs
    return job not in experiment.jobs or experiment.jobs[job].stage in SETTLED
