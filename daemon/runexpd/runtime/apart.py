"""No two trainings of an experiment leave their results in one directory, whichever links lead there."""

from collections.abc import Iterator, Sequence
from posixpath import basename, dirname, join

from runexp.wire.jobs import JobSpec
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import Answer, Files, Locate, Place


async def check(files: Files, jobs: Sequence[JobSpec]) -> None:
    """Their tool compares what they say; this, where that leads. Raises BadExperiment and HostUnreachable."""
    trained = [job for job in jobs if job.results]
    if len(trained) < 2:
        return
    asks = [Locate(path) for job in trained for path in (job.results, dirname(job.results))]
    seen: dict[str, JobSpec] = {}
    for job, place in zip(trained, _places(trained, await files.fetch(asks)), strict=True):
        if (other := seen.setdefault(place, job)) is not job:
            what = f"{other.id} and {job.id} leave their results in one directory: {place}"
            hint = (
                f"give each run a directory of its own: a link makes one of {other.results} and {job.results}"
            )
            raise BadExperiment(what, job.script, hint)


def _places(jobs: Sequence[JobSpec], answers: Sequence[Answer]) -> Iterator[str]:
    """Of one that isn't there yet, where it will be."""
    for job, itself, above in zip(jobs, answers[::2], answers[1::2], strict=True):
        if isinstance(itself, Place):
            yield itself.path
        else:
            yield join(above.path, basename(job.results)) if isinstance(above, Place) else job.results
