"""Sends attempts, and finds out what became of those whose answer was lost."""

import math
from collections.abc import AsyncIterator, Mapping, Sequence

from runexp.wire.jobs import JobSpec
from runexp.wire.states import Phase
from runexpd.clusters import base
from runexpd.clusters.base import Cluster, Submission
from runexpd.core.commands import Resolve, Submit
from runexpd.core.observations import Accepted, Answer, Deferred, Refused, Unclear
from runexpd.experiments import outputs
from runexpd.experiments.outputs import Start


async def submit(cluster: Cluster, batch: Sequence[Submit]) -> AsyncIterator[Sequence[Answer]]:
    """Send each once, in order; their answers as they come, those that come together at once.

    Sending a token again makes no second job.
    """
    commands = {command.token: command for command in batch}
    async for answers in cluster.submit(
        [_submission(each.token, each.job, each.variable, each.looked_at) for each in batch]
    ):
        yield [_answer(commands[token], answer) for token, answer in answers.items()]


async def resolve(cluster: Cluster, batch: Sequence[Resolve]) -> Sequence[Answer]:
    """What became of them, as far as it can be told. Raises ClusterUnreachable."""
    commands = {command.token: command for command in batch}
    answers = await cluster.resolve([_submission(each.token, each.job) for each in batch])
    return [_answer(commands[token], answer) for token, answer in answers.items()]


async def taken(cluster: Cluster, jobs: Mapping[str, JobSpec]) -> Mapping[str, str]:
    """Of those to be submitted by these tokens whose directory another's job trains in, in words. Raises ClusterUnreachable."""
    return await cluster.taken([_submission(token, job) for token, job in jobs.items()])


async def writing(cluster: Cluster, jobs: Mapping[str, JobSpec]) -> Mapping[str, str]:
    """Of those in whose directory another's job certainly trains, whose, in words, by token. Raises ClusterUnreachable."""
    return await cluster.writing([_submission(token, job) for token, job in jobs.items()])


def _submission(token: str, job: JobSpec, variable: str = "", looked_at: float = math.inf) -> Submission:
    """Never raises: what is wrong with one is its cluster's to say, and stops no other."""
    return Submission(
        token=token,
        script=job.script,
        workdir=job.workdir,
        name=job.name,
        chdir=job.chdir,
        output_dirs=outputs.directories(job),
        results=(job.results or job.workdir) if job.phase is Phase.OPTIMIZATION else "",
        directives=job.directives,
        variable=variable,
        looked_at=looked_at,
    )


def _answer(command: Submit | Resolve, answer: base.Answer) -> Answer:
    experiment, job, token = command.experiment, command.job.id, command.token
    match answer:
        case base.Accepted():
            output = outputs.output_of(command.job, Start(answer.slurm_job_id))
            return Accepted(
                experiment=experiment, job=job, token=token, slurm_job_id=answer.slurm_job_id, output=output
            )
        case base.Refused():
            return Refused(experiment=experiment, job=job, token=token, error=answer.error)
        case base.Deferred():
            return Deferred(
                experiment=experiment,
                job=job,
                token=token,
                reason=answer.reason,
                at_once=answer.at_once,
                alone=answer.alone,
            )
        case base.Unclear():
            return Unclear(experiment=experiment, job=job, token=token, reason=answer.reason)
