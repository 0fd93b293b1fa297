"""Where a job's results lie, as far as its tool has written that down. Pure.

The names of these facts are the tools' common words; one that uses others has its results shown once they are verified.
"""

from runexp.wire.jobs import JobSpec


def logs(job: JobSpec) -> str | None:
    """The directory of an evaluation's logs."""
    return _place(job, "log_dir")


def checkpoints(job: JobSpec) -> str | None:
    """The directory of a training's epochs."""
    return _place(job, "output_dir")


def _place(job: JobSpec, fact: str) -> str | None:
    found = job.facts.get(fact)
    return found if isinstance(found, str) and found.startswith("/") else None
