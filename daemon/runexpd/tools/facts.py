"""What discovery notes of a job, and reads again. Pure."""

from collections.abc import Mapping

from runexp.wire.jobs import JobSpec

Fact = str | int | list[int] | None


def told(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """Without those that say nothing."""
    return {name: fact for name, fact in facts.items() if fact is not None and fact != ""}


def text(job: JobSpec, fact: str) -> str:
    """Empty where nothing was noted."""
    return str(job.facts.get(fact) or "")


def number(job: JobSpec, fact: str) -> int | None:
    value = job.facts.get(fact)
    return value if isinstance(value, int) else None
