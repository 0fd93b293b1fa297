"""Has tools look at results: of a job that has ended, and of jobs that may have been done before."""

from collections.abc import Iterable, Mapping

import anyio
from loguru import logger

from runexp.wire.jobs import Failure, JobSpec, Verdict
from runexpd.core import state as ledger
from runexpd.core.commands import Judge
from runexpd.hosts.base import Files, HostError, HostUnreachable
from runexpd.tools.base import Attempt, Tool

#: Looks at one time; each may hold an SFTP request or two.
CONCURRENT_LOOKS = 8


async def judge(tools: Mapping[str, Tool], files: Files, command: Judge) -> Verdict:
    """The verdict on an ended job. Raises HostUnreachable."""
    attempt = Attempt(
        slurm_job_id=command.slurm_job_id,
        state=command.state,
        exit_code=command.exit_code,
        started_at=command.started_at,
        ended_at=command.ended_at,
        output=command.output,
    )
    return await _verdict(tools, files, command.job, attempt)


async def look_at_all(
    tools: Mapping[str, Tool], files: Files, jobs: Iterable[JobSpec], known: Mapping[str, ledger.Job]
) -> dict[str, Verdict]:
    """What lies on disk for each job, by id: of its verified attempt, or of any earlier time. Raises HostUnreachable."""
    found: dict[str, Verdict] = {}
    limit = anyio.CapacityLimiter(CONCURRENT_LOOKS)
    unreachable: list[HostUnreachable] = []

    async def look(job: JobSpec) -> None:
        async with limit:
            try:
                found[job.id] = await _verdict(tools, files, job, verified_attempt(known.get(job.id)))
            except HostUnreachable as error:
                unreachable.append(error)
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for job in jobs:
            tasks.start_soon(look, job)
    if unreachable:
        raise unreachable[0]
    return found


def verified_attempt(job: ledger.Job | None) -> Attempt | None:
    """The attempt that a job was verified by; None where results count whoever made them."""
    if job is None or job.attempt is None or job.attempt.token != job.proof:
        return None
    return Attempt(
        slurm_job_id=job.attempt.slurm_job_id or "",
        state=job.attempt.state,
        exit_code=job.attempt.exit_code,
        started_at=job.attempt.started_at,
        ended_at=job.attempt.ended_at,
        output=job.attempt.output or "",
    )


async def _verdict(tools: Mapping[str, Tool], files: Files, job: JobSpec, attempt: Attempt | None) -> Verdict:
    tool = tools.get(job.tool)
    if tool is None:
        return _bad(
            "unknown_tool", f"the tool {job.tool} is not installed here; known: {', '.join(sorted(tools))}"
        )
    try:
        return await tool.verify(files, job, attempt)
    except HostUnreachable:
        raise
    except HostError as error:
        return _bad("unreadable", f"results can't be read: {error.what}")
    except (
        Exception
    ) as error:  # a tool module is other people's code: its fault is one job's, not the daemon's
        logger.exception("tool {} failed on {}", job.tool, job.id)
        return _bad("tool_fault", f"the {job.tool} module failed: {type(error).__name__}: {error}")


def _bad(kind: str, message: str) -> Verdict:
    return Verdict(good=False, detail=message, failure=Failure(kind, message))
