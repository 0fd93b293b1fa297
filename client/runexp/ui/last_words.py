"""What failed jobs said last, below the jobs of an experiment. Pure."""

from collections.abc import Iterator, Sequence

from runexp.ui import table
from runexp.ui.palette import Line, Span
from runexp.wire.states import Stage
from runexp.wire.views import JobView

#: Failed jobs whose last words are shown.
_MOST_JOBS = 3


def lines(jobs: Sequence[JobView], typed: str) -> Iterator[Line]:
    """Of many failed jobs, the first alone. `typed`: what names their experiment on a command line."""
    told = [(job.id, job.failure.said) for job in jobs if job.stage is Stage.FAILED and job.failure]
    told = [(id, said) for id, said in told if said]
    for id, said in told[:_MOST_JOBS]:
        yield ()
        yield table.line(f"last words of {id}")
        for line in said:
            yield table.line(Span(f"  | {line}", "dim"))
    if len(told) > _MOST_JOBS:
        yield table.line(f"  and of {len(told) - _MOST_JOBS} more: runexp report {typed}")
