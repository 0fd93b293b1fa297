"""What discovery noted of a job, read again. Pure."""

from runexp.wire.jobs import JobSpec


def text(job: JobSpec, fact: str) -> str:
    """Empty where nothing was noted."""
    return str(job.facts.get(fact) or "")


def number(job: JobSpec, fact: str) -> int | None:
    value = job.facts.get(fact)
    return value if isinstance(value, int) else None
